/**
 * `npm run test:runners`: the real test runners, as users configure them. Of each: 8 test files at once use one server, as the server
 * itself writes down, and all saw its URL in the runner's own way; it goes after the run; it goes when the runner is killed in the middle,
 * and the next run starts one. Not part of `npm test`: the runners come over the network.
 *
 *     npm run test:runners                     all; one whose packages cannot be installed is skipped, with the reason
 *     npm run test:runners -- --only vitest    those whose name contains the word
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import t, { type Test } from 'tap'
import { isAlive } from '../support/processes.js'
import { untilUnused } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { block, FILES, missing, projectOf, type Project, type Runner } from './project.js'
import { main, others } from './rows.js'

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } })

process.env['CYPRESS_INSTALL_BINARY'] = '0'
t.setTimeout(3_600_000)

const [major] = process.versions.node.split('.').map(Number) as [number]

const asked = (name: string): boolean => values.only.some((word) => name.toLowerCase().includes(word.toLowerCase()))

let ran = 0
const row = (runner: Runner, name: string, work: (t: Test) => Promise<void>): void => {
  if (!asked(name)) return
  ran++
  const reason = missing(runner)
  void t.test(name, { timeout: 900_000, ...(reason === undefined ? {} : { skip: reason }) }, work)
}

const gone = async ({ starts, folder }: Project): Promise<void> => {
  await until(() => starts().every(({ pid }) => !isAlive(pid)), 'the server to end')
  await untilUnused(join(folder, 'state'))
}

/** What is waited for while a runner runs; its end is the end of the wait. */
const orEnd = <T>({ ended, printed }: ReturnType<Project['begin']>, wait: Promise<T>): Promise<T> =>
  Promise.race([wait, ended.then((code) => { throw new Error(`it ended with ${code}: ${printed()}`) })])

/** The servers that were leased when the last of the test files had looked. */
const urlsOf = (project: Project, from: number): string[] => [...new Set(project.seen().slice(from).map(({ url }) => url))]

const all = async (t: Test, project: Project, servers: number): Promise<void> => {
  const from = project.seen().length
  const { ended, printed } = project.begin()
  if (!t.equal(await ended, 0, 'the run passes', { printed: printed() })) return
  t.equal(project.seen().length - from, FILES, 'each file has run')
  t.equal(project.starts().length, servers, 'one server, as it writes down itself')
  t.same(urlsOf(project, from), [`http://localhost:${project.starts().at(-1)!.port}`], 'and all saw its URL')
  await gone(project)
}

for (const runner of main) {
  row(runner, runner.name, async (t) => {
    const project = projectOf(t, runner)
    await all(t, project, 1)

    // In a project of its own, since each file waits for eight.
    const killed = projectOf(t, runner)
    const begun = killed.begin({ HOLD: '1' })
    const { child } = begun
    await orEnd(begun, until(() => killed.seen().length === FILES, 'all files to be in the middle'))
    t.ok(isAlive(killed.starts()[0]!.pid), 'the server lives')
    child.kill('SIGKILL')
    await until(() => !isAlive(child.pid!), 'the runner to end')
    // Test files that outlive their runner end as soon as they are through.
    killed.go()
    await gone(killed)
    await all(t, killed, 2)

    const broken = projectOf(t, runner, { command: ['node', 'no-server.js'] })
    const failed = broken.begin()
    t.not(await failed.ended, 0, 'a server that does not start fails the run')
    t.match(failed.printed(), /no-server\.js/, 'and the run says why')
    t.equal(broken.seen().length, 0, 'no test runs')
    await gone(broken)
    if (/^(Playwright|Vitest|Jest)/.test(runner.name)) t.match(failed.printed(), /hint: /, 'and what to do')
  })
}

for (const runner of others) row(runner, runner.name, (t) => all(t, projectOf(t, runner), 1))

for (const runner of main.filter(({ watch }) => watch !== undefined)) {
  row(runner, `${runner.name}, in watch mode`, async (t) => {
    const project = projectOf(t, runner, { idleTimeout: '1ms' })
    const begun = project.begin({}, runner.watch)
    const { child, printed } = begun
    const idle = (times: number) => orEnd(begun, until(() => [...printed().matchAll(/Ran all test suites|Waiting for file changes/g)].length >= times, `run ${times} to end`))
    const file = Object.keys(runner.files).find((name) => /a1\.test/.test(name))!
    const again = async (number: number): Promise<string[]> => {
      const from = project.seen().length
      // One file, or all eight: it does not wait for the others.
      project.go()
      writeFileSync(join(project.folder, file), `${runner.files[file]!}\n// ${number}`)
      await orEnd(begun, until(() => project.seen().length > from, 'another run'))
      return urlsOf(project, from)
    }
    await orEnd(begun, until(() => project.seen().length === FILES, 'the first run'))
    await idle(1)
    const [server] = project.starts()
    t.same(await again(2), [`http://localhost:${server!.port}`])
    t.equal(project.starts().length, 1, 'the same server, though no server outlives its last lease by more than a moment')
    await idle(2)
    process.kill(server!.pid, 'SIGKILL')
    await until(() => !isAlive(server!.pid), 'the server to be gone')
    const urls = await again(3)
    t.equal(project.starts().length, 2, 'a server that has died is started again by the next run')
    t.same(urls, [`http://localhost:${project.starts()[1]!.port}`])
    child.kill('SIGKILL')
    await gone(project)
  })
}

const cypress: Runner = { name: 'Cypress', npm: ['cypress@15'], files: { 'cypress.config.js': block('Cypress js 1') }, args: [] }
row(cypress, "Cypress' npm package, without its program: the function that it would call", async (t) => {
  const project = projectOf(t, cypress)
  writeFileSync(join(project.folder, 'calls.cjs'), `
    const { e2e } = require('./cypress.config.js')
    e2e.setupNodeEvents(() => {}, { projectRoot: __dirname }).then(async ({ baseUrl, projectRoot }) => console.log((await fetch(baseUrl)).status, projectRoot === __dirname))`)
  const { status, stdout, stderr } = spawnSync(process.execPath, ['calls.cjs'], { cwd: project.folder, env: project.env, encoding: 'utf8' })
  t.same({ status, stdout }, { status: 0, stdout: '200 true\n' }, stderr)
  t.equal(project.starts().length, 1)
  await gone(project)
})

/** What a program must say of the runners' own types: no error but the expected one. */
const TYPED = `
  import { defineConfig as playwright } from '@playwright/test'
  import { defineConfig as vitest } from 'vitest/config'
  import { inject } from 'vitest'
  import type { Config } from 'jest'
  import * as forPlaywright from 'one-server/playwright'
  import * as forVitest from 'one-server/vitest'
  import * as forJest from 'one-server/jest'
  export const one = playwright(forPlaywright.oneServer('web', { idleTimeout: '5m' }), { testDir: 'tests', use: { locale: 'de' } })
  export const two = vitest({ plugins: [forVitest.oneServer(['web', 'db'])], test: { include: [] } })
  export const three: Config = { ...forJest.oneServer({ name: 'web', command: ['node', 'server.js'], port: 'auto' }), testEnvironment: 'node' }
  const { url, port, urls } = inject('oneServer')
  export const told: [string, number, string | undefined] = [url, port, urls['db']]
  // @ts-expect-error -- no such key
  inject('oneserver')
  // @ts-expect-error -- a name stands beside the name
  forJest.oneServer('web', { name: 'db' })`

const typed: Runner = {
  name: 'types', npm: ['@playwright/test@1', main[1]!.npm[0]!, 'jest@30', `@types/node@${major >= 22 ? 24 : 20}`], cache: 'one-server-runners/types', args: [],
  files: { 'program.mts': TYPED, 'program.cts': TYPED.replace(/^ *import { (?!inject)[^}]*} from 'vitest.*$/m, '').replace(/^.*export const two.*$/m, '') },
}
row(typed, "the runners' own types take what is given to them", async (t) => {
  const { folder } = projectOf(t, typed)
  const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023']
  for (const [module, file] of [['nodenext', 'program.mts'], ['nodenext', 'program.cts'], ['preserve', 'program.mts']] as const) {
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, '--module', module, file], { cwd: folder, encoding: 'utf8' })
    t.same({ status, stdout }, { status: 0, stdout: '' }, `${file}, ${module}`)
  }
})

if (ran === 0) t.fail(`no runner has a name that contains ${values.only.join(' or ')}`)
