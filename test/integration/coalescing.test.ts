/** Many calls in one process are one flight, in which each caller keeps its own signal and deadline. */
import { join } from 'node:path'
import t from 'tap'
import { ClientProcessManager, type OneServerEvent } from '../../lib/index.js'
import { failureOf, isAlive, place, quietPort, stranger } from '../support/clients.js'
import { until } from '../support/until.js'

t.test('calls that are made together are one flight: one launch, one of them started it', async (t) => {
  const here = place(t)
  const events: OneServerEvent[] = []
  const options = here.options('counts-requests', { onEvent: (event) => events.push(event) })
  // Different managers, as different extensions of one editor have them.
  const servers = await Promise.all(Array.from({ length: 10 }, () => new ClientProcessManager(options).ensureServerRunning()))
  t.equal(new Set(servers.map(({ url }) => url)).size, 1)
  t.equal(servers.filter(({ started }) => started).length, 1)
  t.equal(here.starts().length, 1)
  t.equal(events.filter(({ type }) => type === 'spawned').length, 1, 'one of them spawned, and none withdrew')
  t.equal(events.filter((event) => event.type === 'waiting' && event.for === 'lock').length, 0, 'none had to queue')

  const count = async (): Promise<number> => (await (await fetch(`${servers[0]!.url}/count`)).json() as { count: number }).count
  const before = await count()
  await Promise.all(Array.from({ length: 10 }, () => new ClientProcessManager(options).ensureServerRunning()))
  t.equal((await count()) - before, 1, 'ten warm calls together ask the server once')
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('one caller that is aborted leaves the others their server', async (t) => {
  const here = place(t)
  const manager = here.manager('boots-after-300ms')
  const [first, second] = [new AbortController(), new AbortController()]
  const calls = [manager.ensureServerRunning({ signal: first.signal }), manager.ensureServerRunning({ signal: second.signal }), manager.ensureServerRunning()] as const
  const failures = [failureOf(calls[0]), failureOf(calls[1])]
  await until(() => here.starts().length === 1, 'the server to begin')
  // The first is the one that began the flight.
  first.abort(new Error('the view was closed'))
  second.abort()
  t.match(await failures[0], { code: 'ABORTED', cause: { message: 'the view was closed' } })
  t.match(await failures[1], { code: 'ABORTED' })
  const server = await calls[2]
  t.equal((await fetch(`${server.url}/api/health`)).status, 200)
  t.equal(here.starts().length, 1)
  t.equal(await manager.stopServer(), true)
})

t.test('when all callers are aborted, the server that was started boots on, and the next call has it', async (t) => {
  const here = place(t)
  const manager = here.manager('boots-after-300ms')
  const abort = new AbortController()
  const failure = failureOf(manager.ensureServerRunning({ signal: abort.signal }))
  const { pid } = await until(() => here.starts()[0], 'the server to begin')
  abort.abort()
  t.match(await failure, { code: 'ABORTED' })
  t.ok(isAlive(pid))
  t.match(await manager.ensureServerRunning(), { pid, started: false })
  t.equal(here.starts().length, 1)
  t.equal(await manager.stopServer(), true)
  here.nothingLeft(t)
})

t.test('a signal that has fired before the call ends it before anything is touched', async (t) => {
  const here = place(t)
  t.match(await failureOf(here.manager('healthy').ensureServerRunning({ signal: AbortSignal.abort() })), { code: 'ABORTED' })
  t.same([here.starts(), here.left()], [[], []])
})

t.test('a failure is the flight\'s: all callers have it, and a later call starts afresh', async (t) => {
  const here = place(t)
  const errors = await Promise.all(Array.from({ length: 5 }, () => failureOf(here.manager('dies-at-once').ensureServerRunning())))
  t.same(new Set(errors.map(({ code, message }) => `${code} ${message}`)).size, 1)
  t.match(errors[0], { code: 'SERVER_EXITED', exitCode: 7 })
  t.equal(here.starts().length, 1)
  t.match(await here.manager('healthy').ensureServerRunning(), { started: true })
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a caller with less patience gives up alone', async (t) => {
  const here = place(t)
  const patient = here.manager('boots-after-300ms', { env: { BOOT_MS: '900' } }).ensureServerRunning()
  const began = performance.now()
  const error = await failureOf(here.manager('boots-after-300ms', { startupTimeout: 200, env: { BOOT_MS: '900' } }).ensureServerRunning())
  t.match(error, { code: 'START_TIMEOUT', message: 'Server failed to start within 200 ms: waiting for another call of this process.' })
  t.ok(performance.now() - began >= 199, 'not before its time')
  t.equal((await patient).started, true)
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('one budget for all calls of a process: a first caller with less patience does not end the boot that another allows', async (t) => {
  const here = place(t)
  // Any other process may be given a port of the kernel's choice while this one boots, and then another start is right.
  const options = { env: { BOOT_MS: '2500' }, port: await quietPort() }
  const first = failureOf(here.manager('boots-after-300ms', { ...options, startupTimeout: 300 }).ensureServerRunning())
  const second = here.manager('boots-after-300ms', options).ensureServerRunning()
  const third = failureOf(here.manager('boots-after-300ms', { ...options, startupTimeout: 600 }).ensureServerRunning())
  for (const [error, ms] of [[await first, 300], [await third, 600]] as const) t.match(error, { code: 'START_TIMEOUT', message: `Server failed to start within ${ms} ms: ` })
  t.ok((await second).url)
  t.equal(here.starts().length, 1)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('calls for different PID files have nothing to do with each other', async (t) => {
  const [here, there] = [place(t), place(t)]
  const servers = await Promise.all([here, there].map((at) => at.manager('healthy').ensureServerRunning()))
  t.same(servers.map(({ started }) => started), [true, true])
  t.not(servers[0]!.pid, servers[1]!.pid)
  for (const at of [here, there]) t.equal(await at.manager('healthy').stopServer(), true)
})

t.test('startServer returns the PID without waiting for health, and a second one the same', async (t) => {
  const here = place(t)
  const manager = here.manager('boots-after-300ms', { env: { BOOT_MS: '600' } })
  const pid = await manager.startServer()
  t.match(await manager.status(), { state: 'starting', pid })
  t.equal(await manager.startServer(), pid)
  t.match(await manager.ensureServerRunning(), { pid, started: false })
  t.equal(here.starts().length, 1)
  t.equal(await manager.stopServer(), true)
  here.nothingLeft(t)
})

t.test('calls that accept other servers share no flight: each option that decides is seen', async (t) => {
  const port = await quietPort()
  const here = place(t)
  const pid = await stranger(t, 'healthy', port, { LEDGER: join(here.folder, 'by-hand') })
  const adopting = here.manager('healthy', { port }).ensureServerRunning()
  const others = [{ reuseExisting: false }, { healthMatch: 'not in the answer' }, { ready: `tcp:${port}` }, { healthPath: '/missing' }]
  const failures = others.map((options) => failureOf(here.manager('healthy', { port, ...options }).ensureServerRunning()))
  t.match(await adopting, { adopted: true, pid })
  for (const [index, failure] of (await Promise.all(failures)).entries()) t.match(failure, { code: 'PORT_IN_USE' }, JSON.stringify(others[index]))
})

t.test('a signal that fires inside an event ends the call at once, whichever event it is', async (t) => {
  const here = place(t)
  const options = here.options('boots-after-300ms', { env: { BOOT_MS: '1500' } })
  const aborting = (type: string) => {
    const abort = new AbortController()
    const manager = new ClientProcessManager({ ...options, onEvent: (event) => { if (event.type === type) abort.abort() } })
    return failureOf(manager.ensureServerRunning({ signal: abort.signal }))
  }
  const launcher = here.manager('boots-after-300ms', { env: { BOOT_MS: '1500' } }).ensureServerRunning()
  let isReady = false
  void launcher.then(() => { isReady = true })
  t.match(await aborting('waiting'), { code: 'ABORTED' })
  t.notOk(isReady, 'before the server was ready')
  await launcher
  t.equal(await here.manager('healthy').stopServer(), true)
  for (const type of ['spawned', 'claimed', 'waiting']) {
    t.match(await aborting(type), { code: 'ABORTED' }, type)
    await here.manager('healthy').stopServer()
  }
})
