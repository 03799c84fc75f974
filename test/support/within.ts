/**
 * A bound on time, where time is what a test is about: a timer that was left, a wait that nobody needs. It holds for a quiet machine.
 * Where it is exceeded, it is compared with what the machine takes at this moment for the least that Node can do, so that a slow
 * machine, or one that has much else to do, does not fail the test.
 */
import { spawnSync } from 'node:child_process'
import type { Test } from 'tap'
import { bareEnv } from './child.js'

/** ms that `node -e 0` takes at least on a quiet machine. */
const QUIET = 30

/** The same on this machine now: the longest of three, since a machine is not busy all the time. */
const floor = (): number => Math.max(...[1, 2, 3].map(() => {
  const began = performance.now()
  spawnSync(process.execPath, ['-e', '0'], { env: bareEnv() })
  return performance.now() - began
}))

/** Whether `took` ms are less than `most`, or than as many more as this machine is slower than a quiet one. */
export const isWithin = (took: number, most: number): boolean => took < most || took < most * floor() / QUIET

/** A time that something else is compared with: as many ms on a quiet machine, and more on one that is slower at this moment. */
export const atLeast = (ms: number): number => Math.ceil(ms * Math.max(1, floor() / QUIET))

export const within = (t: Pick<Test, 'ok'>, took: number, most: number, what: string): void => {
  t.ok(isWithin(took, most), `${what} (${Math.round(took)} ms)`)
}
