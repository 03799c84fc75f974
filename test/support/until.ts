/**
 * Waiting for a condition, with an end to it: a condition that never holds fails the test by saying
 * what was waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks every 5 ms until the answer is truthy, and returns it; rejects after `ms`. */
export const until = async <T>(condition: () => T | Promise<T>, what: string, ms = 5000): Promise<NonNullable<T>> => {
  const end = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(5)
  }
}
