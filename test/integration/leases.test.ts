/** The last one out stops the server, however the clients end, and nobody who uses it loses it. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { fixture, start } from '../support/child.js'
import { client, failureOf, groupOf, isAlive, now, parentOf, place, processesIn, quietPort, stranger } from '../support/clients.js'
import { costOf, gone, holder, holdsOf, watchesOf } from '../support/holders.js'
import { lastOneOut, releaseAgainstAcquire } from '../support/leases.js'
import { until } from '../support/until.js'

const IDLE = 300
const SOON = IDLE + 1000

const leased = (more: ClientProcessManagerOptions = {}): ClientProcessManagerOptions => ({ idleTimeout: IDLE, ...more })

t.test('8 holders, half of them killed: the server outlives all but the last, and goes soon after it', { timeout: 60_000 }, async (t) => {
  t.same(await lastOneOut(t, 8, IDLE), [])
})

t.test('a release against the next acquire, over and over: no holder ever meets a dying server', { timeout: 60_000 }, async (t) => {
  const { violations, servers } = await releaseAgainstAcquire(t, 25)
  t.same(violations, [])
  t.comment(`${servers} servers`)
})

t.test('a process that returns, one that exits and one that is killed all let go', async (t) => {
  for (const ending of ['return', 'process.exit()', "process.kill(process.pid, 'SIGKILL')"]) {
    const here = place(t)
    const text = `
      const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
      await new ClientProcessManager(JSON.parse(process.argv[1])).acquire()
      ${ending === 'return' ? '' : ending}`
    const child = start(t, process.execPath, ['--input-type=module', '--eval', text, JSON.stringify(here.options('healthy', leased()))], { env: here.env })
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the holder to end', 20_000)
    const ended = now()
    t.ok(here.alive().length > 0, `${ending}: the server lives on for its idle time`)
    t.ok((await gone(here, 5000)) - ended < SOON, `${ending}: and then it goes`)
    await until(() => here.left().length === 0, 'the state to go')
    here.nothingLeft(t)
  }
})

t.test('await using ends the lease with its block, and releasing twice does nothing', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', leased())
  {
    await using lease = await manager.acquire()
    t.match(await manager.status(), { state: 'ready', pinned: false, stopsAt: undefined, leases: [{ pid: process.pid, command: String, since: Date }] })
    t.equal(lease.server.started, true)
  }
  const { leases, stopsAt } = await manager.status()
  t.same(leases, [])
  t.ok(stopsAt !== undefined && stopsAt.getTime() - Date.now() <= IDLE, 'it tells when it will stop')
  const lease = await manager.acquire()
  await lease.release()
  await lease.release()
  await gone(here, SOON)
})

t.test('a new lease within the idle time keeps the server', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', leased())
  const first = await manager.acquire()
  const { pid } = first.server
  for (let time = 0; time < 3; time++) {
    const [watch] = watchesOf(here)
    const lease = time === 0 ? first : await manager.acquire()
    t.equal(lease.server.pid, pid)
    await lease.release()
    if (time > 0) continue
    const next = await manager.acquire()
    // The first one's watch has waited, looked, and left it to the others.
    await until(() => !isAlive(watch!), 'the first watch to end')
    t.equal((await manager.status()).state, 'ready', 'a watch that is over does not end what is held')
    await next.release()
  }
  await gone(here, SOON)
  t.equal(here.starts().length, 1)
})

t.test('what was started explicitly is never stopped by leases, and starting explicitly what leases started pins it', async (t) => {
  for (const method of ['ensureServerRunning', 'startServer'] as const) {
    const here = place(t)
    const manager = here.manager('healthy', leased({ idleTimeout: 0 }))
    await manager[method]()
    const lease = await manager.acquire()
    t.same(watchesOf(here), [], 'nothing needs to watch it')
    await lease.release()
    t.match(await manager.status(), { pinned: true, stopsAt: undefined, leases: [] })
    await manager.stopServer()

    const held = await manager.acquire()
    await manager[method]()
    await held.release()
    t.match(await manager.status(), { state: 'ready', pinned: true, stopsAt: undefined })
    await until(() => watchesOf(here).every((pid) => !isAlive(pid)), 'the watch to end')
    t.equal((await manager.status()).state, 'ready', `${method}: pinned, it stays`)
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
  }
})

t.test('a server that one-server did not start cannot be held', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const pid = await stranger(t, 'healthy', port)
  const error = await failureOf(here.manager('healthy', leased({ port, host: '127.0.0.1' })).acquire())
  t.match(error, { code: 'PORT_IN_USE', port, pid, message: `Port ${port} is in use by a server that one-server did not start (PID ${pid}). one-server never stops such a server, so no lease can be held on it.` })
  t.same(here.left(), [])
})

t.test('all holders and all watches killed at once: whoever comes next sees to it that the server goes', async (t) => {
  for (const next of ['isServerRunning', 'acquire'] as const) {
    const here = place(t)
    const holders = Array.from({ length: 3 }, () => holder(t, here, here.options('healthy', leased())))
    const [server] = await Promise.all(holders.map(({ held }) => held))
    const watches = watchesOf(here)
    t.equal(watches.length, 3)
    const all = [...watches, ...holders.map(({ pid }) => pid)]
    for (const pid of all) process.kill(pid, 'SIGKILL')
    await until(() => all.every((pid) => !isAlive(pid)), 'holders and watches to end')
    t.ok(isAlive(server!.pid!), 'nobody is left to stop it')
    const manager = here.manager('healthy', leased())
    const result = await manager[next]()
    if (typeof result === 'boolean') t.equal(result, true)
    else {
      t.equal(result.server.pid, server!.pid, 'the next holder is given the same server')
      await result.release()
    }
    const asked = now()
    t.ok((await gone(here, 5000)) - asked < SOON, `${next}: it goes`)
    await until(() => here.left().length === 0, 'the state to go')
  }
})

t.test('a watch that was killed alone costs its holder nothing, and the server goes all the same', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('healthy', leased()))
  const { pid } = await one.held
  const [watch] = watchesOf(here)
  process.kill(watch!, 'SIGKILL')
  await until(() => !isAlive(watch!), 'the watch to end')
  await here.manager('healthy').isServerRunning()
  t.ok(isAlive(pid!), 'it is held')
  t.match(await one.release(), { failed: 0 })
  await gone(here, SOON)
})

t.test('a watch that is stopped leaves the server to the others', async (t) => {
  const here = place(t)
  const [one, other] = [holder(t, here, here.options('healthy', leased())), holder(t, here, here.options('healthy', leased()))]
  await one.held
  await other.held
  const [stopped] = watchesOf(here)
  process.kill(stopped!, 'SIGSTOP')
  await one.release()
  await other.release()
  await gone(here, SOON)
  process.kill(stopped!, 'SIGCONT')
  await until(() => !isAlive(stopped!), 'the stopped watch to end')
})

t.test('a server whose claims were deleted is still told of', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  const { pid, url } = await manager.ensureServerRunning()
  rmSync(`${here.pidFile}.d`, { recursive: true })
  t.match(await manager.status(), { state: 'ready', pid, url })
  t.equal(await manager.stopServer(), true)
  t.same(here.alive(), [])
})

t.test('a holder that is frozen keeps its lease', async (t) => {
  const here = place(t)
  const [frozen, other] = [holder(t, here, here.options('healthy', leased())), holder(t, here, here.options('healthy', leased()))]
  const [{ pid }] = await Promise.all([frozen.held, other.held])
  frozen.signal('SIGSTOP')
  const watches = watchesOf(here)
  t.match(await other.release(), { failed: 0 })
  // The watch of the other one has waited out the idle time and looked.
  await until(() => watches.filter(isAlive).length === 1, 'a watch to end')
  t.ok(isAlive(pid!))
  t.same(holdsOf(here, 'lease').length, 1)
  frozen.signal('SIGCONT')
  t.match(await frozen.release(), { failed: 0 })
  await gone(here, SOON)
})

t.test('whoever ends the process tree of a holder, or its session, does not end its watch', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('healthy', leased()))
  const { pid } = await one.held
  const [watch] = watchesOf(here)
  await until(() => parentOf(watch!) === 1, 'the watch to be a child of init')
  const holderSession = spawn('ps', ['-o', 'sid=', '-p', `${one.pid},${watch}`], { stdio: ['ignore', 'pipe', 'ignore'] })
  let sessions = ''
  for await (const data of holderSession.stdout) sessions += String(data)
  t.equal(new Set(sessions.trim().split(/\s+/)).size, 2, 'it has a session of its own')
  await one.kill()
  t.ok(isAlive(watch!))
  await gone(here, SOON)
  t.notOk(isAlive(pid!))
})

t.test('a watch costs a lease next to nothing, and holds none of its holder\'s descriptors', async (t) => {
  const here = place(t)
  const lockFile = openSync(join(here.folder, 'flock'), 'w')
  const child = start(t, process.execPath, [fixture('holder.mjs'), JSON.stringify(here.options('healthy', leased()))], { env: here.env, stdio: ['pipe', 'ignore', 'inherit', lockFile] })
  closeSync(lockFile)
  await until(() => holdsOf(here, 'lease').length === 1 && watchesOf(here).length === 1, 'the lease', 20_000)
  const [watch] = watchesOf(here)
  await here.manager('healthy').status()
  const before = costOf(watch!)
  t.ok(before.own < 1024, `${before.own} KiB of its own, ${before.resident} resident`)
  t.comment(`${before.own} KiB of its own, ${before.resident} KiB resident`)
  const held = spawn('ls', ['-l', `/proc/${watch}/fd`], { stdio: ['ignore', 'pipe', 'ignore'] })
  let listed = ''
  for await (const data of held.stdout) listed += String(data)
  t.notMatch(listed, /flock/, 'it does not hold what its holder has locked')
  await sleep(300)
  t.equal(costOf(watch!).ticks, before.ticks, 'no CPU time while nothing happens')
  child.kill('SIGKILL')
  await gone(here, SOON)
})

t.test('a holder that is killed while its server boots leaves nothing', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('never-answers', leased()))
  one.held.catch(() => {})
  await until(() => here.starts().length === 1 && holdsOf(here, 'lease').length === 1, 'the server to boot', 20_000)
  await one.kill()
  await gone(here, SOON)
  await until(() => here.left().filter((name) => !name.endsWith('.outcome')).every((name) => name.endsWith('.d') || /\.d\/[^/]+$/.test(name)), 'the state to go')
})

t.test('a stop that is killed while it waits for the server: the last holder sees to it that it ends all the same', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('ignores-sigterm', leased({ stopTimeout: 500 })))
  const { pid } = await one.held
  const stop = client(t, here, here.options('ignores-sigterm', { stopTimeout: 60_000 }), { method: 'stopServer' })
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the mark of its end', 20_000)
  stop.child.kill('SIGKILL')
  await stop.ended
  t.ok(isAlive(pid!), 'nobody is left to kill it')
  await one.release()
  await gone(here, SOON + 5000)
  await until(() => holdsOf(here, 'watch').length === 0 && !here.left().some((name) => name.endsWith('.claim')), 'its claim to go')
})

t.test('a client that is killed while it ends a server that was not ready in time: its own watch sees to it that it ends all the same', async (t) => {
  const here = place(t)
  const stuck = ['node', '--eval', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"]
  const one = holder(t, here, here.options('', leased({ command: stuck, startupTimeout: 500, stopTimeout: 3000 })))
  one.held.catch(() => {})
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the mark of its end', 20_000)
  await one.kill()
  t.ok(here.alive().length > 0, 'nobody is left to kill it')
  await gone(here, SOON + 8000)
})

t.test('an explicit stop ends it under its holders, one that is meant for an idle server does not', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', leased())
  const lease = await manager.acquire()
  t.equal(await manager.stopServer({ ifIdle: true }), false)
  t.equal((await manager.status()).state, 'ready')
  await lease.release()
  t.equal(await manager.stopServer({ ifIdle: true }), true, 'idle, it need not wait')
  const again = await manager.acquire()
  t.equal(await manager.stopServer(), true)
  t.equal((await manager.status()).state, 'stopped')
  await again.release()
  const pinned = await manager.ensureServerRunning()
  t.equal(await manager.stopServer({ ifIdle: true }), true, `nobody holds PID ${pinned.pid}`)
  here.nothingLeft(t)
})

t.test('a call that launches explicitly and one that takes a lease, at once: one server, and it is pinned', async (t) => {
  const here = place(t)
  const explicit = client(t, here, here.options('healthy', leased()))
  const one = holder(t, here, here.options('healthy', leased()))
  const [{ result }, { pid }] = await Promise.all([explicit.ended, one.held])
  t.equal(result?.info.pid, pid)
  t.match(await one.release(), { failed: 0 })
  t.match(await here.manager('healthy').status(), { state: 'ready', pinned: true })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.oneAtATime(t)
})

t.test('stop means that nothing of the launch is left, its watchdogs and what they run included', async (t) => {
  const here = place(t)
  // Longer than any slice of its sleep, and let go: the watchdog waits, and so does a second one, whose holder lives.
  const manager = here.manager('healthy', { idleTimeout: 600_000 })
  const [first, second] = [await manager.acquire(), await manager.acquire()]
  await first.release()
  const watchdogs = watchesOf(here)
  t.equal(watchdogs.length, 2)
  const running = () => watchdogs.flatMap((pid) => processesIn(groupOf(pid)))
  await until(() => running().length > 2, 'the first watchdog to sleep')
  const all = running()
  t.equal(await manager.stopServer(), true)
  await until(() => all.every((pid) => !isAlive(pid)), `PID ${all.join(', ')} to end`)
  await second.release()
  here.nothingLeft(t)
})
