/** The simulation, at length: random orders by the hundred thousand, and every order within wider bounds. */
import { endingPlan, waiter } from '../simulation/ending.js'
import { exploreAll, exploreRandom, type Bounds, type Explored } from '../simulation/explore.js'
import type { RunPlan } from '../simulation/schedule.js'
import { exploreHostileStates } from '../simulation/hostile.js'
import { anyActs, ensure, FAULTS, stopServer } from '../simulation/series.js'
import type { Outcome, Series } from './series.js'

const outcomeOf = ({ runs, steps, failures }: Explored): Outcome => ({
  cases: runs, note: `${steps} steps`,
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

const exhaustive = (name: string, plan: () => RunPlan, bounds: Bounds): Series => ({
  name: `simulated: ${name}`, rounds: Number.POSITIVE_INFINITY,
  run: async (rounds) => outcomeOf(await exploreAll(plan(), { ...bounds, most: rounds })),
})

/** Any content of the PID file and the folder. */
export const hostileStates: Series = {
  name: 'simulated: hostile content of PID file and folder', rounds: 10_000,
  run: (rounds) => exploreHostileStates(rounds).then(() => ({ cases: rounds, violations: [] }), (error: Error) => ({ cases: rounds, violations: [error.message] })),
}

export const everyOrder: readonly Series[] = [
  exhaustive('2 clients, every order with up to 3 preemptions', () => ({ acts: [ensure, ensure] }), { preemptions: 3, faults: 0, kinds: [] }),
  exhaustive('2 clients, every order with 1 preemption and 1 fault', () => ({ acts: [ensure, ensure] }), { preemptions: 1, faults: 1, kinds: FAULTS }),
  exhaustive('2 clients, every order with 2 preemptions and 1 fault', () => ({ acts: [ensure, ensure] }), { preemptions: 2, faults: 1, kinds: FAULTS }),
  exhaustive('a client and a stop, 1 preemption and 1 fault', () => ({ acts: [ensure, stopServer] }), { preemptions: 1, faults: 1, kinds: FAULTS }),
  exhaustive('2 waiters, 2 reapers, up to 3 preemptions', () => endingPlan([waiter, waiter], 2), { preemptions: 3, faults: 0, kinds: [] }),
]
