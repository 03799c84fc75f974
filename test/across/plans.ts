/** What the hosts of the simulated runs are, and what their clients do. */
import { OneServerError } from '../../lib/errors.js'
import type { AnyPlan } from './explore.js'
import type { RunPlan, SitePlan } from './schedule.js'
import type { World, WorldOptions } from './world.js'

/** Clocks may differ by a tenth: the slowest and the fastest are among those drawn. */
const RATES = [0.95, 1, 1.05] as const

const anySite = (random: () => number, index: number, ttl: number): SitePlan => ({
  rate: RATES[Math.floor(random() * RATES.length)]!, ttl, clients: index === 0 || random() < 0.5 ? 1 : 0, isBeside: index > 0 && random() < 0.1,
})

/** 2 or 3 sites, mostly of a host each, whose clients come and go, with faults of any kind. */
export const anyHosts: AnyPlan = (random) => {
  const ttl = 5000
  const differ = random() < 0.2
  const sites = Array.from({ length: 2 + Math.floor(random() * 2) }, (_, index) => anySite(random, index, differ && index > 0 ? 2000 + 8000 * random() : ttl))
  const world: WorldOptions = {
    boot: random() < 0.8 ? 300 : 3000, stopping: random() < 0.8 ? 100 : 6000, hints: random() < 0.5, ...(random() < 0.2 ? { failures: 1 } : {}),
  }
  return { sites, world, ms: 4 * ttl, mayFreezeHosts: random() < 0.3 }
}

/** The same for twice as long, with many faults. */
export const anyTrouble: AnyPlan = (random) => ({ ...anyHosts(random), ms: 40_000, faults: { share: 0.02, most: 15 }, acts: { share: 0.02, most: 15 } })

/** As anyHosts, and somebody deletes what is in the engine. */
export const anyWiping: AnyPlan = (random) => ({ ...anyHosts(random), mayWipe: true })

/** Two hosts, one with a client from the beginning and one that follows. */
export const twoHosts = (world: WorldOptions = {}, ms = 12_000): RunPlan => ({
  sites: [{ rate: 0.95, ttl: 5000, clients: 1 }, { rate: 1.05, ttl: 5000, clients: 1 }], world, ms,
})

/** Clients that come and go all the time, on hosts that mostly work: the last one out against the next one in. */
export const anyGuests: AnyPlan = (random) => ({
  ...anyHosts(random), mayFreezeHosts: false, world: { boot: 20, stopping: 20, hints: random() < 0.5 },
  acts: { share: 0.1, most: 40 }, faults: { share: 0.01, most: 2 },
})

/** The client of one host leaves as those of others come, in any order of steps. */
export const anyLastOut: AnyPlan = () => ({
  sites: [1, 0, 0, 0].map((clients) => ({ rate: 1, ttl: 5000, clients })), world: { boot: 20, stopping: 20 }, ms: 5000, stay: 0, late: 0,
  acts: { share: 0.1, most: 12, of: /come|leave/ }, faults: { share: 0, most: 0 },
})

/** Requests that take long, and owners that fall silent before their server is ready: those who wait look often. */
export const anySilence: AnyPlan = (random) => ({
  ...anyHosts(random), world: { boot: 10_000, hints: false }, ms: 8000, acts: { share: 0, most: 0 }, faults: { share: 0.1, most: 9, of: /delayed by|\/\d+ is killed/ },
})

/** What was started fails in turn, and nobody interferes: a steward that has waited for a server that failed shares that, and starts none. */
const sharesFailures = ({ launches, checks }: World): void => {
  for (const { actor, hasFollowed, server } of launches) {
    if (hasFollowed && server !== undefined) checks.fail(`${actor.name} has waited for a server that failed, and starts another one`)
  }
}

const anyFailing = (random: () => number): RunPlan => ({
  sites: Array.from({ length: 2 + Math.floor(random() * 3) }, () => ({ rate: 1, ttl: 5000, clients: 2 })),
  world: { boot: random() < 0.5 ? 20 : 1000, failures: 1000, hints: random() < 0.5 }, ms: 15_000, late: 0, acts: { share: 0, most: 0 }, faults: { share: 0, most: 0 },
})

/** Every client waits from the beginning, and each server exits with 3 while it boots: at one attempt for each host at most. */
export const anyFailure: AnyPlan = (random) => {
  const plan = anyFailing(random)
  return {
    ...plan,
    check: (world) => {
      const { clients, attempts, checks, launches } = world
      sharesFailures(world)
      if (attempts > plan.sites.length) checks.fail(`${attempts} attempts on ${plan.sites.length} hosts`)
      if (launches.length > plan.sites.length) checks.fail(`${launches.length} stewards on ${plan.sites.length} hosts`)
      for (const { site, result } of clients) {
        if (!(result instanceof OneServerError && result.code === 'SERVER_EXITED' && result.exitCode === 3)) checks.fail(`a client of ${site.name} gets ${String(result)}`)
      }
    },
  }
}

/** The same, and clients come all the time. */
export const anyFailures: AnyPlan = (random) => ({ ...anyFailing(random), ms: 6000, acts: { share: 0.1, most: 30, of: /come/ }, check: sharesFailures })
