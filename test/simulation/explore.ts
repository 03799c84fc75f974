/**
 * Two ways through the orders. Exhaustive: every order with a bounded number of preemptions and
 * faults (a preemption takes the turn from a client that could go on; most races need two). Random:
 * seeded, with as many faults as come. Either prints what replays a failing order.
 */
import { run, type Choice, type Chooser, type RunPlan, type RunResult } from './schedule.js'

export interface Failure {
  /** Replays the order: the seed, or the decisions. */
  readonly replay: string
  readonly result: RunResult
}

export interface Explored {
  readonly runs: number
  readonly steps: number
  readonly failures: readonly Failure[]
}

/** mulberry32: small, seeded, and the same everywhere. */
const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

const ALL_FAULTS: ReadonlySet<Choice['kind']> = new Set<Choice['kind']>(['crash', 'freeze', 'thaw', 'server-dies', 'leader-dies'])

/** Most runs have one to three faults, so that most of them get far. */
const randomChooser = (random: () => number): Chooser => {
  let faultsLeft = Math.floor(random() * 5)
  // Somewhere between strictly alternating and running each client to its end.
  const stay = random()
  return {
    random, faults: ALL_FAULTS,
    choose: (choices) => {
      const steps = choices.filter(({ kind }) => kind === 'step').length
      const thaws = choices.flatMap(({ kind }, index) => (kind === 'thaw' ? [index] : []))
      if (thaws.length > 0 && random() < 0.02) return thaws[Math.floor(random() * thaws.length)]!
      if (faultsLeft > 0 && choices.length > steps && random() < 0.03) {
        faultsLeft--
        return steps + Math.floor(random() * (choices.length - steps))
      }
      return random() < stay ? 0 : Math.floor(random() * steps)
    },
  }
}

/** One random order. */
export const replaySeed = (plan: (random: () => number) => RunPlan, seed: number): Promise<RunResult> => {
  const random = seeded(seed)
  return run(plan(random), randomChooser(random))
}

export const exploreRandom = async (plan: (random: () => number) => RunPlan, from: number, count: number, stopAt = 1): Promise<Explored> => {
  const failures: Failure[] = []
  let steps = 0
  let runs = 0
  for (let seed = from; seed < from + count && failures.length < stopAt; seed++) {
    const result = await replaySeed(plan, seed)
    runs++
    steps += result.steps
    if (result.violations.length > 0) failures.push({ replay: `seed ${seed}`, result })
  }
  return { runs, steps, failures }
}

export interface Bounds {
  readonly preemptions: number
  readonly faults: number
  readonly kinds: readonly Choice['kind'][]
  readonly stopAt?: number
  readonly most?: number
}

interface Prefix {
  readonly decisions: readonly number[]
  readonly preemptions: number
  readonly faults: number
}

/**
 * Depth first over the decisions. A prefix is replayed, from then on the first choice is taken, and
 * at each point on the way every other choice within the bounds becomes a prefix of its own.
 */
export const exploreAll = async (plan: RunPlan, { preemptions, faults, kinds, stopAt = 1, most = Number.POSITIVE_INFINITY }: Bounds): Promise<Explored> => {
  const stack: Prefix[] = [{ decisions: [], preemptions: 0, faults: 0 }]
  const failures: Failure[] = []
  const offered: ReadonlySet<Choice['kind']> = new Set(kinds)
  let steps = 0
  let runs = 0
  while (stack.length > 0 && failures.length < stopAt && runs < most) {
    const prefix = stack.pop()!
    const taken: number[] = []
    const chooser: Chooser = {
      random: () => 0.5,
      faults: faults > 0 ? offered : new Set(),
      choose: (choices) => {
        const at = taken.length
        const index = at < prefix.decisions.length ? prefix.decisions[at]! : 0
        if (at >= prefix.decisions.length) {
          for (let other = 1; other < choices.length; other++) {
            const isFault = choices[other]!.kind !== 'step'
            const next = { preemptions: prefix.preemptions + (isFault ? 0 : 1), faults: prefix.faults + (isFault ? 1 : 0) }
            if (next.preemptions <= preemptions && next.faults <= faults) stack.push({ decisions: [...taken, other], ...next })
          }
        }
        taken.push(index)
        return index
      },
    }
    const result = await run(plan, chooser)
    runs++
    steps += result.steps
    if (result.violations.length > 0) failures.push({ replay: `decisions ${JSON.stringify(prefix.decisions)}`, result })
  }
  return { runs, steps, failures }
}
