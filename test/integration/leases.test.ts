/** The last one out stops the server, however the clients end, and nobody who uses it loses it. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { start } from '../support/child.js'
import { bystander, client, failureOf, groupOf, isAlive, now, parentOf, place, processesIn, quietPort, stranger, statusOf } from '../support/clients.js'
import { gone, holder, holdsOf, watchesOf } from '../support/holders.js'
import { lastOneOut } from '../support/leases.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { lookAt } from '../support/processes.js'

const IDLE = 300
const SOON = IDLE + 1000

const leased = (more: ClientProcessManagerOptions = {}): ClientProcessManagerOptions => ({ idleTimeout: IDLE, ...more })

t.test('8 holders, half of them killed: the server outlives all but the last, and goes soon after it', async (t) => {
  t.same(await lastOneOut(t, 8, IDLE), [])
})

t.test('a process that returns, one that exits and one that is killed all let go', async (t) => {
  for (const ending of ['return', 'process.exit()', "process.kill(process.pid, 'SIGKILL')"]) {
    const here = place(t)
    const letGo = join(here.folder, 'let-go.log')
    const text = `
      const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
      await new ClientProcessManager(JSON.parse(process.argv[1])).acquire()
      const { writeFileSync } = await import('node:fs')
      writeFileSync(process.argv[2], String(process.hrtime.bigint()))
      ${ending === 'return' ? '' : ending}`
    const child = start(t, process.execPath, ['--input-type=module', '--eval', text, JSON.stringify(here.options('healthy', leased())), letGo], { env: here.env })
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the holder to end')
    const ended = now()
    within(t, (await gone(here)) - ended, SOON, `${ending}: and then it goes`)
    const stopped = here.ledger().find(({ event }) => event === 'stop')!.at
    t.ok(stopped - Number(readFileSync(letGo, 'utf8')) / 1e6 >= IDLE, `${ending}: the server lives on for its idle time`)
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
  const { leases, stopsAt } = await statusOf(manager)
  t.same(leases, [])
  t.ok(stopsAt !== undefined && stopsAt.getTime() - Date.now() <= IDLE, 'it tells when it will stop')
  const lease = await manager.acquire()
  await lease.release()
  await lease.release()
  await gone(here)
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
  await gone(here)
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
  await gone(here)
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
  await gone(here)
  t.notOk(isAlive(pid!))
})

t.test('a holder that is killed while its server boots leaves nothing', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('never-answers', leased()))
  one.held.catch(() => {})
  await until(() => here.starts().length === 1 && holdsOf(here, 'lease').length === 1, 'the server to boot')
  await one.kill()
  await gone(here)
  await until(() => here.left().filter((name) => !name.endsWith('.outcome')).every((name) => name.endsWith('.d') || /\.d\/[^/]+$/.test(name)), 'the state to go')
})

t.test('an explicit stop ends it under its holders, one that is meant for an idle server does not', async (t) => {
  const here = place(t)
  // So long that on no machine its idle time ends it before the stop does.
  const manager = here.manager('healthy', leased({ idleTimeout: 600_000 }))
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
  const [first, second] = [await manager.acquire(), holder(t, here, here.options('healthy', { idleTimeout: 600_000 }))]
  await second.held
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

t.test('a file that names a stranger as a watchdog does the stranger no harm', async (t) => {
  const here = place(t)
  const { launchId } = await here.manager('healthy').ensureServerRunning()
  const pid = bystander(t)
  const look = lookAt(pid)
  const host = join(`${here.pidFile}.d`, readdirSync(`${here.pidFile}.d`)[0]!)
  writeFileSync(join(host, `${'a'.repeat(16)}.${launchId}.${pid}.${'start' in look ? look.start : ''}.watch`), '')
  t.equal(await here.manager('healthy').stopServer(), true)
  t.ok(isAlive(pid))
  here.nothingLeft(t)
})
