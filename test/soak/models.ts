/** The models of test/models, with every variant, and how many states each has. */
import { exploreTerm, VARIANTS, type Size, type Variant } from '../models/term.js'
import { exploreUsers } from '../models/users.js'
import type { Outcome, Series } from './series.js'

/** How many states there are, and what they must show of two serving and two running. */
interface Expected {
  readonly states: number
  readonly serving: boolean
  readonly running: boolean
}

const never = (states: number): Expected => ({ states, serving: false, running: false })

const EXPECTED: Readonly<Record<Variant, Expected>> = {
  ok: never(786_184), endrenews: never(1_004_640), lease: never(1_356_265),
  frozenhost: { states: 2_046_249, serving: false, running: true }, nofuse: { states: 2_046_249, serving: false, running: true },
  noterm: { states: 110_974, serving: true, running: true }, fromreply: { states: 104_170, serving: false, running: true },
  fromsend: { states: 114_352, serving: false, running: true }, nomargin: { states: 74_365, serving: false, running: true },
  blindrenew: { states: 290_029, serving: true, running: true }, blindtake: { states: 13_903, serving: true, running: true },
  early: { states: 335, serving: true, running: true }, releasefirst: { states: 56_332, serving: true, running: true },
  earlyrevoke: { states: 61_842, serving: true, running: true },
}

const outcomeOf = (variant: Variant, { states, serving, running }: Expected, size: Size): Outcome => {
  const found = exploreTerm(variant, size)
  const violations: string[] = []
  if (found.states !== states) violations.push(`${found.states} states`)
  if ((found.twoServing !== undefined) !== serving) violations.push(`two serving: ${found.twoServing?.join(' > ') ?? 'never'}`)
  if ((found.twoRunning !== undefined) !== running) violations.push(`two running: ${found.twoRunning?.join(' > ') ?? 'never'}`)
  if ((found.stuck ?? 0) > 0) violations.push(`${found.stuck} states from which nobody can ever serve`)
  return { cases: found.states, violations, note: VARIANTS[variant] }
}

export const models: readonly Series[] = [
  ...Object.entries(EXPECTED).map(([variant, expected]): Series => ({
    name: `models: a claim over 2 hosts, ${variant}`, rounds: 1, run: async () => outcomeOf(variant as Variant, expected, {}),
  })),
  {
    name: 'models: a claim over 3 hosts, ok, without writes that arrive late', rounds: 1,
    run: async () => outcomeOf('ok', never(7_555_898), { hosts: 3, ghosts: false }),
  },
  {
    name: 'models: the last one out, 3 newcomers', rounds: 1,
    run: async () => {
      const { states, violation } = exploreUsers('ok', 3)
      return { cases: states, violations: violation === undefined ? [] : [violation.join(' > ')] }
    },
  },
]
