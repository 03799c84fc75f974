/**
 * Waiting for a condition, with an end to it: a condition that never holds fails the test by saying
 * what was waited for. The end is a count of looks, since a busy machine takes its time for what is waited for, and for the looks.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** One each 5 ms where nothing else runs: two minutes. */
const LOOKS = 24_000

/** Looks until the answer is truthy, and returns it. */
export const until = async <T>(condition: () => T | Promise<T>, what: string | (() => string)): Promise<NonNullable<T>> => {
  for (let looks = 0; looks < LOOKS; looks++) {
    const value = await condition()
    if (value) return value
    await sleep(5)
  }
  throw new Error(`looked ${LOOKS} times for ${typeof what === 'string' ? what : what()}`)
}
