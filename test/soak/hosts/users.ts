/** Those who use the server: crowds on all hosts, a start that fails, a stop; and what the engine has to do for them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../../support/clients.js'
import { inTerms, type Case } from './case.js'
import { hold, type Lease } from './leases.js'
import { instant, type Host, type World } from './world.js'

const TTL = 6000

const everywhere = async <T>(world: World, each: number, call: (host: Host) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: each }, () => world.hosts).flat().map(call))

const crowd = (each: number): Case => ({
  name: `${each} cold clients on each host at once`, plan: { ttl: TTL },
  async act(world) {
    const began = performance.now()
    const calls = await everywhere(world, each, (host) => world.call(host))
    for (const { error, stderr, host } of calls) if (error !== undefined) world.wrong(`a call on ${host} failed: ${stderr}`)
    const infos = calls.flatMap(({ info }) => (info === undefined ? [] : [info]))
    if (new Set(infos.map(({ url }) => url)).size !== 1) world.wrong('the URLs differ')
    const starters = infos.filter(({ started }) => started)
    if (starters.length !== 1) world.wrong(`${starters.length} calls say that they started it`)
    if (world.servers().length !== 1) world.wrong(`${world.servers().length} servers were started`)
    return { clients: calls.length, took: inTerms(world, performance.now() - began) }
  },
})

/** Requests in a second that the engine gets, for so many terms. */
const rate = async (world: World, terms: number): Promise<number> => {
  const [before, began] = [await world.members.requests(), performance.now()]
  await sleep(terms * world.ttl)
  return ((await world.members.requests()) - before) / ((performance.now() - began) / 1000)
}

/** A steward makes two requests for each fifth of its term, and a follower may look when it hears of the owner's renewal besides. */
const MOST_IN_A_TERM = 3 * 2 * (5 + 4)

const requests: Case = {
  name: 'requests to etcd with 5, 20 and 60 clients', plan: { ttl: TTL },
  async act(world) {
    const figures: Record<string, string> = {}
    const leases: Lease[] = []
    const rates: number[] = []
    for (const clients of [5, 20, 60]) {
      while (leases.length < clients) {
        const more = Math.min(5, clients - leases.length)
        leases.push(...await Promise.all(Array.from({ length: more }, (_, at) => hold(world, world.hosts[(leases.length + at) % 3]!))))
      }
      const found = await rate(world, 3)
      rates.push(found)
      figures[`${clients} clients`] = `${found.toFixed(1)}/s`
    }
    let [calls, isOver] = [0, false]
    const coming = Promise.all(world.hosts.map(async (host) => {
      while (!isOver) {
        await (await hold(world, host)).release()
        calls++
      }
    }))
    const busy = await rate(world, 3)
    isOver = true
    await coming
    figures[`${calls} leases that come and go`] = `${busy.toFixed(1)}/s`
    const most = MOST_IN_A_TERM / (world.ttl / 1000)
    for (const found of [...rates, busy].filter((each) => each > most)) {
      world.wrong(`etcd gets ${found.toFixed(1)} requests in a second, and at most ${most} are the stewards'`)
    }
    if (Math.max(...rates) > 1.3 * Math.min(...rates)) world.wrong('the requests to etcd grow with the clients')
    const [calm] = rates as [number]
    if (busy > 1.3 * calm) world.wrong(`the requests to etcd grow with clients that come and go: ${busy.toFixed(1)}/s`)
    for (let at = 0; at < leases.length; at += 5) await Promise.all(leases.slice(at, at + 5).map((lease) => lease.release()))
    return figures
  },
}

const failedStart: Case = {
  name: 'server that exits with 3, 9 calls on 3 hosts', plan: { ttl: TTL, env: { FAILS: '3000' } },
  async act(world) {
    const calls = await everywhere(world, 3, (host) => world.call(host))
    for (const { code, error, host, stderr } of calls) {
      const isExit = code === 5 && error?.code === 'SERVER_EXITED' && error.exitCode === 3
      const saysWhy = error?.logTail?.includes('no licence is left') === true
      if (!isExit || !saysWhy) world.wrong(`a call on ${host} got ${code}, ${error?.code} ${error?.exitCode}: ${stderr}`)
    }
    const attempts = world.servers().length
    if (attempts > world.hosts.length) world.wrong(`${attempts} attempts on ${world.hosts.length} hosts`)
    return { attempts }
  },
}

const stopped: Case = {
  // A term that a cold start cannot take.
  name: 'stop from a host that follows, then a call on a third', plan: { ttl: 60_000 },
  async act(world) {
    const { epoch, pid } = await world.settled()
    const at = instant()
    const { code } = await world.stop(world.hosts[1]!)
    if (code !== 0) world.wrong(`stop exited with ${code}`)
    if (isAlive(pid)) world.wrong('stop returned, and the server lives')
    const took = Number(instant() - at) / 1e6
    await world.later(epoch, [world.hosts[2]!])
    if (Number(instant() - at) / 1e6 > world.ttl) world.wrong('a call after a stop waited for the term')
    return { 'stop took': `${Math.round(took)} ms`, 'stop and new start': `${Math.round(Number(instant() - at) / 1e6)} ms` }
  },
}

export const users: readonly Case[] = [crowd(5), crowd(20), requests, failedStart, stopped]
