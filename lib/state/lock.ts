/**
 * `withLock`, the only way in which the lock appears. Checks that lead to a decision (is it stale, may I start, clean up,
 * stop) happen in here, one client at a time. A client in the queue looks at each try, so that it leaves the queue as
 * soon as there is something to follow. The lock keeps a crowd orderly; the claim keeps promise 1.
 */
import type { Deadline } from '../deadline.js'
import { lockTimeout } from '../errors.js'
import type { Paths } from '../paths.js'
import type { System } from '../system/system.js'

/** Pause between two tries, in ms: random, so that a crowd does not try in step. */
const SHORTEST = 20
const LONGEST = 100

/**
 * Runs `work` under the lock. Asks `look` before each try; an answer of `look` ends the wait with that answer. Throws
 * LOCK_TIMEOUT when the deadline passes first.
 */
export const withLock = async <Result>(
  system: System, paths: Paths, deadline: Deadline, work: () => Promise<Result>,
  { look, onWait }: { look?: () => Promise<Result | undefined>; onWait?: () => void } = {},
): Promise<Result> => {
  const lock = system.fileLock(paths)
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    // A client that was frozen in a try has not seen the lock since, so the deadline is read before the try: there is one more.
    const isLast = deadline.passed
    const seen = await look?.()
    if (seen !== undefined) return seen
    // The folder goes with its last claim, so each try makes it again.
    await system.makeFolder(paths.folder)
    await system.makeFolder(paths.host)
    try {
      const held = await lock.try()
      if (held !== undefined) {
        try {
          return await work()
        } finally {
          await held.release()
        }
      }
    } finally {
      await system.removeFolder(paths.host)
      await system.removeFolder(paths.folder)
    }
    if (isLast) throw lockTimeout(deadline.total, paths.lock)
    if (!waiting) onWait?.()
    const pause = SHORTEST + system.random() * (LONGEST - SHORTEST)
    await system.sleep(Math.min(pause, deadline.left), { signal: deadline.signal })
  }
}
