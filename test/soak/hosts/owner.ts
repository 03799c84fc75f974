/** What becomes of the server when its owner's steward or host is killed or frozen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, send } from '../../support/clients.js'
import { until } from '../../support/until.js'
import { fusesOf } from './bench.js'
import { codesOf, handover, takenOver, type Case } from './case.js'
import { instant } from './world.js'

const TTL = 6000

const stewardKilled: Case = {
  name: 'steward killed', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const { steward } = (await world.claim())!
    const at = instant()
    send(steward.pid, 'SIGKILL')
    return takenOver(world, at, epoch, world.others(world.host(host)))
  },
}

const stewardKilledHere: Case = {
  // A term that a cold start cannot take, on any machine that can run this.
  name: 'steward killed, then a call on its own host', plan: { ttl: 60_000 },
  async act(world) {
    const { host, epoch } = await world.settled()
    const { steward } = (await world.claim())!
    const at = instant()
    send(steward.pid, 'SIGKILL')
    const { info } = await world.later(epoch, [world.host(host)])
    if (Number(instant() - at) / 1e6 > world.ttl) world.wrong('a call on the host of a dead steward waited for its term')
    if (!info.started) world.wrong('another call started the server')
    return handover(world, at, epoch)
  },
}

const stewardFrozen: Case = {
  name: 'steward frozen for longer than its term', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const { steward } = (await world.claim())!
    const at = instant()
    send(steward.pid, 'SIGSTOP')
    const figures = await takenOver(world, at, epoch, world.others(world.host(host)))
    send(steward.pid, 'SIGCONT')
    // Its clients are given the new server.
    const woken = await world.later(epoch, [world.host(host)])
    return { ...figures, 'after it woke': codesOf(woken.failed) ?? 'no call failed' }
  },
}

const fuseFrozen: Case = {
  name: 'fuse frozen', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch, pid } = await world.settled()
    const at = instant()
    for (const one of fusesOf(world.host(host))) send(one, 'SIGSTOP')
    await until(async () => !isAlive(pid) || (await sleep(50)), 'the server to end without its fuse')
    const figures = await takenOver(world, at, epoch, world.hosts)
    for (const one of fusesOf(world.host(host))) send(one, 'SIGCONT')
    return figures
  },
}

const hostKilled: Case = {
  name: 'host killed, others follow', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const at = instant()
    await world.kill(world.host(host))
    return takenOver(world, at, epoch, world.others(world.host(host)))
  },
}

const hostKilledAlone: Case = {
  name: 'host killed, nobody follows', plan: { ttl: TTL },
  async act(world) {
    const [first, second] = world.hosts
    const { epoch } = await world.up(first!)
    await world.reached(epoch)
    await world.kill(first!)
    const at = instant()
    return takenOver(world, at, epoch, [second!])
  },
}

const hostFrozen: Case = {
  name: 'host frozen, and resumed', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const frozen = world.host(host)
    const at = instant()
    await world.freeze(frozen)
    const figures = await takenOver(world, at, epoch, world.others(frozen))
    frozen.thaw()
    const woken = await world.later(epoch, [frozen])
    return { ...figures, 'after it woke': codesOf(woken.failed) ?? 'no call failed' }
  },
}

const fuseWakesLast: Case = {
  // The order in which a busy host lets its processes run on. The door must keep what waited at it until then.
  name: 'host frozen, and its fuse wakes last', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch, pid } = await world.settled()
    const frozen = world.host(host)
    const at = instant()
    await world.freeze(frozen)
    const figures = await takenOver(world, at, epoch, world.others(frozen))
    frozen.thaw(fusesOf(frozen))
    for (let looks = 0; looks < 200 && isAlive(pid); looks++) await sleep(10)
    frozen.thaw()
    await world.later(epoch, [frozen])
    return figures
  },
}

export const owner: readonly Case[] = [
  stewardKilled, stewardKilledHere, stewardFrozen, fuseFrozen, hostKilled, hostKilledAlone, hostFrozen, fuseWakesLast,
]
