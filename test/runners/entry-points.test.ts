/**
 * The entry points for test runners, called as their runners call them, with real servers and without the runners: those are in
 * `npm run test:runners`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bareEnv, fixture, runModule } from '../support/child.js'
import { entriesOf } from '../support/ledger.js'
import { isAlive } from '../support/processes.js'
import { tempFolder, untilUnused } from '../support/temp-folder.js'

const inPackage = (name: string): string => new URL(`../../../dist/${name}`, import.meta.url).href

/** Runs a text in a folder whose config file has `web`, which needs `db`. It prints one JSON document; then no server is left. */
const inProject = async (t: Test, text: string) => {
  const folder = tempFolder(t)
  const command = [process.execPath, fixture('healthy.mjs')]
  const server = { command, port: 'auto', host: '127.0.0.1', idleTimeout: '1ms' }
  writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers: { web: { ...server, needs: ['db'] }, db: server } }))
  const ledger = join(folder, 'ledger')
  const env = { ...bareEnv(), HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), LEDGER: ledger }
  const { code, stdout, stderr } = await runModule(t, `
    import { createRequire } from 'node:module'
    import { fileURLToPath, pathToFileURL } from 'node:url'
    import { fromConfig, OneServerError } from '${inPackage('index.js')}'
    const folder = ${JSON.stringify(folder)}
    const load = async (file) => {
      const { default: found } = await import(pathToFileURL(file).href)
      return found.default ?? found
    }
    const leases = async (name) => (await (await fromConfig(name, { from: folder })).status()).leases?.length ?? 0
    const well = async (url) => (await fetch(url + '/api/health')).status
    const refused = (work) => work.then(() => undefined, (error) => [error instanceof OneServerError, error.code, error.message, error.hint])
    ${text}`, [], { cwd: tempFolder(t), env })
  t.match({ code, stderr }, { code: 0, stderr: '' })
  await untilUnused(join(folder, 'state'))
  const starts = entriesOf(ledger).filter(({ event }) => event === 'start')
  t.ok(starts.every(({ pid }) => !isAlive(pid)), 'no server is left')
  return { ...JSON.parse(stdout), starts: starts.length, folder }
}

for (const format of ['js', 'cjs']) {
  t.test(`Playwright, ${format}`, async (t) => {
    const told = await inProject(t, `
      const library = createRequire(import.meta.url)
      const { oneServer, serverUrl } = ${format === 'js' ? `await import('${inPackage('playwright.js')}')` : `library(fileURLToPath('${inPackage('playwright.cjs')}'))`}
      const part = oneServer('web')
      const setup = await load(part.globalSetup)
      const teardown = await setup({ configFile: folder + '/playwright.config.ts' })
      const inWorker = oneServer('web').use.baseURL
      const answers = [await well(inWorker), await well(serverUrl('db')), inWorker === serverUrl('web'), process.env.ONE_SERVER_HOST]
      const held = [await leases('web'), await leases('db')]
      await teardown()
      console.log(JSON.stringify({ before: part.use, answers, held, after: [await leases('web'), await leases('db')], url: process.env.ONE_SERVER_URL ?? null }))`)
    t.match(told, { before: {}, answers: [200, 200, true, '127.0.0.1'], held: [1, 1], after: [0, 0], url: null, starts: 2 })
    t.same(Object.keys(told.before), [])
  })
}

t.test('Vitest: two plugins in one process, and reruns', async (t) => {
  const told = await inProject(t, `
    const { oneServer, globalSetup } = await import('${inPackage('vitest.js')}')
    // As Vitest does: what the configuration provides is there before the global setup.
    const projectOf = (plugin) => {
      const { test: { globalSetup: [file], provide } } = plugin.config()
      const rerun = []
      const context = { ...provide }
      return { file, context, rerun, config: { root: folder }, getProvidedContext: () => context, provide: (key, value) => { context[key] = structuredClone(value) }, onTestsRerun: (one) => rerun.push(one) }
    }
    const [web, db] = [oneServer('web'), oneServer(['db', 'web'])].map(projectOf)
    const setup = await load(web.file)
    const teardowns = [await setup(web), await setup(db)]
    const answers = [await well(web.context.oneServer.url), web.context.oneServer.url === db.context.oneServer.urls.web, db.context.oneServer.url === web.context.oneServer.urls.db]
    const held = [await leases('web'), await leases('db')]
    const { pid } = await (await fromConfig('web', { from: folder })).status()
    process.kill(pid, 'SIGKILL')
    for (const rerun of [...web.rerun, ...db.rerun]) await rerun()
    const again = [await well(web.context.oneServer.url), web.context.oneServer.url === db.context.oneServer.urls.web, await leases('web'), await leases('db')]
    for (const teardown of teardowns) await teardown()
    const error = await refused(load(web.file).then((setup) => setup({ provide: () => {} })))
    console.log(JSON.stringify({ answers, held, again, after: [await leases('web'), await leases('db')], error, untouched: process.env.ONE_SERVER_URL ?? null }))`)
  t.match(told, {
    answers: [200, true, true], held: [2, 2], again: [200, true, 2, 2], after: [0, 0], untouched: null, starts: 3,
    error: [true, 'INVALID_OPTION', /names no server\n {2}hint: |names no server$/],
  })
})

t.test('Vitest: several plugins of one configuration lose no server, the last one is the default, and a failure lets all go', async (t) => {
  const told = await inProject(t, `
    const { oneServer } = await import('${inPackage('vitest.js')}')
    // As Vite does: each plugin gets the configuration with what those before it have added, and lists are joined.
    const configured = (plugins) => {
      const config = { test: { globalSetup: [], provide: {} } }
      for (const plugin of plugins) {
        const { test: { globalSetup, provide } } = plugin.config(config)
        config.test = { globalSetup: [...config.test.globalSetup, ...globalSetup], provide: { ...config.test.provide, ...provide } }
      }
      const context = { ...config.test.provide }
      return { files: config.test.globalSetup, context, config: { root: folder }, getProvidedContext: () => context, provide: (key, value) => { context[key] = structuredClone(value) } }
    }
    const [web, db, none] = [oneServer('web'), oneServer('db'), oneServer('none')]
    const both = configured([web, web, db])
    const setup = await load(both.files[0])
    const teardown = await setup(both)
    const { url, urls } = both.context.oneServer
    const answers = [both.files.length, await well(urls.web), await well(urls.db), url === urls.db, urls.web === urls.db]
    const held = [await leases('web'), await leases('db')]
    await teardown()
    const error = await refused(setup(configured([web, none])))
    console.log(JSON.stringify({ answers, held, error, after: [await leases('web'), await leases('db')] }))`)
  t.match(told, { answers: [1, 200, 200, true, false], held: [1, 2], after: [0, 0], error: [true, 'INVALID_OPTION', /there is no server "none"/] })
})

t.test('Jest: each run of watch mode has the lease before the one before lets go', async (t) => {
  const told = await inProject(t, `
    const { oneServer, serverUrl } = await import('${inPackage('jest.js')}')
    const part = oneServer('web')
    const [setup, teardown] = [await load(part.globalSetup), await load(part.globalTeardown)]
    const urls = []
    const held = []
    for (const watch of [{ watch: true }, { watchAll: true }, {}]) {
      await setup(watch, { rootDir: folder })
      urls.push(serverUrl())
      held.push(await leases('web'))
      await teardown(watch, { rootDir: folder })
      held.push(await leases('web'))
    }
    const error = await refused(Promise.resolve().then(() => serverUrl()))
    console.log(JSON.stringify({ urls: new Set(urls).size, held, error }))`)
  t.match(told, { urls: 1, held: [1, 1, 1, 1, 1, 0], starts: 2, error: [true, 'INVALID_OPTION', /^this test run has no server/] })
})

t.test('a start that fails says what to do in its message, which is all that a runner shows, and lets the others go', async (t) => {
  const told = await inProject(t, `
    const { globalSetup } = await import('${inPackage('playwright.js')}')
    const config = { configFile: folder + '/playwright.config.ts' }
    const refusals = [
      await refused(globalSetup('wep')(config)),
      await refused(globalSetup('web', { command: [process.execPath, '--eval', 'process.exit(7)'], idleTimeout: '2s' })(config)),
      await refused(globalSetup({ name: 'web', port: 'x' })(config)),
    ]
    console.log(JSON.stringify({ refusals, held: await leases('db'), url: process.env.ONE_SERVER_URL ?? null }))`)
  t.match(told, {
    held: 0, url: null,
    refusals: [
      [true, 'INVALID_OPTION', /there is no server "wep"; did you mean web\?\n {2}hint: /],
      [true, 'SERVER_EXITED', /^web: Server exited with code 7[\s\S]*\n {2}hint: /],
      [true, 'INVALID_OPTION', /port must be [\s\S]*\n {2}hint: /],
    ],
  })
  for (const [, , message, hint] of told.refusals as [boolean, string, string, string][]) t.ok(message.endsWith(`\n  hint: ${hint}`))
})
