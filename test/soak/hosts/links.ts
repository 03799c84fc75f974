/** What becomes of the server when hosts cannot reach one another, or etcd. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../../support/clients.js'
import { until } from '../../support/until.js'
import { codesOf, inTerms, takenOver, type Case } from './case.js'
import { instant } from './world.js'

const TTL = 6000

const linkCut: Case = {
  name: "owner's link cut, and healed", plan: { ttl: TTL },
  async act(world) {
    const { host, epoch, pid } = await world.settled()
    const cut = world.host(host)
    const at = instant()
    world.cut(cut)
    const [figures, there] = await Promise.all([
      takenOver(world, at, epoch, world.others(cut)),
      (async () => {
        await until(async () => !isAlive(pid) || (await sleep(50)), 'the cut server to end')
        return world.call(cut)
      })(),
    ])
    const { error, info, stderr } = there
    if (error?.code !== 'COORDINATOR_UNREACHABLE') world.wrong(`the cut host got ${error?.code ?? info?.url}: ${stderr}`)
    cut.heal()
    const began = performance.now()
    await world.later(epoch, [cut])
    return { ...figures, 'used again': `${inTerms(world, performance.now() - began)} after healing` }
  },
}

const followerCut: Case = {
  name: "follower's link cut, and healed", plan: { ttl: TTL },
  async act(world) {
    const { host, epoch, pid } = await world.settled()
    const cut = world.others(world.host(host))[0]!
    world.cut(cut)
    await sleep(1.5 * world.ttl)
    const { error } = await world.call(cut)
    cut.heal()
    const again = await world.later(epoch - 1, [cut])
    if (again.info.epoch !== epoch || !isAlive(pid)) world.wrong(`a follower was cut off, and epoch ${epoch} became ${again.info.epoch}`)
    return { meanwhile: error?.code ?? 'no call failed', 'after healing': codesOf(again.failed) ?? 'no call failed' }
  },
}

const ownerWithoutEtcd: Case = {
  // Its clients reach it for as long as it serves: only its door and its own end keep it from serving on.
  name: 'owner cut off from etcd alone', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const deaf = world.host(host)
    const at = instant()
    deaf.lose(world.members.addresses)
    const figures = await takenOver(world, at, epoch, world.others(deaf))
    const { error, stderr } = await world.call(deaf)
    if (error?.code !== 'COORDINATOR_UNREACHABLE') world.wrong(`the owner's host got ${error?.code}: ${stderr}`)
    deaf.find(world.members.addresses)
    await world.later(epoch, [deaf])
    return figures
  },
}

const followerWithoutEtcd: Case = {
  name: 'follower cut off from etcd alone', plan: { ttl: TTL },
  async act(world) {
    const { host, epoch } = await world.settled()
    const deaf = world.others(world.host(host))[0]!
    deaf.lose(world.members.addresses)
    await sleep(1.5 * world.ttl)
    const { info, stderr } = await world.call(deaf)
    if (info?.epoch !== epoch) world.wrong(`its clients lost a server that answers: ${stderr}`)
    deaf.find(world.members.addresses)
    return {}
  },
}

const cutFromOwner: Case = {
  name: 'hosts cut off from the owner alone', plan: { ttl: TTL },
  async act(world) {
    const [owner, follower, newcomer] = world.hosts
    const { epoch, pid } = await world.up(owner!)
    await world.up(follower!)
    await world.reached(epoch)
    for (const host of [follower!, newcomer!]) host.lose([owner!.address])
    const calls = await Promise.all([world.call(follower!), world.call(newcomer!)])
    for (const { host, info, error, stderr } of calls) {
      if (info !== undefined) world.wrong(`${host} cannot reach the server, and was given it`)
      else if (!stderr.includes('advertise')) world.wrong(`${host} got ${error?.code}, without the hint that helps: ${stderr}`)
    }
    await sleep(1.5 * world.ttl)
    if (!isAlive(pid) || (await world.up(owner!)).epoch !== epoch) world.wrong('the server ended because other hosts could not reach it')
    for (const host of [follower!, newcomer!]) host.find([owner!.address])
    for (const host of [follower!, newcomer!]) await world.later(epoch - 1, [host])
    return { 'a follower got': calls[0].error?.code, 'a newcomer got': calls[1].error?.code }
  },
}

export const links: readonly Case[] = [linkCut, followerCut, ownerWithoutEtcd, followerWithoutEtcd, cutFromOwner]
