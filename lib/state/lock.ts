/**
 * `withLock`, the only way in which the lock appears. Checks that lead to a decision (is it stale, may I start, clean up,
 * stop) happen in here, one client at a time. A client in the queue looks at each try, so that it leaves the queue as
 * soon as there is something to follow. The lock keeps a crowd orderly; the claim keeps promise 1.
 */
import type { Deadline } from '../deadline.js'
import { lockTimeout } from '../errors.js'
import type { Paths } from '../paths.js'
import { judge, type System } from '../system/system.js'

/** Pause between two tries, in ms: random, so that a crowd does not try in step. */
const SHORTEST = 20
const LONGEST = 100

/** The note of a client that is at the lock (`system/file-lock.ts`): a new one for each try, so it also tells one hold from the next. */
const NOTE = /^[0-9a-f]+\.(\d+)\.(\d+)\.locking$/

/** Who is at the lock, by note. A stopped client keeps its note and not the lock, so it does not count. */
const whoIsAtLock = async ({ list, look }: System, { host }: Paths): Promise<ReadonlyMap<string, number>> => {
  const there = new Map<string, number>()
  for (const name of await list(host)) {
    const match = NOTE.exec(name)
    if (match === null) continue
    const [pid, start] = [Number(match[1]), match[2]!]
    const seen = await look(pid)
    if (seen.state !== 'stopped' && judge({ pid, start }, seen) !== 'dead') there.set(name, pid)
  }
  return there
}

/**
 * The queue as one client sees it. A queue that moves is no reason to give up, however slowly it moves: the client's time begins
 * again with each hold, and what it has spent there does not count against the start. A hold stands for no longer than this client has
 * seen it stand: on a starved machine the holder has no more processor than the client that waits.
 */
class Queue {
  #standing: ReadonlyMap<string, number> = new Map()
  /** ms for which the hold had been seen to stand at the last look, and when that was. */
  #age = 0
  #looked: number
  #credited: number

  constructor(readonly system: System, readonly deadline: Deadline) {
    this.#looked = this.#credited = system.now()
  }

  get #stood(): number {
    return this.#age + Math.min(this.system.now() - this.#looked, LONGEST)
  }

  /** ms that this client grants to the hold yet. */
  get left(): number {
    return Math.max(0, this.deadline.total - this.#stood)
  }

  /** The clients that have been at the lock for all of that time. */
  get holders(): readonly number[] {
    return [...this.#standing.values()]
  }

  /** After a try that failed. True: the lock has changed hands. */
  moves(there: ReadonlyMap<string, number>): boolean {
    const still = new Map([...there].filter(([name]) => this.#standing.has(name)))
    const moved = still.size === 0 && this.#standing.size + there.size > 0
    this.#standing = moved ? there : still
    this.#age = moved ? 0 : this.#stood
    this.#looked = this.system.now()
    if (moved) this.credit()
    return moved
  }

  /** Gives the client back the time that it has spent here. */
  credit(): void {
    const now = this.system.now()
    this.deadline.prolong(now - this.#credited)
    this.#credited = now
  }
}

/**
 * Runs `work` under the lock. Asks `look` before each try; an answer of `look` ends the wait with that answer. Throws
 * LOCK_TIMEOUT when one hold has stood for all the time of the call; a call without time tries once.
 */
export const withLock = async <Result>(
  system: System, paths: Paths, deadline: Deadline, work: () => Promise<Result>,
  { look, onWait }: { look?: () => Promise<Result | undefined>; onWait?: () => void } = {},
): Promise<Result> => {
  const lock = system.fileLock(paths)
  const queue = new Queue(system, deadline)
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    // A client that was frozen in a try has not seen the lock since, so the time is read before the try: there is one more.
    const isLast = queue.left === 0
    const seen = await look?.()
    if (seen !== undefined) {
      queue.credit()
      return seen
    }
    // The folder goes with its last claim, so each try makes it again.
    await system.makeFolder(paths.folder)
    await system.makeFolder(paths.host)
    try {
      const held = await lock.try()
      if (held !== undefined) {
        queue.credit()
        try {
          return await work()
        } finally {
          await held.release()
        }
      }
      const moved = queue.moves(await whoIsAtLock(system, paths)) && deadline.total > 0
      if (isLast && !moved) {
        // The try took its time, on a starved machine seconds: what has come up meanwhile is an answer.
        const late = await look?.()
        if (late !== undefined) return late
        throw lockTimeout(deadline.total, paths.lock, queue.holders)
      }
    } finally {
      await system.removeFolder(paths.host)
      await system.removeFolder(paths.folder)
    }
    if (!waiting) onWait?.()
    const pause = SHORTEST + system.random() * (LONGEST - SHORTEST)
    await system.sleep(Math.min(pause, queue.left), { signal: deadline.signal })
  }
}
