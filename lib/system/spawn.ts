/**
 * Starting a process that has nothing of this one but what it is given. Node's own descriptors are close-on-exec; those that
 * this process itself inherited are not, and a flock among them would be held as long as the server lives.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { noShell } from '../errors.js'
import { startTimer } from '../timer.js'
import { kindAt } from './files.js'
import { launching } from './platform/current.js'

/** Why a process could not be spawned, if that is its program. Undefined: it is something else. */
export const withoutShell = (program: string, cause: unknown): Error | undefined => {
  const kind = kindAt(program)
  return kind === 'executable' ? undefined : noShell(program, kind === 'absent' ? 'is not here' : 'may not be run by this user', cause)
}

export type Stdio = (number | 'pipe' | 'ignore')[]

/** Standard input, output and error: each child is given its own. */
const STANDARD = 3

/**
 * What the last look found. To look costs a read for each descriptor of this process, of which one that holds hundreds of leases has
 * hundreds. A descriptor that is covered although it leaks no more does no harm: the child has the null device there.
 */
let found: readonly number[] | undefined

/** Which of these descriptors, which a child says that it has, no look has found. */
export const uncovered = (fds: readonly number[], given: number): number[] => fds.filter((fd) => fd >= given && !found?.includes(fd))

/**
 * Spawns a process that has the descriptors of `stdio` and no others. Throws what `spawn` throws; later failures are
 * events of the child. `remembered`: as far as an earlier look knows, so the child must say what it has.
 */
export const spawnCovered = (
  program: string, args: readonly string[], options: SpawnOptions & { stdio: Stdio }, remembered = false,
): ChildProcess => {
  const nothing = openSync(launching.nullDevice, 'r+')
  try {
    const stdio = [...options.stdio]
    if (!remembered || found === undefined) found = launching.leakingDescriptors(STANDARD)
    const leaking = found.filter((fd) => fd >= stdio.length)
    for (const fd of leaking) {
      while (stdio.length < fd) stdio.push('ignore')
      stdio[fd] = nothing
    }
    try {
      return spawn(program, args, { ...options, stdio })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL' || leaking.length === 0) throw error
      // `exec 200>lock` under a limit that was lowered to 200 or less since.
      const reason = `this process was given descriptor ${Math.max(...leaking)}, which is not below its limit of open files (ulimit -n)`
      throw new Error(`${reason}, so that it cannot be kept from what is started`, { cause: error })
    }
  } finally {
    closeSync(nothing)
  }
}

/** The first line of a process that was just started, if it comes in time. */
export const lineWithin = (lines: AsyncIterator<string>, ms: number): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const endTimer = startTimer(ms, () => resolve(undefined))
    lines.next().then(({ done, value }) => resolve(done === true ? undefined : value), reject).finally(endTimer)
  })
