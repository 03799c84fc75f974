/** The stewards of several hosts in the simulation, at length. */
import { exploreFaults, exploreRandom, type AnyPlan, type Explored } from '../across/explore.js'
import { anyFailure, anyFailures, anyGuests, anyHosts, anyLastOut, anySilence, anyTrouble, anyWiping, twoHosts } from '../across/plans.js'
import type { RunPlan } from '../across/schedule.js'
import type { Outcome, Series } from './series.js'

const outcomeOf = ({ runs, steps, failures }: Explored): Outcome => ({
  cases: runs, note: `${steps} steps`, violations: failures.map(({ replay, result }) => `${replay}: ${result.violations.join('; ')}\n${result.trace.slice(-80).join('\n')}`),
})

const random = (name: string, plan: AnyPlan, rounds: number): Series => ({
  name: `stewards: ${name}`, rounds, run: async (wanted) => outcomeOf(await exploreRandom(plan, 1, wanted, 3)),
})

const faults = (name: string, plan: RunPlan): Series => ({
  name: `stewards: ${name}`, rounds: Number.POSITIVE_INFINITY, run: async (most) => outcomeOf(await exploreFaults(plan, { most, stopAt: 3 })),
})

const frozen = { mayFreezeHosts: true }

export const stewards: readonly Series[] = [
  random('2 or 3 hosts, random orders, faults and clients', anyHosts, 100_000),
  random('the same for longer, with many faults', anyTrouble, 50_000),
  random('2 or 3 hosts, and somebody deletes what is in the engine', anyWiping, 50_000),
  random('clients that come and go all the time', anyGuests, 50_000),
  random('the last one out, in any order of steps', anyLastOut, 50_000),
  random('requests that take long, and owners that fall silent', anySilence, 50_000),
  random('servers that fail to start, all clients at once', anyFailure, 20_000),
  random('servers that fail to start, clients at any time', anyFailures, 20_000),
  faults('2 hosts, every single fault at every step', { ...twoHosts(), ...frozen }),
  faults('2 hosts, a server that takes long to start and to stop, every single fault at every step', { ...twoHosts({ boot: 3000, stopping: 6000 }), ...frozen }),
  faults('2 hosts, a server that fails to start, every single fault at every step', { ...twoHosts({ failures: 1 }), ...frozen }),
]
