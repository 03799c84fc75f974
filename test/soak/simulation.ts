/** The simulation, at length: random orders by the hundred thousand, and every order within wider bounds. */
import { endingPlan, waiter } from '../simulation/ending.js'
import { exploreAll, exploreRandom, type Bounds, type Explored } from '../simulation/explore.js'
import { anyGuardians, anyHolders, anyVanishing, holder, leasePlan, returningHolder } from '../simulation/leases.js'
import type { RunPlan } from '../simulation/schedule.js'
import { exploreHostileStates } from '../simulation/hostile.js'
import { anyVersions, newer, older, replacingPlan } from '../simulation/replacing.js'
import { anyActs, ensure, FAULTS, stopServer } from '../simulation/series.js'
import type { Outcome, Series } from './series.js'

const outcomeOf = ({ runs, steps, failures, orders, states }: Explored): Outcome => ({
  cases: orders ?? runs, note: orders === undefined ? `${steps} steps` : `${states} states that differ, ${runs} runs, ${steps} steps`,
  violations: failures.map(({ replay, result }) => `${replay}: ${result.violations.join('; ')}\n${result.trace.slice(-60).join('\n')}`),
})

export const randomOrders: Series = {
  name: 'simulated: 3 to 6 clients, random orders and faults', rounds: 100_000,
  async run(rounds, progress) {
    const all: Explored[] = []
    const BATCH = 1000
    for (let from = 1; from <= rounds; from += BATCH) {
      all.push(await exploreRandom(anyActs, from, Math.min(BATCH, rounds - from + 1), 3))
      progress(Math.min(rounds, from + BATCH - 1))
    }
    return outcomeOf({
      runs: all.reduce((sum, { runs }) => sum + runs, 0), steps: all.reduce((sum, { steps }) => sum + steps, 0),
      failures: all.flatMap(({ failures }) => failures),
    })
  },
}

export const randomHolders: Series = {
  name: 'simulated: 2 to 5 holders of leases, random orders and faults', rounds: 50_000,
  run: async (rounds) => outcomeOf(await exploreRandom(anyHolders, 1, rounds, 3)),
}

export const randomGuardians: Series = {
  name: 'simulated: leases for another client by 1 to 3 others, random orders and faults', rounds: 50_000,
  run: async (rounds) => outcomeOf(await exploreRandom(anyGuardians, 1, rounds, 3)),
}

export const randomVanishing: Series = {
  name: 'simulated: 2 to 4 holders of leases whose state vanishes, random orders and faults', rounds: 50_000,
  run: async (rounds) => outcomeOf(await exploreRandom(anyVanishing, 1, rounds, 3)),
}

export const randomVersions: Series = {
  name: 'simulated: 2 to 5 clients of two versions, random orders and faults', rounds: 50_000,
  run: async (rounds) => outcomeOf(await exploreRandom(anyVersions, 1, rounds, 3)),
}

const exhaustive = (name: string, plan: () => RunPlan, bounds: Bounds): Series => ({
  name: `simulated: ${name}`, rounds: Number.POSITIVE_INFINITY,
  run: async (rounds) => outcomeOf(await exploreAll(plan(), { ...bounds, most: rounds })),
})

/** Any content of the PID file and the folder. */
export const hostileStates: Series = {
  name: 'simulated: hostile content of PID file and folder', rounds: 10_000,
  run: (rounds) => exploreHostileStates(rounds).then(() => ({ cases: rounds, violations: [] }), (error: Error) => ({ cases: rounds, violations: [error.message] })),
}

const together: RunPlan = { acts: [ensure, ensure] }

export const everyOrder: readonly Series[] = [
  exhaustive('2 clients, every order with up to 3 preemptions', () => together, { preemptions: 3, faults: 0, kinds: [] }),
  // One kind at a time: the states of all of them together would not fit into memory.
  exhaustive('2 clients, up to 3 preemptions and one killed', () => together, { preemptions: 3, faults: 1, kinds: ['crash'] }),
  exhaustive('2 clients, up to 3 preemptions and one frozen', () => together, { preemptions: 3, faults: 1, kinds: ['freeze'] }),
  exhaustive('2 clients, up to 3 preemptions and a death of the server', () => together, { preemptions: 3, faults: 1, kinds: ['server-dies'] }),
  exhaustive('2 clients, up to 2 preemptions and an end of the leader, whose children serve on', () => ({ ...together, world: { withChildren: 'serving' } }), { preemptions: 2, faults: 1, kinds: ['leader-dies', 'leader-leaves'] }),
  exhaustive('2 clients, up to 2 preemptions and an end of the leader, whose children serve nobody', () => ({ ...together, world: { withChildren: 'idle' } }), { preemptions: 2, faults: 1, kinds: ['leader-dies', 'leader-leaves'] }),
  exhaustive('a client and a stop, up to 2 preemptions and 1 fault', () => ({ acts: [ensure, stopServer] }), { preemptions: 2, faults: 1, kinds: FAULTS }),
  exhaustive('2 holders of leases, up to 2 preemptions', () => leasePlan([holder, holder]), { preemptions: 2, faults: 0, kinds: [] }),
  exhaustive('2 returning holders, 1 preemption and one killed', () => leasePlan([returningHolder, holder]), { preemptions: 1, faults: 1, kinds: ['crash'] }),
  exhaustive('an older and a newer version, up to 2 preemptions and one killed or frozen', () => replacingPlan([older, newer]), { preemptions: 2, faults: 1, kinds: ['crash', 'freeze'] }),
  exhaustive('2 waiters, 2 reapers, up to 2 preemptions', () => endingPlan([waiter, waiter], 2), { preemptions: 2, faults: 0, kinds: [] }),
]
