/** A lease in the name of another process: it ends with that process and no other, however either ends, and `release()` ends it before. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { start } from '../support/child.js'
import { failureOf, isAlive, place, statusOf } from '../support/clients.js'
import { gone, holdsOf, looked, watchesOf } from '../support/holders.js'
import { lastProcessOut } from '../support/leases.js'
import { until } from '../support/until.js'

const IDLE = { idleTimeout: 0 }
const sleeper = (t: Parameters<typeof start>[0]) => start(t, 'sleep', ['607'])

t.test('it ends with that process, and not with the client that took it', async (t) => {
  const here = place(t)
  const [one, other] = [sleeper(t), sleeper(t)]
  const text = `
    const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
    await new ClientProcessManager(JSON.parse(process.argv[1])).acquire({ pid: Number(process.argv[2]) })
    process.kill(process.pid, 'SIGKILL')`
  const client = start(t, process.execPath, ['--input-type=module', '--eval', text, JSON.stringify(here.options('healthy', IDLE)), String(one.pid)], { env: here.env })
  await until(() => client.signalCode !== null, 'the client to end')
  const { pid, leases } = await statusOf(here.manager('healthy'))
  t.match(leases, [{ pid: one.pid, command: 'sleep 607' }])
  other.kill('SIGKILL')
  // It looks again at last every other second; a stopped process lives.
  one.kill('SIGSTOP')
  await looked(here, watchesOf(here)[0]!)
  t.ok(isAlive(pid!))
  one.kill('SIGKILL')
  await gone(here)
  await until(() => here.left().length === 0, 'the state to go')
})

t.test('release() ends it, and only it: a server that nobody uses goes, one that another lease holds stays', async (t) => {
  const here = place(t)
  const one = sleeper(t)
  const manager = here.manager('healthy', IDLE)
  const [first, second] = [await manager.acquire({ pid: one.pid! }), await manager.acquire({ pid: one.pid! })]
  t.equal(holdsOf(here, 'lease').length, 2, 'each is a lease of its own, since each can be released')
  await first.release()
  await first.release()
  t.equal(holdsOf(here, 'lease').length, 1)
  t.ok(isAlive(first.server.pid!))
  await second.release()
  await gone(here)
  t.ok(isAlive(one.pid!), 'the process in whose name it was is left alone')
})

t.test('its own PID is its own lease; what is no PID is refused before a server is started', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', IDLE)
  for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 53, '5' as unknown as number]) t.match(await failureOf(manager.acquire({ pid })), { code: 'INVALID_OPTION', message: /^pid must be a PID, a whole number above 0/ })
  t.notOk(existsSync(here.pidFile))
  const lease = await manager.acquire({ pid: process.pid })
  t.match((await statusOf(manager)).leases, [{ pid: process.pid, command: process.argv.slice(1).join(' ') }], 'in the words of a lease without a PID')
  await lease.release()
  await gone(here)
})

t.test('a process that ends while the server boots has no lease, and the server does not stay', async (t) => {
  const here = place(t)
  const one = sleeper(t)
  const taken = failureOf(here.manager('boots-after-300ms', IDLE).acquire({ pid: one.pid! }))
  await until(() => here.starts().length === 1, 'the server to begin')
  one.kill('SIGKILL')
  t.match(await taken, { code: 'INVALID_OPTION', message: /has ended/ })
  await gone(here)
})

t.test('an explicit start pins it, whenever it comes: the end of the process ends nothing', async (t) => {
  const here = place(t)
  const one = sleeper(t)
  const manager = here.manager('healthy', IDLE)
  const { server } = await manager.acquire({ pid: one.pid! })
  await manager.ensureServerRunning()
  await until(() => watchesOf(here).every((pid) => !isAlive(pid)), 'the watchdog to end: a pinned launch has none')
  await manager.acquire({ pid: one.pid! })
  t.same(watchesOf(here).filter(isAlive), [], 'nor does the next lease start one')
  one.kill('SIGKILL')
  t.match(await manager.status(), { state: 'ready', pinned: true, pid: server.pid })
  await manager.stopServer()
  here.nothingLeft(t)
})

t.test('a watchdog that was killed before it is handed the lease is replaced', async (t) => {
  const here = place(t)
  const one = sleeper(t)
  const manager = here.manager('boots-after-300ms', { ...IDLE, onEvent: ({ type }) => { if (type === 'ready') for (const pid of watchesOf(here)) for (process.kill(pid, 'SIGKILL'); isAlive(pid);) { /* Until it has gone. */ } } })
  await manager.acquire({ pid: one.pid! })
  t.equal(watchesOf(here).filter(isAlive).length, 1)
  one.kill('SIGKILL')
  await gone(here)
})

t.test('8 of them that end at random moments: the server outlives all but the last', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', IDLE)
  t.same(await lastProcessOut(here, 8, async () => {
    const one = sleeper(t)
    await manager.acquire({ pid: one.pid! })
    return one
  }), [])
})
