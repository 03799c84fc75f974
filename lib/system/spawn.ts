/**
 * Descriptors that this process was itself given and that would go on to what it spawns: a flock among
 * them would be held for as long as that lives. Node's own are close-on-exec.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'

const CLOSE_ON_EXEC = 0o2000000

/** Those from `least` on; below it a child gets what it is given. Linux only: elsewhere none can be seen. */
export const leakingDescriptors = (least: number): number[] => {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => {
    if (fd < least) return false
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
      return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
    } catch {
      return false
    }
  })
}

export type Stdio = (number | 'pipe' | 'ignore')[]

/**
 * Spawns a process that has the descriptors of `stdio` and no others of this one. Throws at once what `spawn` tells
 * at once; what it tells later is told as it does.
 */
export const spawnCovered = (program: string, args: readonly string[], options: SpawnOptions & { stdio: Stdio }): ChildProcess => {
  const nothing = openSync(process.platform === 'win32' ? '\\\\.\\NUL' : '/dev/null', 'r+')
  try {
    const stdio = [...options.stdio]
    const leaking = leakingDescriptors(stdio.length)
    for (const fd of leaking) {
      while (stdio.length < fd) stdio.push('ignore')
      stdio[fd] = nothing
    }
    try {
      return spawn(program, args, { ...options, stdio })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL' || leaking.length === 0) throw error
      // `exec 200>lock` under a limit that was lowered to 200 or less since.
      throw new Error(`this process was given descriptor ${Math.max(...leaking)}, which is not below its limit of open files (ulimit -n), so that it cannot be kept from what is started`, { cause: error })
    }
  } finally {
    closeSync(nothing)
  }
}

/**
 * What a process that was just started says first, if it says it in time. A loop that was blocked meanwhile (a
 * build, a breakpoint, a frozen container) finds that the time is over before it has read what has long been said, so
 * it reads once more: the loop polls between a timer and an immediate.
 */
export const lineWithin = (lines: AsyncIterator<string>, ms: number): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => resolve(undefined)), ms)
    lines.next().then(({ done, value }) => resolve(done === true ? undefined : value), reject).finally(() => clearTimeout(timer))
  })
