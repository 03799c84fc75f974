/**
 * Two ways through the orders of several hosts. Random: seeded, with as many faults, late steps and clients as come. Bounded: every single
 * fault at every step of the order in which nobody interferes otherwise. Either prints what replays a failing order.
 */
import { passing, run, type Choice, type Chooser, type RunPlan, type RunResult } from './schedule.js'

export interface Failure {
  /** Replays the order. */
  readonly replay: string
  readonly result: RunResult
}

export interface Explored {
  readonly runs: number
  readonly steps: number
  readonly failures: readonly Failure[]
}

/** mulberry32: small, seeded, and the same everywhere. */
export const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

const pick = <T>(random: () => number, items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]

/** Of one kind first: most faults are those of a message otherwise. */
const anyFault = (random: () => number, faults: readonly Choice[]): Choice | undefined => {
  const kindOf = ({ name }: Choice): string => name.replace(/:.*/, '').replaceAll(/[\w/]*\d[\w/.]*/g, '')
  const kind = pick(random, [...new Set(faults.map(kindOf))])
  return pick(random, faults.filter((fault) => kindOf(fault) === kind))
}

const randomChooser = (random: () => number, plan: RunPlan): Chooser => {
  const { share: faulty, most: mostFaults } = plan.faults ?? { share: 0.01, most: 5 }
  const { share: busy, most: mostActs } = plan.acts ?? { share: 0.01, most: 5 }
  let faults = Math.floor(random() * (mostFaults + 1))
  let acts = Math.floor(random() * (mostActs + 1))
  const late = plan.late ?? pick(random, [0, 0.01, 0.1])!
  // Somewhere between strictly in turn and in any order.
  const stay = plan.stay ?? random()
  return {
    random,
    choose: (world, menu) => {
      const drawn = random()
      if (drawn < faulty && faults > 0) {
        faults--
        return anyFault(random, menu.faults())
      }
      if (drawn > 1 - busy && acts > 0) {
        acts--
        return pick(random, menu.acts())
      }
      const ghost = drawn > 1 - busy - 0.02 ? pick(random, menu.ghosts()) : undefined
      if (ghost !== undefined) return ghost
      const { steps } = menu
      if (steps.length === 0) return passing(world)
      if (random() < late) return passing(world, 'late')
      return random() < stay ? steps[0] : pick(random, steps)
    },
  }
}

export type AnyPlan = (random: () => number) => RunPlan

/** One random order. */
export const replaySeed = (plan: AnyPlan, seed: number): Promise<RunResult> => {
  const random = seeded(seed)
  const drawn = plan(random)
  return run(drawn, randomChooser(random, drawn))
}

export const exploreRandom = async (plan: AnyPlan, from: number, count: number, stopAt = 1): Promise<Explored> => {
  const failures: Failure[] = []
  let [runs, steps] = [0, 0]
  for (let seed = from; seed < from + count && failures.length < stopAt; seed++) {
    const result = await replaySeed(plan, seed)
    runs++
    steps += result.steps
    if (result.violations.length > 0) failures.push({ replay: `seed ${seed}`, result })
  }
  return { runs, steps, failures }
}

/** The order in which nobody interferes, but for one fault: the `fault`th of those that are possible at the `at`th decision. */
export const replayFault = async (plan: RunPlan, at: number, fault: number): Promise<{ result: RunResult; offered: number; name: string }> => {
  let decision = 0
  let offered = 0
  let name = ''
  const result = await run(plan, {
    random: () => 0.3,
    choose: (world, menu) => {
      if (decision++ !== at) return menu.steps[0] ?? passing(world)
      const faults = [...menu.faults(), ...menu.acts()]
      offered = faults.length
      name = faults[fault]?.name ?? ''
      return faults[fault] ?? menu.steps[0] ?? passing(world)
    },
  })
  return { result, offered, name }
}

/** Every single fault, each `every`th decision. */
export const exploreFaults = async (plan: RunPlan, { every = 1, most = Number.POSITIVE_INFINITY, stopAt = 1 } = {}): Promise<Explored> => {
  const failures: Failure[] = []
  let [runs, steps] = [0, 0]
  for (let at = 0; ; at += every) {
    for (let fault = 0, offered = 1; fault < offered; fault++) {
      if (failures.length >= stopAt || runs >= most) return { runs, steps, failures }
      const one = await replayFault(plan, at, fault)
      offered = one.offered
      // The order has ended before this decision.
      if (offered === 0) return { runs, steps, failures }
      runs++
      steps += one.result.steps
      if (one.result.violations.length > 0) failures.push({ replay: `decision ${at}, fault ${fault}: ${one.name}`, result: one.result })
    }
  }
}

/** The order in which nobody interferes, but for these: each as soon as it is possible, one after the other. */
export const runWith = (plan: RunPlan, those: readonly RegExp[]): Promise<RunResult> => {
  const left = [...those]
  return run(plan, {
    random: () => 0.3,
    choose: (world, menu) => {
      const [next] = left
      const found = next && [...menu.faults(), ...menu.acts()].find(({ name }) => next.test(name))
      if (found === undefined) return menu.steps[0] ?? passing(world)
      left.shift()
      return found
    },
  })
}
