/** Clients of etcd for tests: closed when the test ends; and how a call failed. */
import { inspect } from 'node:util'
import type { Test } from 'tap'
import { Refused, Unreachable, type Coordinator } from '../../lib/across/coordinator.js'
import { etcdCoordinator } from '../../lib/across/etcd.js'
import type { EtcdPlan } from '../../lib/across/etcd-url.js'

/** ms: so long that only what never answers takes it. */
const TIMEOUT = 60_000

export const open = (t: Pick<Test, 'teardown'>, plan: EtcdPlan, timeout = TIMEOUT): Coordinator => {
  const engine = etcdCoordinator(plan, { timeout })
  t.teardown(engine.close)
  return engine
}

/** How a call failed. */
export const failure = async (call: Promise<unknown>): Promise<Refused | Unreachable> => {
  const error = await call.then((value) => new Error(`it returned ${JSON.stringify(value)}`), (error: unknown) => error)
  if (error instanceof Refused || error instanceof Unreachable) return error
  throw error
}

/** All that a person or a log may get to see of a value. */
export const shown = (value: unknown): string =>
  [String(value), (value as Error).stack ?? '', JSON.stringify(value), inspect(value, { depth: 20, showHidden: true })].join('\n')
