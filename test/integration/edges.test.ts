/**
 * The special cases of lib/README.md: logs that are emptied in place, a HOME that
 * sudo kept, an editor without a PATH, a health check with headers over https, and proxies.
 */
import { chownSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bareEnv, library, run, runModule } from '../support/child.js'
import { failureOf, fixture, isAlive, place, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const BIN = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))

t.test('a log may be emptied while the server writes to it, and no hole is left', async (t) => {
  const here = place(t)
  const script = join(here.folder, 'ticks.mjs')
  writeFileSync(script, `import ${JSON.stringify(fixture('healthy'))}\nlet number = 0\nsetInterval(() => { console.log('tick ' + ++number); console.error('tock ' + number) }, 5)`)
  const manager = here.manager(script)
  const { logFile } = await manager.ensureServerRunning()
  await until(() => statSync(logFile).size > 1000, 'the server to print')
  const { ino } = statSync(logFile)
  const copy = readFileSync(logFile)
  truncateSync(logFile)
  const soon = statSync(logFile).size
  t.ok(soon < copy.length, `${soon} bytes after it was emptied, ${copy.length} before`)
  await until(() => /tick \d+\ntock \d+\n/.test(readFileSync(logFile, 'utf8')), 'the server to go on printing')
  const text = readFileSync(logFile)
  t.equal(text.includes(0), false, 'there is no hole')
  t.match(text.toString(), /^(?:(?:tick|tock) \d+\n)+/)
  t.equal(statSync(logFile).ino, ino)
  await manager.stopServer()
})

const CALL = `
  import { ClientProcessManager } from '${library('index.js')}'
  const told = await new ClientProcessManager(JSON.parse(process.argv[1])).ensureServerRunning().catch(({ code, message }) => ({ code, message }))
  console.log(JSON.stringify(told))`

/** A place that belongs to somebody else, as a home does. */
const placeOfNobody = (t: Parameters<typeof place>[0]): Place => {
  const here = place(t)
  chownSync(here.folder, NOBODY, NOBODY)
  return here
}

const skip = { skip: !isRoot && 'only root can be two users' }

t.test('sudo with HOME kept: root is refused what the user started, and the user what root started', skip, async (t) => {
  for (const [first, second] of [[NOBODY, 0], [0, NOBODY]] as const) {
    const here = placeOfNobody(t)
    const options = here.options('healthy', { env: {} })
    const as = async (uid: number) => {
      const { stdout, stderr } = await runModule(t, CALL, [JSON.stringify(options)], { uid, gid: uid, cwd: '/', env: { ...bareEnv(), HOME: here.folder } })
      t.equal(stderr, '')
      return JSON.parse(stdout) as { code?: string; message?: string; started?: boolean; pid: number }
    }
    const mine = await as(first)
    t.match(mine, { started: true })
    t.match(await as(second), { code: 'STATE_UNUSABLE', message: new RegExp(`belongs to another user \\(uid ${first}\\)$`) })
    t.ok(isAlive(mine.pid), 'it goes on')
    t.match(await as(first), { started: false, pid: mine.pid }, 'for its user all is as it was')
    const stop = `import { ClientProcessManager } from '${library('index.js')}'; console.log(await new ClientProcessManager(JSON.parse(process.argv[1])).stopServer())`
    t.match(await runModule(t, stop, [JSON.stringify(options)], { uid: first, gid: first, cwd: '/' }), { stdout: 'true\n' })
  }
})

t.test('an editor without a PATH: a script is run by its Node, and a program is not found by its bare name', async (t) => {
  const here = place(t)
  const env = { HOME: here.folder, LEDGER: join(here.folder, 'ledger') }
  const start = (...args: string[]) => run(t, process.execPath, [BIN, 'start', '--pid-file', here.pidFile, '--port', 'auto', '--timeout', '30s', ...args], { env, cwd: here.folder })
  t.match(await start('--script', fixture('healthy')), { code: 0, stdout: /^http:/ })
  t.match(await run(t, process.execPath, [BIN, 'stop', '--pid-file', here.pidFile], { env }), { code: 0 })
  t.match(await start('--', 'node', fixture('healthy')), { code: 1, stdout: '', stderr: /COMMAND_NOT_FOUND|program was not found: node/ })
  t.match(await start('--', process.execPath, fixture('healthy')), { code: 0, stdout: /^http:/ })
  t.match(await run(t, process.execPath, [BIN, 'stop', '--pid-file', here.pidFile], { env }), { code: 0 })
})

t.test('a health check with a header, over https', async (t) => {
  const here = place(t)
  const script = join(here.folder, 'guarded.mjs')
  writeFileSync(script, `
    import { readFileSync } from 'node:fs'
    import { createServer } from 'node:https'
    import { serve, healthy, json } from ${JSON.stringify(fixture('serve'))}
    const [key, cert] = ['key', 'cert'].map((name) => readFileSync(new URL('https-' + name + '.pem', ${JSON.stringify(new URL(`file://${fixture('serve')}`).href)})))
    serve({ server: createServer({ key, cert }, (request, response) => request.headers.authorization === 'Bearer x' ? healthy(request, response) : json(response, 401, {})) })`)
  const options = { healthUrl: 'https://localhost:{port}/api/health', env: {} }
  const manager = here.manager(script, { ...options, healthHeaders: { authorization: 'Bearer x' } })
  t.match(await manager.ensureServerRunning(), { started: true, url: /^https:\/\/localhost:\d+$/ })
  t.match(await here.manager(script, options).ensureServerRunning(), { started: false }, 'a client without the header asks as the launch wrote it down')
  t.equal(statSync(here.pidFile).mode & 0o777, 0o600)
  await manager.stopServer()
  t.match(await failureOf(here.manager(script, { ...options, startupTimeout: 1500 }).ensureServerRunning()), { code: 'START_TIMEOUT', message: /it answered 401/ })
})

t.test('user and password in the address of a health check count for each check, and are in nobody\'s URL', async (t) => {
  const here = place(t)
  const script = join(here.folder, 'basic.mjs')
  writeFileSync(script, `
    import { healthy, json, serve } from ${JSON.stringify(fixture('serve'))}
    const mine = 'Basic ' + Buffer.from('me:p@ss').toString('base64')
    serve({ answer: (request, response) => request.headers.authorization === mine ? healthy(request, response) : json(response, 401, {}) })`)
  const manager = here.manager(script, { healthUrl: 'http://me:p%40ss@127.0.0.1:{port}/api/health', startupTimeout: 3000 })
  t.match(await manager.ensureServerRunning(), { started: true, url: /^http:\/\/127\.0\.0\.1:\d+$/ })
  t.match(await manager.ensureServerRunning(), { started: false })
  t.equal(await manager.stopServer(), true)
})

t.test('a proxy in the environment is gone past, also where a newer Node would use it', async (t) => {
  const here = place(t)
  const nobody = 'http://127.0.0.1:9'
  const env = { ...here.env, HTTP_PROXY: nobody, HTTPS_PROXY: nobody, http_proxy: nobody, ALL_PROXY: nobody, NODE_USE_ENV_PROXY: '1', NODE_NO_WARNINGS: '1' }
  for (const started of [true, false]) {
    const { stdout, stderr } = await run(t, process.execPath, ['--input-type=module', '--eval', CALL, JSON.stringify(here.options('boots-after-300ms'))], { env })
    t.match({ ...(JSON.parse(stdout) as object), stderr }, { started, stderr: '' })
  }
  await here.manager('healthy').stopServer()
})

t.test('of the first client the server has the environment, and inheritEnv decides what of it', async (t) => {
  for (const [inheritEnv, expected] of [[true, ['one', 'two']], [['PATH', 'KEPT'], ['one', undefined]], [false, [undefined, undefined]]] as const) {
    const here = place(t)
    const options = here.options('echo', { inheritEnv: inheritEnv as boolean | string[] })
    for (const [kept, dropped] of [['one', 'two'], ['three', 'four']]) {
      const { stdout } = await run(t, process.execPath, ['--input-type=module', '--eval', CALL, JSON.stringify(options)], { env: { ...here.env, KEPT: kept!, DROPPED: dropped! } })
      const { url } = JSON.parse(stdout) as { url: string }
      const has = (await (await fetch(`${url}/env`)).json()) as Record<string, string>
      t.same([has['KEPT'], has['DROPPED']], expected)
    }
    await here.manager('echo').stopServer()
  }
})

