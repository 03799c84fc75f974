/** What the hosts of the simulated runs are, and what their clients do. */
import type { AnyPlan } from './explore.js'
import type { RunPlan, SitePlan } from './schedule.js'
import type { WorldOptions } from './world.js'

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

/** The same, and somebody deletes what is in the engine. */
export const anyWiping: AnyPlan = (random) => ({ ...anyHosts(random), mayWipe: true })

/** Two hosts, one with a client from the beginning and one that follows. */
export const twoHosts = (world: WorldOptions = {}, ms = 12_000): RunPlan => ({
  sites: [{ rate: 0.95, ttl: 5000, clients: 1 }, { rate: 1.05, ttl: 5000, clients: 1 }], world, ms,
})
