/** What a test says of the orders that it went through. */
import type { Test } from 'tap'
import type { Explored } from './explore.js'

/** A failing order as a person needs it: what broke, how to replay it, and what happened. */
const report = ({ runs, steps, failures }: Explored) => ({ runs, steps, failures: failures.map(({ replay, result }) => ({ replay, violations: result.violations, trace: result.trace.slice(-80) })) })

export const holds = (t: Test, explored: Explored): void => {
  t.comment(`${explored.orders ?? explored.runs} orders, ${explored.steps} steps`)
  t.same(report(explored).failures, [])
}
