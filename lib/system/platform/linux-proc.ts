/**
 * What /proc shows of one process: its state, environment and descriptors, and the launch that it carries. Sources: proc_pid_stat(5)
 * (field 22 is the start time; fields count from the last parenthesis, since the name before it may contain anything),
 * proc_pid_environ(5).
 */
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { stateUnusable } from '../../errors.js'

export const HINT =
  'one-server must be able to tell this boot and these namespaces from others. Mount /proc of this PID namespace and make it readable.'

/** Failures of this process. A thread of the host can take the last descriptor between any two reads. */
const OWN_FAILURES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM']

/**
 * A file of a process. Undefined: the process has gone, or is another user's. A process that could not be read for want of a descriptor
 * would be taken for no kin, and its launch for dead. So this client's own failure is an error, and no answer.
 */
export const fileOf = (pid: number, name: string, encoding: BufferEncoding): string | undefined => {
  const path = `/proc/${pid}/${name}`
  try {
    return readFileSync(path, encoding)
  } catch (error) {
    if (OWN_FAILURES.includes((error as NodeJS.ErrnoException).code)) throw stateUnusable(path, 'cannot be read', HINT, error)
    return undefined
  }
}

export interface Stat {
  readonly state: string
  readonly parent: number
  readonly group: number
  readonly flags: number
  readonly threads: number
  readonly start: string
}

export const statOf = (pid: number): Stat | undefined => {
  // A name that is no UTF-8 does no harm before the last parenthesis, and Node reads UTF-8 in one call.
  const text = fileOf(pid, 'stat', 'utf8') ?? ''
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20)
  const [state, parent, group, threads, start] = [fields[0], fields[1], fields[2], fields[17], fields[19]]
  if (state === undefined || parent === undefined || group === undefined || threads === undefined || start === undefined) return undefined
  return { state, parent: Number(parent), group: Number(group), flags: Number(fields[6]), threads: Number(threads), start }
}

/** As `statOf`, and undefined also where this process has failed: `look` then says that the other process is hidden. */
export const readStat = (pid: number): Stat | undefined => {
  try {
    return statOf(pid)
  } catch {
    return undefined
  }
}

/** A zombie has ended; of a zombie with more than one thread only the main thread has. */
export const hasEnded = ({ state, threads }: Stat): boolean => state === 'X' || state === 'x' || (state === 'Z' && threads <= 1)

export const isThread = (pid: number): boolean => {
  try {
    return !new RegExp(`^Tgid:\\s*${pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

/** With a zero byte around each entry. Empty where it may not be read: another user's process. */
export const environmentOf = (pid: number): string => {
  const text = fileOf(pid, 'environ', 'utf8')
  return text === undefined ? '' : `\0${text}`
}

/** The descriptors at which the gate leaves the FIFO of its launch (posix.ts). A process has it only by descent from the leader. */
const STDIN = [9, 0]

export interface Launched {
  readonly launchId: string
  readonly pidFile: string
}

/** The launch whose stdin a process holds. redis, nginx and postgres erase their environment, and keep this. */
export const launchByStdin = (pid: number): Launched | undefined => {
  for (const fd of STDIN) {
    const path = `/proc/${pid}/fd/${fd}`
    // Few processes have a descriptor 9, and to fail costs ten times as much as to ask.
    if (!existsSync(path)) continue
    try {
      const [, pidFile, launchId] = /^(.*)\.d\/[^/]+\/([0-9a-f]{16})\.stdin\b/.exec(readlinkSync(path)) ?? []
      if (pidFile !== undefined && launchId !== undefined) return { launchId, pidFile }
    } catch {
      // Closed, or another user's process.
    }
  }
  return undefined
}

/**
 * Whether a process is this user's, and nobody else's in any respect: a program that changes its user (sudo) keeps the environment
 * that another user gave it. Root may read every environment.
 */
export const isOwn = (pid: number): boolean => {
  try {
    const uids = /^Uid:\s*(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]?.split(/\s+/) ?? []
    return uids.length > 0 && uids.every((uid) => uid === String(process.getuid?.()))
  } catch {
    return false
  }
}

/** PF_EXITING and PF_KTHREAD of linux/sched.h, among the flags of stat (field 9). The first is set before the environment goes. */
const EXITING = 0x4
const OF_KERNEL = 0x200000

export const isExiting = ({ flags }: Stat): boolean => (flags & EXITING) !== 0

/** Whether it is a thread of the kernel, which ends with the machine and belongs to no launch. Root may seem to own it. */
export const isOfKernel = ({ flags }: Pick<Stat, 'flags'>): boolean => (flags & OF_KERNEL) !== 0

/** The number in `pid:[4026531836]`. */
export const numberIn = (link: string): number | undefined => {
  const number = /\[(\d+)\]/.exec(link)?.[1]
  return number === undefined ? undefined : Number(number)
}

/** The launch id of a process, by its environment or its stdin. Undefined also where neither can be read just now: then `kin` decides. */
export const launchIdOf = (pid: number): string | undefined => {
  try {
    const [, launchId] = /\0ONE_SERVER_LAUNCH_ID=([^\0]*)\0/.exec(environmentOf(pid)) ?? []
    if (launchId !== undefined) return launchId
  } catch {
    // No descriptor is left. Its stdin is a link, and needs none.
  }
  return launchByStdin(pid)?.launchId
}
