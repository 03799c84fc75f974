/** What becomes of the server when etcd loses its leader, is away, is full, or forgets. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../../support/clients.js'
import { until } from '../../support/until.js'
import type { Call } from './call.js'
import { codesOf, handover, inTerms, type Case } from './case.js'
import { instant, type World } from './world.js'

const TTL = 6000
/** An election takes seconds on a busy machine, and a renewal must get through in 0.4 of this. */
const PATIENT = 15_000

/** The server that was there is there still, and what was asked of it in between was answered. */
const livesOn = async (world: World, epoch: number, pid: number): Promise<void> => {
  const now = await world.up(world.hosts[0]!)
  if (now.epoch !== epoch || !isAlive(pid)) world.wrong(`the server of epoch ${epoch} ended, and ${now.epoch} runs`)
}

/** All the calls that can be made until the server ends, and what they got after that. */
const endsAndFails = async (world: World, pid: number, expected: string): Promise<Call[]> => {
  await until(async () => !isAlive(pid) || (await sleep(20)), 'the server to end')
  const calls = await Promise.all(world.hosts.map((host) => world.call(host)))
  for (const { error, host, stderr, info } of calls) {
    if (error?.code !== expected) world.wrong(`a call on ${host} got ${error?.code ?? info?.url}: ${stderr}`)
  }
  return calls
}

const goneAfter = (world: World, at: bigint, epoch: number): string =>
  inTerms(world, Number(world.servers().find((server) => server.epoch === epoch)!.ended - at) / 1e6)

const leaderKilled: Case = {
  name: 'etcd leader killed', plan: { ttl: PATIENT },
  async act(world) {
    const { epoch, pid } = await world.up(world.hosts[0]!)
    await world.up(world.hosts[1]!)
    await world.reached(epoch)
    await world.members.killLeader()
    const began = performance.now()
    const newcomer = await world.call(world.hosts[2]!)
    if (newcomer.info === undefined) world.wrong(`a newcomer failed: ${newcomer.stderr}`)
    const took = performance.now() - began
    await sleep(world.ttl)
    await livesOn(world, epoch, pid)
    return { 'a newcomer served after': `${Math.round(took)} ms` }
  },
}

const leaderFrozen: Case = {
  name: 'etcd leader frozen for 1.5 terms, and resumed', plan: { ttl: PATIENT },
  async act(world) {
    const { epoch, pid } = await world.settled()
    const thaw = await world.members.freezeLeader()
    await sleep(1.5 * world.ttl)
    await livesOn(world, epoch, pid)
    thaw()
    await sleep(world.ttl / 2)
    await livesOn(world, epoch, pid)
    return {}
  },
}

const awayWithin: Case = {
  name: 'all of etcd killed and back within the term', plan: { ttl: 30_000 },
  async act(world) {
    const { epoch, pid } = await world.settled()
    const at = instant()
    await world.members.killAll()
    await world.members.start()
    const away = Number(instant() - at) / 1e6
    // It was renewed up to 0.2 of a term before, and its term is 0.6. A machine that takes longer shows nothing.
    if (away > 0.35 * world.ttl) return { away: `${inTerms(world, away)}, too long to tell` }
    await sleep(0.6 * world.ttl)
    await livesOn(world, epoch, pid)
    return { away: inTerms(world, away) }
  },
}

const awayBeyond: Case = {
  name: 'all of etcd killed for longer than the term', plan: { ttl: TTL },
  async act(world) {
    const { epoch, pid } = await world.settled()
    const at = instant()
    await world.members.killAll()
    world.mayLeaveUses()
    const calls = await endsAndFails(world, pid, 'COORDINATOR_UNREACHABLE')
    await world.members.start()
    const back = instant()
    const { failed } = await world.later(epoch, world.hosts)
    return {
      gone: goneAfter(world, at, epoch), meanwhile: codesOf(calls),
      'served after its return': handover(world, back, epoch).served, 'failed after its return': codesOf(failed),
    }
  },
}

const full: Case = {
  name: 'etcd full, and compacted', plan: { ttl: TTL, etcd: ['--quota-backend-bytes', String(2 * 1024 * 1024)] },
  async act(world) {
    const { epoch, pid } = await world.settled()
    await world.members.fill()
    const at = instant()
    const calls = await endsAndFails(world, pid, 'COORDINATOR_REFUSED')
    for (const { error, stderr } of calls) {
      if (error?.message.includes('database space exceeded') !== true) world.wrong(`the message does not say why: ${stderr}`)
    }
    await world.members.makeSpace()
    const back = instant()
    const { failed } = await world.later(epoch, world.hosts)
    return {
      gone: goneAfter(world, at, epoch), meanwhile: codesOf(calls),
      'served after compaction': handover(world, back, epoch).served, 'failed after it': codesOf(failed),
    }
  },
}

const absent = (name: string, endpoint: string | undefined): Case => ({
  name, plan: { ttl: TTL, noEtcd: true },
  async act(world) {
    const env = endpoint === undefined ? {} : { ONE_SERVER_COORDINATOR: `etcd://${endpoint}/ci/1` }
    const call = await world.call(world.hosts[0]!, env)
    if (call.error?.code !== 'COORDINATOR_UNREACHABLE') world.wrong(`it got ${call.error?.code ?? call.info?.url}: ${call.stderr}`)
    if (world.servers().length > 0) world.wrong('a server was started')
    return { 'failed after': `${Math.round(call.took)} ms`, saying: JSON.stringify(call.error?.message) }
  },
})

const claimDeleted: Case = {
  name: 'claim deleted by hand', plan: { ttl: TTL },
  async act(world) {
    const { epoch, pid } = await world.settled()
    const at = instant()
    await world.members.control('del', world.claimKey)
    await until(async () => !isAlive(pid) || (await sleep(20)), 'the server to end')
    await world.later(epoch, world.hosts)
    return handover(world, at, epoch)
  },
}

const restored: Case = {
  name: 'etcd restored from a backup with an old claim', plan: { ttl: TTL },
  async act(world) {
    const before = await world.settled()
    await world.members.save()
    await world.stop(world.hosts[0]!)
    const { epoch, pid } = await world.settled(world.hosts[1])
    // A backup takes versions back, and with them the epoch.
    world.takesBack()
    world.mayLeaveUses()
    const at = instant()
    await world.members.restore()
    await until(async () => !isAlive(pid) || (await sleep(20)), 'the server to end')
    const gone = Number(world.servers().find((server) => server.epoch === epoch)!.ended - at) / 1e6
    const { failed } = await world.later(before.epoch, world.hosts)
    return { gone: inTerms(world, gone), meanwhile: codesOf(failed) }
  },
}

export const engine: readonly Case[] = [
  leaderKilled, leaderFrozen, awayWithin, awayBeyond, full,
  absent('no etcd: connections refused', undefined), absent('no etcd: no route', '10.98.0.1:2379'),
  absent('no etcd: nobody answers', '10.99.0.200:2379'),
  claimDeleted, restored,
]
