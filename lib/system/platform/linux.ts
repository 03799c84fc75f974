/**
 * Linux: everything is a file below /proc, read in some µs. Sources: proc_pid_stat(5) (field 22 is the start time; fields
 * count from the last parenthesis, since the name before it may contain anything), proc_pid_environ(5), namespaces(7).
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { stateUnusable } from '../../errors.js'
import type { Kin, Launching, Leader, Platform, ProcessId, ProcessLook } from './platform.js'
import { gate, NULL_DEVICE, START_TAKES, watchdogWith } from './posix.js'
import { exists, send } from './signal.js'

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10

const CLOSE_ON_EXEC = 0o2000000

const HINT =
  'one-server must be able to tell this boot and these namespaces from others. Mount /proc of this PID namespace and make it readable.'

/** Failures of this process. A thread of the host can take the last descriptor between any two reads. */
const OWN_FAILURES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM']

/**
 * A file of a process. Undefined: the process has gone, or is another user's. A process that could not be read for want of a descriptor
 * would be taken for no kin, and its launch for dead. So this client's own failure is an error, and no answer.
 */
const fileOf = (pid: number, name: string, encoding: BufferEncoding): string | undefined => {
  const path = `/proc/${pid}/${name}`
  try {
    return readFileSync(path, encoding)
  } catch (error) {
    if (OWN_FAILURES.includes((error as NodeJS.ErrnoException).code)) throw stateUnusable(path, 'cannot be read', HINT, error)
    return undefined
  }
}

interface Stat {
  readonly state: string
  readonly parent: number
  readonly group: number
  readonly threads: number
  readonly start: string
}

const statOf = (pid: number): Stat | undefined => {
  // A name that is no UTF-8 does no harm before the last parenthesis, and Node reads UTF-8 in one call.
  const text = fileOf(pid, 'stat', 'utf8') ?? ''
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, parent, group, threads, start] = [fields[0], fields[1], fields[2], fields[17], fields[19]]
  if (state === undefined || group === undefined || threads === undefined || start === undefined) return undefined
  return { state, parent: Number(parent), group: Number(group), threads: Number(threads), start }
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

const isThread = (pid: number): boolean => {
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

const look = (pid: number): ProcessLook => {
  // A process can end between the two questions, so what kill(2) still knows is read once more.
  for (let attempt = 0; attempt < 2; attempt++) {
    const stat = readStat(pid)
    if (stat !== undefined) {
      const state = hasEnded(stat) ? 'zombie' : stat.state === 'T' || stat.state === 't' ? 'stopped' : 'running'
      return { state, start: stat.start, get isThread() { return isThread(pid) } }
    }
    if (!exists(pid)) return { state: 'gone' }
  }
  // hidepid hides the files of other users' processes, not the processes.
  return { state: 'hidden' }
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

const kin = (leader: Leader, launchId: string): Kin[] => {
  const mark = `\0ONE_SERVER_LAUNCH_ID=${launchId}\0`
  const found: Kin[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const stat = statOf(pid)
    if (stat === undefined || hasEnded(stat)) continue
    const inGroup = stat.group === leader.group
    // A process that is older than the leader does not descend from it, which spares most of the reading. The keeper may be a tick older.
    if (!inGroup && BigInt(stat.start) < BigInt(leader.start)) continue
    const carriesLaunchId = environmentOf(pid).includes(mark) || launchByStdin(pid)?.launchId === launchId
    if (inGroup || carriesLaunchId) found.push({ pid, start: stat.start, inGroup, carriesLaunchId })
  }
  return found
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

const required = (path: string, read: (path: string) => string): string => {
  try {
    return read(path)
  } catch (error) {
    throw stateUnusable(path, 'cannot be read', HINT, error)
  }
}

/** The number in `pid:[4026531836]`. */
export const numberIn = (link: string): number | undefined => {
  const number = /\[(\d+)\]/.exec(link)?.[1]
  return number === undefined ? undefined : Number(number)
}

const namespace = (name: string): string => {
  const path = `/proc/self/ns/${name}`
  const link = required(path, readlinkSync)
  const number = numberIn(link)
  if (number === undefined) throw stateUnusable(path, `has an unknown form: ${link}`, HINT)
  return number.toString(36)
}

/** Kernels before 5.6 have no time namespaces: that the file is not there is an answer. */
const timeNamespace = (): string => {
  try {
    return namespace('time')
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException }
    if (cause?.code === 'ENOENT') return '0'
    throw error
  }
}

export const linux = {
  look,
  self: () => {
    const stat = statOf(process.pid)
    if (stat === undefined) throw stateUnusable('/proc/self/stat', 'cannot be read', HINT)
    return { pid: process.pid, start: stat.start }
  },
  kin,
  groupOf: (pid) => readStat(pid)?.group,
  startedAt: (start) => {
    try {
      const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
      return Date.now() - uptime + Number(start) * MS_PER_TICK
    } catch {
      return undefined
    }
  },
  signalGroup: (group, signal) => send(-group, signal),
  host: () => {
    const pid = required('/proc/self', readlinkSync)
    if (pid !== String(process.pid)) throw stateUnusable('/proc', 'belongs to another PID namespace', HINT)
    const boot = required('/proc/sys/kernel/random/boot_id', (path) => readFileSync(path, 'utf8')).replace(/[^0-9a-f]/g, '')
    if (boot.length !== 32) throw stateUnusable('/proc/sys/kernel/random/boot_id', 'has an unknown form', HINT)
    return [boot.slice(0, 16), namespace('pid'), namespace('net'), timeNamespace()].join('-')
  },
  stateFolder: () => undefined,
  busy: [],
} satisfies Platform

/** How the watchdog's shell looks at a process: fields 3 and 22 of its stat. A zombie that has threads (field 20) lives. */
const LOOK = `
look() {
  read -r stat <"/proc/$1/stat" || return
  stat=\${stat##*\\) } number=0 start=
  for word in $stat; do
    number=$((number + 1))
    case $number in 18) threads=$word ;; 20) start=$word ;; esac
  done
  case $stat in Z*) test "$threads" -le 1 || stat=S ;; esac
  test "$start"
}`

const isWatchdog = (pid: number, launchId: string): boolean => {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.includes(launchId) && environmentOf(pid).includes('\0ONE_SERVER_WATCH=')
  } catch {
    return false
  }
}

/** A watchdog that has waited out its idle time turns to the null device, and so does the reaper that it then runs (posix.ts). */
const hasLetGo = (pid: number): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/fd/0`) === NULL_DEVICE
  } catch {
    return true
  }
}

export const linuxLaunching: Launching = {
  nullDevice: NULL_DEVICE,
  leakingDescriptors: (least) =>
    readdirSync('/proc/self/fd').map(Number).filter((fd) => {
      if (fd < least) return false
      try {
        const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
        return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
      } catch {
        return false
      }
    }),
  startTakes: START_TAKES,
  gate,
  watchdog: /* @__PURE__ */ watchdogWith(LOOK, 2),
  isWatchdog,
  describe: (pid) => {
    const words = fileOf(pid, 'cmdline', 'utf8')?.replace(/\0$/, '').replaceAll('\0', ' ')
    return words === undefined ? undefined : { isOwn: isOwn(pid), command: words }
  },
  watchdogs: (launchId) => {
    const found: (ProcessId & Stat)[] = []
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || !isWatchdog(pid, launchId) || hasLetGo(pid) || !isOwn(pid)) continue
      const stat = readStat(pid)
      // A stopped watchdog ends nothing.
      if (stat !== undefined && !hasEnded(stat) && stat.state !== 'T' && stat.state !== 't') found.push({ pid, ...stat })
    }
    // What a watchdog is about to run looks like that watchdog until it runs, and no file names it.
    return found.filter(({ parent }) => !found.some(({ pid }) => pid === parent)).map(({ pid, start }) => ({ pid, start }))
  },
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
