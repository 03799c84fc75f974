/** The runners, each with its configuration as users write it: the recipes as printed, and the forms that the recipes name in a sentence. */
import { block, FILES, type Runner } from './project.js'

const numbers = Array.from({ length: FILES }, (_, at) => at + 1)

const each = (name: (number: number) => string, text: string): Record<string, string> => Object.fromEntries(numbers.map((number) => [name(number), text]))

const MODULE = '{ "private": true, "type": "module" }'
const [major] = process.versions.node.split('.').map(Number) as [number]

const PLAYWRIGHT = { npm: ['@playwright/test@1'], args: ['node_modules/@playwright/test/cli.js', 'test', '--workers=8', '--timeout=0', '--reporter=line'] }
const SPEC = `
import { test, expect } from '@playwright/test'
import { serverUrl } from 'one-server/playwright'
import { visit } from '../visit.cjs'
test('well', async ({ request, baseURL }) => {
  expect((await request.get('/')).ok()).toBe(true)
  expect(serverUrl('web')).toBe(baseURL)
  await visit(baseURL)
})`

const VITEST = {
  npm: [major >= 22 ? 'vitest@5' : 'vitest@4'], args: ['node_modules/vitest/vitest.mjs', 'run', '--maxWorkers=8', '--testTimeout=0'],
  watch: ['node_modules/vitest/vitest.mjs', '--watch', '--maxWorkers=8', '--testTimeout=0'],
}
const VITEST_TEST = `
import { inject, test } from 'vitest'
import { visit } from './visit.cjs'
test('well', () => visit(inject('oneServer').url))`

const JEST = {
  npm: ['jest@30'], cache: 'one-server-jest', args: ['node_modules/jest/bin/jest.js', '--maxWorkers=8', '--testTimeout=1000000'],
  watch: ['node_modules/jest/bin/jest.js', '--watchAll', '--maxWorkers=8', '--testTimeout=1000000'],
}
const JEST_TEST = `
const { serverUrl } = require('one-server/jest')
const { visit } = require('./visit.cjs')
test('well', async () => {
  expect(serverUrl('web')).toBe(process.env.ONE_SERVER_URL)
  await visit(serverUrl())
})`

const ENVIRONMENT_TEST = (test: string): string => `
import { test } from '${test}'
import visiting from './visit.cjs'
test('well', () => visiting.visit(process.env.ONE_SERVER_URL))`

const MOCHA_TEST = `
import visiting from './visit.cjs'
it('well', () => visiting.visit(process.env.ONE_SERVER_URL))`

/** Their whole story is told. */
export const main: readonly Runner[] = [
  { ...PLAYWRIGHT, name: 'Playwright, a configuration in TypeScript', files: { 'playwright.config.ts': block('Playwright js 1'), ...each((number) => `tests/a${number}.spec.ts`, SPEC) } },
  { ...VITEST, name: 'Vitest, a configuration in TypeScript', files: { 'vitest.config.ts': block('Vitest js 1'), ...each((number) => `a${number}.test.ts`, VITEST_TEST) } },
  { ...JEST, name: 'Jest, a configuration in CommonJS', files: { 'jest.config.js': block('Jest js 1'), ...each((number) => `a${number}.test.js`, JEST_TEST) } },
  {
    name: 'Mocha, global fixtures in parallel', npm: ['mocha@12'],
    args: ['node_modules/mocha/bin/mocha.js', '--parallel', '--jobs=8', '--timeout=0', '--require=./fixtures.mjs', 'tests/*.mjs'],
    files: { 'fixtures.mjs': block('Mocha js 1'), ...each((number) => `tests/a${number}.mjs`, MOCHA_TEST.replace('./visit', '../visit')) },
  },
  {
    name: 'node:test, --import', npm: [], args: ['--test', '--test-concurrency=8', '--import', './server.mjs'],
    files: { 'server.mjs': block('node:test and tap js 1'), ...each((number) => `a${number}.test.mjs`, ENVIRONMENT_TEST('node:test')) },
  },
  {
    name: 'tap, --node-arg', npm: ['tap'],
    args: ['node_modules/tap/dist/esm/run.mjs', 'run', '--jobs=8', '--timeout=1000', '--disable-coverage', '--node-arg=--import=./server.mjs'],
    files: { 'server.mjs': block('node:test and tap js 1'), ...each((number) => `a${number}.test.mjs`, ENVIRONMENT_TEST('tap').replace('{ test }', 't').replace('test(', 't.test(')) },
  },
]

const BELOW_RUN = ['node_modules/one-server/dist/cli.js', 'run', 'web', '--', process.execPath]

/** That 8 files of them share one server, and that it goes, is what is shown. */
export const others: readonly Runner[] = [
  { ...PLAYWRIGHT, name: 'Playwright, an ES module', files: { 'package.json': MODULE, 'playwright.config.js': block('Playwright js 1'), ...each((number) => `tests/a${number}.spec.js`, SPEC) } },
  {
    ...PLAYWRIGHT, name: 'Playwright, beside a global setup of its own', files: {
      'my-setup.ts': "export default () => { process.env.MINE = process.env.ONE_SERVER_URL }",
      'playwright.config.ts': `
        import { defineConfig } from '@playwright/test'
        import { oneServer } from 'one-server/playwright'
        const server = oneServer('web')
        export default defineConfig(server, { testDir: 'tests', globalSetup: [server.globalSetup, './my-setup'] })`,
      ...each((number) => `tests/a${number}.spec.ts`, SPEC.replace('visit(baseURL)', 'visit(process.env.MINE)')),
    },
  },
  {
    ...PLAYWRIGHT, name: 'Playwright, a global setup in a file', files: {
      'setup.ts': "import { globalSetup } from 'one-server/playwright'\nexport default globalSetup('web')",
      'playwright.config.ts': `
        import { defineConfig } from '@playwright/test'
        export default defineConfig({ testDir: 'tests', globalSetup: './setup', use: { baseURL: process.env.ONE_SERVER_URL } })`,
      ...each((number) => `tests/a${number}.spec.ts`, SPEC),
    },
  },
  {
    ...VITEST, name: 'Vitest, a global setup in a file', files: {
      'setup.ts': "import { globalSetup } from 'one-server/vitest'\nexport default globalSetup('web')",
      'vitest.config.mjs': "export default { test: { globalSetup: './setup.ts' } }", ...each((number) => `a${number}.test.ts`, VITEST_TEST),
    },
  },
  {
    ...VITEST, name: 'Vitest, two projects, in threads', files: {
      'vitest.config.mjs': `
        import { defineConfig } from 'vitest/config'
        import { oneServer } from 'one-server/vitest'
        const project = (name, include) => ({ plugins: [oneServer('web')], test: { name, include } })
        export default defineConfig({ test: { pool: 'threads', projects: [project('one', ['**/a[1-4].test.ts']), project('other', ['**/a[5-8].test.ts'])] } })`,
      ...each((number) => `a${number}.test.ts`, VITEST_TEST),
    },
  },
  { ...JEST, name: 'Jest, an ES module', files: { 'jest.config.mjs': "import { oneServer } from 'one-server/jest'\nexport default { ...oneServer('web') }", ...each((number) => `a${number}.test.js`, JEST_TEST) } },
  {
    ...JEST, name: 'Jest, in its package.json, with files of its own', files: {
      'package.json': '{ "private": true, "jest": { "globalSetup": "./setup.js", "globalTeardown": "./teardown.js" } }',
      'setup.js': "module.exports = require('one-server/jest').globalSetup('web')", 'teardown.js': "module.exports = require('one-server/jest').globalTeardown",
      ...each((number) => `a${number}.test.js`, JEST_TEST),
    },
  },
  {
    name: 'node:test below one-server run', npm: [], args: [...BELOW_RUN, '--test', '--test-concurrency=8'],
    files: each((number) => `a${number}.test.mjs`, ENVIRONMENT_TEST('node:test')),
  },
  {
    name: 'Mocha below one-server run', npm: ['mocha@12'], args: [...BELOW_RUN, 'node_modules/mocha/bin/mocha.js', '--parallel', '--jobs=8', '--timeout=0', 'tests/*.mjs'],
    files: each((number) => `tests/a${number}.mjs`, MOCHA_TEST.replace('./visit', '../visit')),
  },
  {
    ...VITEST, name: 'Vitest below one-server run', args: [...BELOW_RUN, ...VITEST.args],
    files: each((number) => `a${number}.test.ts`, VITEST_TEST.replace("inject('oneServer').url", 'process.env.ONE_SERVER_URL')),
  },
]
