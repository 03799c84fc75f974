/**
 * Linux: everything is a file below /proc, read in some µs; `linux-proc.ts` reads those of one process. Source: namespaces(7).
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { stateUnusable } from '../../errors.js'
import {
  environmentOf, fileOf, hasEnded, HINT, isExiting, isOfKernel, isOwn, isThread, launchByStdin, numberIn, readStat, statOf, type Stat,
} from './linux-proc.js'
import type { Kin, Launching, Leader, Platform, ProcessId, ProcessLook } from './platform.js'
import { gate, NULL_DEVICE, START_TAKES, watchdogWith } from './posix.js'
import { exists, send } from './signal.js'

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10

const CLOSE_ON_EXEC = 0o2000000

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

/** Whether parent PIDs lead from a process to the leader. Among so many processes no line of parents is longer than their number. */
const descends = (pid: number, leader: Leader, stats: ReadonlyMap<number, Stat>): boolean => {
  let at = stats.get(pid)
  for (let steps = 0; at !== undefined && steps < stats.size; steps++) {
    if (at.parent === leader.pid) return stats.get(leader.pid)?.start === leader.start
    at = stats.get(at.parent)
  }
  return false
}

/** Whether a process is there yet and not on its way out. */
const goesOn = (pid: number, { start }: Stat): boolean => {
  const now = readStat(pid)
  return now?.start === start && !isExiting(now)
}

/** What is to be looked at. `isWhole`: each of them could be read. */
interface Seen {
  readonly stats: ReadonlyMap<number, Stat>
  readonly isWhole: boolean
}

const everyProcess = (): Seen => {
  const pids = readdirSync('/proc').map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid)
  const stats = new Map(pids.flatMap((pid) => { const stat = statOf(pid); return stat === undefined ? [] : [[pid, stat] as const] }))
  return { stats, isWhole: stats.size === pids.length }
}

/** One process, with the parents by which it may descend from a leader: a question about one must not cost a look at all. */
const lineOf = (pid: number): Seen => {
  const stats = new Map<number, Stat>()
  let at = pid
  while (at > 0 && !stats.has(at)) {
    const stat = statOf(at)
    if (stat === undefined) return { stats, isWhole: false }
    stats.set(at, stat)
    at = stat.parent
  }
  return { stats, isWhole: true }
}

/**
 * One walk through processes. `isSettled`: none of those that could be the launch's has ended meanwhile. One that forks and exits, as
 * a daemon does on its way, may have been seen no more, and its child not yet. `ended`: zombies of the walks before.
 */
const walk = (
  leader: Leader, launchId: string, { stats, isWhole }: Seen, ended: Set<string>,
): { found: Kin[]; isSettled: boolean } => {
  const mark = `\0ONE_SERVER_LAUNCH_ID=${launchId}\0`
  const found: Kin[] = []
  let isSettled = isWhole
  for (const [pid, stat] of stats) {
    const inGroup = stat.group === leader.group
    // A process that is older than the leader does not descend from it, which spares most of the reading. The keeper may be a tick older.
    if (isOfKernel(stat) || (!inGroup && BigInt(stat.start) < BigInt(leader.start))) continue
    if (hasEnded(stat)) {
      // It may have forked after the listing. What it forked, the listing of the next walk has.
      const one = `${pid} ${stat.start}`
      isSettled &&= ended.has(one)
      ended.add(one)
      continue
    }
    const environment = environmentOf(pid)
    // A process that exits has given its environment back. Another user's that does not exit refuses it, and would in each walk.
    isSettled &&= environment.length > 1 || (environment === '' && goesOn(pid, stat))
    const isDescendant = pid !== leader.pid && descends(pid, leader, stats)
    const carriesLaunchId = environment.includes(mark) || launchByStdin(pid)?.launchId === launchId
    if (inGroup || carriesLaunchId || isDescendant) {
      found.push({ pid, start: stat.start, inGroup, carriesLaunchId, ...(isDescendant ? { isDescendant } : {}) })
    }
  }
  return { found, isSettled }
}

/** Walks before an empty answer counts, although processes came and went in each of them. */
const WALKS = 5

const kin = (leader: Leader, launchId: string, only?: number): Kin[] => {
  const ended = new Set<string>()
  for (let walks = 1; ; walks++) {
    const { found, isSettled } = walk(leader, launchId, only === undefined ? everyProcess() : lineOf(only), ended)
    if (found.length > 0 || isSettled || walks === WALKS) return found
  }
}

const required = (path: string, read: (path: string) => string): string => {
  try {
    return read(path)
  } catch (error) {
    throw stateUnusable(path, 'cannot be read', HINT, error)
  }
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
  hasFuse: true,
  gate,
  watchdog: /* @__PURE__ */ watchdogWith(LOOK, 2),
  isWatchdog,
  describe: (pid) => {
    const words = fileOf(pid, 'cmdline', 'utf8')?.replace(/\0$/, '').replaceAll('\0', ' ')
    return words === undefined ? undefined : { isOwn: isOwn(pid) && !isOfKernel(readStat(pid) ?? { flags: 0 }), command: words }
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
