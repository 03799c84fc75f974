/** What leases cost, by count: the 200th one of a process asks the machine what the third one does. */
import t from 'tap'
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import type { ClientProcessManagerOptions, Lease } from '../../lib/index.js'
import { isAlive, place, statusOf } from '../support/clients.js'
import { counting, during } from '../support/counting.js'
import { gone, watchesOf } from '../support/holders.js'
import { until } from '../support/until.js'

const IDLE: ClientProcessManagerOptions = { idleTimeout: 300 }

t.test('the 200th lease of a process asks what the third one does, and so do its release and those of another process', async (t) => {
  const here = place(t)
  const { system, asked } = counting()
  const manager = new ClientProcessManager(here.options('healthy', IDLE), system)
  const held: Lease[] = [await manager.acquire()]
  const take = async () => { held.push(await manager.acquire()) }
  // The first call that finds the server ready reads where that is.
  await take()
  const second = await during(asked, take)
  t.ok(second['list']! <= 2, `${second['list']} listings`)
  t.notOk('watchOver' in second || 'kin' in second, Object.keys(second).join())
  const firstRelease = await during(asked, async () => held.pop()!.release())
  t.notOk('list' in firstRelease, 'a release lists nothing')
  while (held.length < 199) await take()
  t.same(await during(asked, take), second, 'the 200th lease')
  t.same(await during(asked, async () => held.pop()!.release()), firstRelease, 'its release')

  const other = counting()
  const beside = new ClientProcessManager(here.options('healthy', IDLE), other.system)
  const lease = await beside.acquire()
  t.equal(other.asked['list'], 2, 'beside 199 leases another process lists twice')
  await lease.release()
  t.equal(other.asked['list'], 2, 'and for its release not at all')
  const looks = await during(other.asked, async () => t.equal((await statusOf(beside)).leases.length, 199))
  t.ok(looks['look']! < 10, `${looks['look']} looks at processes for 199 leases of one`)

  t.equal(watchesOf(here).length, 2, 'a watchdog for each process')
  while (held.length > 1) await held.pop()!.release()
  await until(() => watchesOf(here).length === 1, 'the other one to look, and to leave the launch')
  t.ok(isAlive(here.starts()[0]!.pid), 'the last lease keeps the server')
  await held.pop()!.release()
  await gone(here)
  await until(() => here.left().length === 0, 'the state to go')
  t.equal(asked['watchOver'], 1)
})
