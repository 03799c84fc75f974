/** A plan in which one rule of the stewards is broken. */
import type { Break } from './breaks.js'
import type { AnyPlan } from './explore.js'
import type { RunPlan } from './schedule.js'

export const broken = (plan: RunPlan, rule: Break): RunPlan => ({ ...plan, world: { ...plan.world, broken: rule } })

export const breaking = (plan: AnyPlan, rule: Break): AnyPlan => (random) => broken(plan(random), rule)
