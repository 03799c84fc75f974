/**
 * The recipes for test runners, called as their runners call them. The runners are not there: `npm run test:runners` runs the same blocks
 * in the real ones.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Fates, Newcomer } from './newcomer.js'
import { read } from './pages.js'

const EXPECT = 'globalThis.expect = (got) => ({ toBe: (wanted) => { if (got !== wanted) throw new Error(`${got} is not ${wanted}`) } })'

/** As much of each runner as a configuration or a test file takes from it. */
const STAND_INS: Readonly<Record<string, string>> = {
  'node_modules/@playwright/test/index.mjs': 'export const defineConfig = (...parts) => Object.assign({}, ...parts)',
  'node_modules/@playwright/test/package.json': '{ "exports": "./index.mjs" }',
  'node_modules/vitest/config.mjs': 'export const defineConfig = (config) => config',
  'node_modules/vitest/index.mjs': `${EXPECT}\nexport const { expect } = globalThis\nexport const test = async (name, work) => { await work(); console.log(name) }
    export const inject = (key) => ({ oneServer: { url: process.env.ONE_SERVER_URL } })[key]`,
  'node_modules/vitest/package.json': '{ "exports": { ".": "./index.mjs", "./config": "./config.mjs" } }',
  'node_modules/cypress/index.js': 'exports.defineConfig = (config) => config',
  'jest.cjs': `${EXPECT}\nglobalThis.test = async (name, work) => { await work(); console.log(name) }`,
  'a.test.mjs': `import { test } from 'node:test'
    test('well', async () => { if (!(await fetch(process.env.ONE_SERVER_URL)).ok) throw new Error('unwell') })`,
  'leases.mjs': `import { fromConfig } from 'one-server'
    export const leases = async () => (await (await fromConfig('web')).status()).leases.length`,
}

/** A project with the config file of the page; runs a command in it. */
const projectOf = (here: Newcomer, files: Readonly<Record<string, string>>) => {
  const folder = join(here.folder, 'test-runners')
  const config = read('fixtures/README.md').blocks.find(({ name }) => name === 'Test runners json 1')!.text
  const server = "require('node:http').createServer((_, answer) => answer.end('well')).listen(process.env.PORT, '127.0.0.1')"
  for (const [name, text] of Object.entries({ ...STAND_INS, 'server.js': server, 'one-server.config.json': config, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return (command: string) => here.sh(command, {}, folder)
}

/** Runs a program of a project, which prints a URL and how many leases there are while it has one, and then that there is none. */
const lends = (t: Test, here: Newcomer, files: Readonly<Record<string, string>>, program: string): void => {
  const sh = projectOf(here, { ...files, 'program.mjs': `import { leases } from './leases.mjs'\n${program}` })
  const { status, stdout, stderr } = sh('node program.mjs')
  t.match({ status, stdout }, { status: 0, stdout: /^http:\S+ 1\n0\n$/ }, stderr)
  t.equal(sh('one-server stop web').status, 0)
}

/** Runs a command below `one-server run web`. */
const belowRun = (t: Test, here: Newcomer, files: Readonly<Record<string, string>>, command: string, prints: RegExp): void => {
  const sh = projectOf(here, files)
  const { status, stdout, stderr } = sh(`one-server run web -- ${command}`)
  t.match({ status, stdout }, { status: 0, stdout: prints }, stderr)
  t.equal(sh('one-server stop web').status, 0)
}

export const runnerRecipes: Fates = {
  'Test runners json 1': { run: async (t, _, here) => { t.match(projectOf(here, {})('one-server status web'), { status: 3 }) } },
  'Test runners sh 1': {
    run: async (t, text, here) => {
      const sh = projectOf(here, {})
      t.match(sh(text), { status: 0, stdout: /pass 1/ })
      t.equal(sh('one-server stop web').status, 0)
    },
  },
  'Playwright js 1': {
    run: async (t, text, here) => lends(t, here, { 'playwright.config.mjs': text }, `
      import config from './playwright.config.mjs'
      const { default: { default: setup } } = await import(config.globalSetup)
      const teardown = await setup({ configFile: import.meta.filename })
      console.log(process.env.ONE_SERVER_URL, await leases())
      await teardown()
      console.log(await leases())`),
  },
  'Vitest js 1': {
    run: async (t, text, here) => lends(t, here, { 'vitest.config.mjs': text }, `
      import config from './vitest.config.mjs'
      const [plugin] = config.plugins
      const { globalSetup: [file], provide } = plugin.config().test
      const { default: setup } = await import(file)
      const teardown = await setup({ getProvidedContext: () => provide, provide: (key, value) => { provide[key] = value } })
      console.log(provide.oneServer.url, await leases())
      await teardown()
      console.log(await leases())`),
  },
  'Vitest js 2': { run: async (t, text, here) => belowRun(t, here, { 'vitest.test.mjs': text }, 'node vitest.test.mjs', /^the server answers\n$/) },
  'Jest js 1': {
    run: async (t, text, here) => lends(t, here, { 'jest.config.cjs': text }, `
      import config from './jest.config.cjs'
      const [{ default: { default: setup } }, { default: { default: teardown } }] = [await import(config.globalSetup), await import(config.globalTeardown)]
      await setup({}, { rootDir: process.cwd() })
      console.log(process.env.ONE_SERVER_URL, await leases())
      await teardown({})
      console.log(await leases())`),
  },
  'Jest js 2': { run: async (t, text, here) => belowRun(t, here, { 'jest.test.cjs': text }, 'node --require ./jest.cjs jest.test.cjs', /^the server answers\n$/) },
  'Mocha js 1': {
    run: async (t, text, here) => lends(t, here, { 'fixtures.mjs': text }, `
      import { mochaGlobalSetup, mochaGlobalTeardown } from './fixtures.mjs'
      await mochaGlobalSetup()
      console.log(process.env.ONE_SERVER_URL, await leases())
      await mochaGlobalTeardown()
      console.log(await leases())`),
  },
  'node:test and tap js 1': {
    run: async (t, text, here) => {
      const sh = projectOf(here, { 'server.mjs': text })
      t.match(sh('node --test --import ./server.mjs a.test.mjs'), { status: 0, stdout: /pass 1/ })
      t.equal(sh('one-server stop web').status, 0)
    },
  },
  'Cypress js 1': {
    run: async (t, text, here) => {
      const sh = projectOf(here, { 'cypress.config.cjs': text, 'program.mjs': `
        import config from './cypress.config.cjs'
        const { baseUrl, projectId } = await config.e2e.setupNodeEvents(() => {}, { projectId: 'x' })
        console.log((await fetch(baseUrl)).status, projectId)` })
      t.match(sh('node program.mjs'), { status: 0, stdout: '200 x\n' })
      t.equal(sh('one-server stop web').status, 0)
    },
  },
}
