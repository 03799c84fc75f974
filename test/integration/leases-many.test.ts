/** Many leases: what one costs beside others, by count, and that those which share a watchdog lose nothing by it. */
import t, { type Test } from 'tap'
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { nodeSystem } from '../../lib/node-system.js'
import type { System } from '../../lib/system/system.js'
import { start, startModule } from '../support/child.js'
import { isAlive, place, type Place } from '../support/clients.js'
import { counting, during } from '../support/counting.js'
import { gone, holder, holdsOf, watchesOf } from '../support/holders.js'
import { lookAt } from '../support/processes.js'
import { until } from '../support/until.js'

const IDLE: ClientProcessManagerOptions = { idleTimeout: 300 }

const forOthers = async (t: Test, here: Place, isPinned: boolean): Promise<void> => {
  const { system, asked } = counting()
  const only: unknown[] = []
  const kin: System['kin'] = async (leader, launchId, pid) => {
    only.push(pid)
    return system.kin(leader, launchId, pid)
  }
  const manager = new ClientProcessManager(here.options('healthy', IDLE), { ...system, kin })
  await (isPinned ? manager.ensureServerRunning() : manager.acquire())
  only.length = 0
  const others = Array.from({ length: 40 }, () => start(t, 'sleep', ['60']).pid!)
  // One more than a client looks at when it sweeps.
  for (const pid of others.slice(0, 18)) await manager.acquire({ pid })
  const early = await during(asked, () => manager.acquire({ pid: others[18]! }))
  for (const pid of others.slice(19, 39)) await manager.acquire({ pid })
  t.same(await during(asked, () => manager.acquire({ pid: others[39]! })), early, isPinned ? 'pinned' : 'not pinned')
  t.same(only, others)
  t.equal(await manager.stopServer(), true)
}

t.test('the 40th lease in the name of another process asks what the 19th does, and about that process alone, pinned or not', async (t) => {
  for (const isPinned of [true, false]) await forOthers(t, place(t), isPinned)
})

/** A client that takes three leases, says so, and then obeys the test. */
const three = (t: Test, here: Place) => startModule(t, `
  const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
  const manager = new ClientProcessManager(JSON.parse(process.argv[1]))
  for (let n = 0; n < 3; n++) await manager.acquire()
  console.log('held')
  setInterval(() => {}, 1000)`, [JSON.stringify(here.options('healthy', IDLE))], { env: { ...here.env } })

t.test('a holder of three leases that is killed leaves none of them, and takes none of another holder', async (t) => {
  const here = place(t)
  const one = holder(t, here, here.options('healthy', IDLE))
  await one.held
  const { child, line } = three(t, here)
  t.equal(await line(), 'held')
  t.equal(holdsOf(here, 'lease').length, 4)
  t.equal(watchesOf(here).length, 2)
  child.kill('SIGKILL')
  await until(() => holdsOf(here, 'lease').length === 1 && watchesOf(here).length === 1, 'its leases and its watchdog to go')
  t.match(await one.release(), { failed: 0 })
  await gone(here)
})

t.test('a watchdog that was killed, or stopped, is replaced by the next lease of its process', async (t) => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    const here = place(t)
    const manager = here.manager('healthy', IDLE)
    const first = await manager.acquire()
    const [watch] = watchesOf(here)
    process.kill(watch!, signal)
    await until(() => (signal === 'SIGSTOP' ? lookAt(watch!).state === 'stopped' : !isAlive(watch!)), `${signal} to arrive`)
    const second = await manager.acquire()
    t.equal(watchesOf(here).filter((pid) => pid !== watch).length, 1, signal)
    await first.release()
    await second.release()
    if (signal === 'SIGKILL') await gone(here)
    else {
      await until(() => here.alive().length === 0, 'the server to end, though one of its watchdogs is stopped')
      // Stopped, it would stay after the test; it goes on, and finds nothing to end.
      process.kill(watch!, 'SIGCONT')
      await until(() => !isAlive(watch!), 'the watchdog that goes on to end')
    }
  }
})

t.test('a lease that comes while the last one goes has a watchdog', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', IDLE)
  let lease = await manager.acquire()
  for (let round = 0; round < 20; round++) {
    const [next] = await Promise.all([manager.acquire(), lease.release()])
    lease = next
  }
  // A watchdog that was let go looks for other leases, and then ends.
  await until(async () => (await nodeSystem.watchdogs(lease.server.launchId!)).length === 1, 'the watchdogs of the other leases to end')
  t.equal(here.starts().length, 1)
  t.ok(isAlive(lease.server.pid!), 'the last lease keeps the server')
  t.equal(holdsOf(here, 'lease').length, 1)
  t.equal((await nodeSystem.watchdogs(lease.server.launchId!)).length, 1)
  await lease.release()
  await gone(here)
})
