/** Leases whose holders and watchdogs die, freeze or come back at the worst moment, and what a watchdog costs: `npm run test:all`. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { fixture, start } from '../support/child.js'
import { client, isAlive, now, place } from '../support/clients.js'
import { gone, holder, holdsOf, watchesOf } from '../support/holders.js'
import { costOf, onLinux } from '../support/processes.js'
import { releaseAgainstAcquire } from '../support/leases.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const IDLE = 300
const SOON = IDLE + 1000

const leased = (more: ClientProcessManagerOptions = {}): ClientProcessManagerOptions => ({ idleTimeout: IDLE, ...more })

t.test('a release against the next acquire, over and over: no holder ever meets a dying server', async (t) => {
  const { violations, servers } = await releaseAgainstAcquire(t, 25)
  t.same(violations, [])
  t.comment(`${servers} servers`)
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
    within(t, (await gone(here)) - asked, SOON, `${next}: it goes`)
    await until(() => here.left().length === 0, 'the state to go')
  }
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
  await gone(here)
  process.kill(stopped!, 'SIGCONT')
  await until(() => !isAlive(stopped!), 'the stopped watch to end')
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
  await gone(here)
})

t.test('a watch costs a lease next to nothing, and holds none of its holder\'s descriptors', onLinux, async (t) => {
  const here = place(t)
  const lockFile = openSync(join(here.folder, 'flock'), 'w')
  const child = start(t, process.execPath, [fixture('holder.mjs'), JSON.stringify(here.options('healthy', leased()))], { env: here.env, stdio: ['pipe', 'ignore', 'inherit', lockFile] })
  closeSync(lockFile)
  await until(() => holdsOf(here, 'lease').length === 1 && watchesOf(here).length === 1, 'the lease')
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
  await gone(here)
})

t.test('a stop that is killed while it waits for the server: the last holder sees to it that it ends all the same', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('ignores-sigterm', leased({ stopTimeout: 500 })))
  const { pid } = await one.held
  const stop = client(t, here, here.options('ignores-sigterm', { stopTimeout: 60_000 }), { method: 'stopServer' })
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the mark of its end')
  stop.child.kill('SIGKILL')
  await stop.ended
  t.ok(isAlive(pid!), 'nobody is left to kill it')
  await one.release()
  await gone(here)
  await until(() => holdsOf(here, 'watch').length === 0 && !here.left().some((name) => name.endsWith('.claim')), 'its claim to go')
})

t.test('a client that is killed while it ends a server that was not ready in time: its own watch sees to it that it ends all the same', async (t) => {
  const here = place(t)
  const stuck = ['node', '--eval', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"]
  const one = holder(t, here, here.options('', leased({ command: stuck, startupTimeout: 500, stopTimeout: 3000 })))
  one.held.catch(() => {})
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the mark of its end')
  await one.kill()
  t.ok(here.alive().length > 0, 'nobody is left to kill it')
  await gone(here)
})
