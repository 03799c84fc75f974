/**
 * Two ways through the orders. Exhaustive: every order with a bounded number of preemptions and
 * faults (a preemption takes the turn from a client that could go on; most races need two). Random:
 * seeded, with as many faults as come. Either prints what replays a failing order.
 */
import { hash } from 'node:crypto'
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
  /** Exhaustive only: how many different states were reached, and by how many orders. */
  readonly states?: number
  readonly orders?: number
}

/** mulberry32: small, seeded, and the same everywhere. */
const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

const ALL_FAULTS: ReadonlySet<Choice['kind']> = new Set<Choice['kind']>(['crash', 'freeze', 'thaw', 'server-dies', 'leader-dies', 'leader-leaves'])

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

/** What of its bounds an order has used. */
interface Used {
  readonly preemptions: number
  readonly faults: number
}

interface Prefix extends Used {
  /** Where something other than the first choice is taken: two characters each, the step and the choice. Hundreds of thousands are kept. */
  readonly decisions: string
  /** Where the last of the decisions leads to. */
  readonly way: Way
}

/** A way on from a state, and what it costs. Undefined `to`: to the end. */
interface Way extends Used {
  to: State | undefined
}

/** A state that was reached, by ways of which none used less than another. */
interface State {
  reached: readonly Used[]
  readonly ways: Way[]
  /** How many orders lead from here to an end, by what is left of the bounds. */
  orders: number[][] | undefined
}

/** How many orders lead to an end within the bounds. */
const countOrders = (way: Way, preemptions: number, faults: number): number => {
  const left = { preemptions: preemptions - way.preemptions, faults: faults - way.faults }
  if (left.preemptions < 0 || left.faults < 0) return 0
  if (way.to === undefined) return 1
  const counts = ((way.to.orders ??= [])[left.preemptions] ??= [])
  return (counts[left.faults] ??= way.to.ways.reduce((sum, next) => sum + countOrders(next, left.preemptions, left.faults), 0))
}

/**
 * Every order within the bounds, the ones with the fewest preemptions and faults first. A prefix is
 * replayed, from then on the first choice is taken, and at each point on the way every other choice
 * becomes a prefix of its own. Two orders that lead to the same state (the same machine, and clients
 * that have learnt the same) go on in the same ways, so only the first of them goes on, unless the
 * other has used less of its bounds; all of them are counted.
 */
export const exploreAll = async (plan: RunPlan, { preemptions, faults, kinds, stopAt = 1, most = Number.POSITIVE_INFINITY }: Bounds): Promise<Explored> => {
  const start: Way = { preemptions: 0, faults: 0, to: undefined }
  const waiting: Prefix[][] = Array.from({ length: preemptions + faults + 1 }, () => [])
  waiting[0]!.push({ decisions: '', preemptions: 0, faults: 0, way: start })
  const states = new Map<string, State>()
  const failures: Failure[] = []
  const offered: ReadonlySet<Choice['kind']> = new Set(kinds)
  const timeless: RunPlan = { ...plan, world: { ...plan.world, timeless: true } }
  const isSymmetric = new Set(plan.acts).size === 1
  let steps = 0
  let runs = 0
  for (;;) {
    const prefix = waiting.find((level) => level.length > 0)?.pop()
    if (prefix === undefined || failures.length >= stopAt || runs >= most) break
    const usedBefore: Used = { preemptions: prefix.preemptions, faults: prefix.faults }
    let { way } = prefix
    let step = 0
    let decision = 0
    const chooser: Chooser = {
      random: () => 0.5,
      faults: faults > 0 ? offered : new Set(),
      choose: (choices, world, last) => {
        steps++
        step++
        if (decision < prefix.decisions.length) {
          if (prefix.decisions.codePointAt(decision) !== step) return 0
          decision += 2
          return prefix.decisions.codePointAt(decision - 1)
        }
        const name = hash('sha1', `${last?.name} ${world.state}`, 'base64')
        const known = states.get(name)
        if (known?.reached.some((used) => used.preemptions <= prefix.preemptions && used.faults <= prefix.faults)) {
          way.to = known
          return undefined
        }
        // Whose turn is over anyway is not preempted.
        const preempts = last?.canStep ? 1 : 0
        const state: State = known ?? {
          reached: [], orders: undefined,
          ways: choices.map(({ kind }, index) => ({ to: undefined, preemptions: kind === 'step' && index > 0 ? preempts : 0, faults: kind === 'step' ? 0 : 1 })),
        }
        // Not pushed: a state is mostly reached once, and an array that has grown keeps room for 17.
        state.reached = [...state.reached, usedBefore]
        states.set(name, state)
        way.to = state
        for (const [index, next] of state.ways.entries()) {
          const used = { preemptions: prefix.preemptions + next.preemptions, faults: prefix.faults + next.faults }
          // Which of several equal clients begins makes no difference.
          if (last === undefined && isSymmetric && choices[index]!.kind === 'step') continue
          if (index > 0 && used.preemptions <= preemptions && used.faults <= faults) waiting[used.preemptions + used.faults]!.push({ decisions: prefix.decisions + String.fromCodePoint(step, index), ...used, way: next })
        }
        way = state.ways[0]!
        return 0
      },
    }
    const result = await run(timeless, chooser)
    runs++
    if (result.violations.length > 0) failures.push({ replay: `decisions ${JSON.stringify(Array.from(prefix.decisions, (one) => one.codePointAt(0)))}`, result })
  }
  // A run that failed may be one that went on for thousands of steps, too deep to be counted.
  return { runs, steps, failures, states: states.size, ...(failures.length > 0 ? {} : { orders: countOrders(start, preemptions, faults) }) }
}
