/**
 * `withLock`, the only way in which the lock appears. Checking in order to *decide* (is it stale, may
 * I start, clean up, stop) happens in here, one client at a time. A client that waits for its turn
 * looks around at each try, so that it leaves the queue as soon as there is something to follow.
 */
import type { Deadline } from '../deadline.js'
import { lockTimeout } from '../errors.js'
import type { Paths } from '../paths.js'
import type { System } from '../system/system.js'

/** Pause between two tries, in ms: random, so that a crowd does not try in step. */
const SHORTEST = 20
const LONGEST = 100

/**
 * Runs `work` under the lock. Before each try `look` is asked; an answer other than undefined ends the
 * wait with that answer. LOCK_TIMEOUT when the deadline passes first.
 */
export const withLock = async <Result>(
  system: System, paths: Paths, deadline: Deadline, work: () => Promise<Result>,
  { look, onWait }: { look?: () => Promise<Result | undefined>; onWait?: () => void } = {},
): Promise<Result> => {
  const lock = system.fileLock(paths)
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    // Before the try: whoever is frozen in it and finds its time over when it goes on has not seen the lock since.
    const isLast = deadline.passed
    const seen = await look?.()
    if (seen !== undefined) return seen
    // Anew at each try: the folder goes with its last claim.
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
