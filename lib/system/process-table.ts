/**
 * What is known about a process. Promise 4 rests on this file: dead is only what is shown to be dead
 * (no such process, a true zombie, another start time), alive is only PID *and* start time, and
 * whatever cannot be read is hidden, never guessed.
 *
 * Sources: proc_pid_stat(5) (field 22 is the start time, parsed after the last parenthesis, since the
 * name before it may contain anything), proc_pid_environ(5), kill(2).
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Kin, Leader, ProcessId, ProcessLook } from './system.js'

/** Loaded only where /proc does not answer: it costs a warm call more than everything else in this file. */
const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string =>
  process.getBuiltinModule('node:child_process').execFileSync(program, args, { encoding: 'utf8', env, windowsHide: true, stdio: ['ignore', 'pipe', 'ignore'] })

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10

interface Entry {
  state: string
  group: number
  threads: number
  start: string
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

const parseStat = (text: string): Entry | undefined => {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, group, threads, start] = [fields[0], fields[2], fields[17], fields[19]]
  if (state === undefined || group === undefined || threads === undefined || start === undefined) return undefined
  return { state, group: Number(group), threads: Number(threads), start }
}

const readStat = (pid: number): Entry | undefined => {
  try {
    // A name that is no UTF-8 does no harm before the last parenthesis, and Node reads UTF-8 in one call.
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}

/** A zombie has ended; with more than one thread, only its main thread has. */
const ended = ({ state, threads }: Entry): boolean => state === 'X' || state === 'x' || (state === 'Z' && threads <= 1)

const isThread = (pid: number): boolean => {
  try {
    return !new RegExp(`^Tgid:\\s*${pid}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

const linux = {
  look(pid: number): ProcessLook {
    // A process can end between the two questions, so what kill(2) still knows is read once more.
    for (let attempt = 0; attempt < 2; attempt++) {
      const entry = readStat(pid)
      if (entry !== undefined) {
        const state = ended(entry) ? 'zombie' : entry.state === 'T' || entry.state === 't' ? 'stopped' : 'running'
        return { state, start: entry.start, get isThread() { return isThread(pid) } }
      }
      if (!exists(pid)) return { state: 'gone' }
    }
    // hidepid hides the files of other users' processes, not the processes.
    return { state: 'hidden' }
  },

  kin(leader: Leader, launch: string): Kin[] {
    const mark = `\0ONE_SERVER_LAUNCH_ID=${launch}\0`
    const kin: Kin[] = []
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid === process.pid) continue
      const entry = readStat(pid)
      if (entry === undefined || ended(entry)) continue
      // What was there before the leader does not descend from it; that spares most of the reading. Its keeper is a tick older at most.
      if (entry.group !== leader.group && BigInt(entry.start) < BigInt(leader.start)) continue
      const inGroup = entry.group === leader.group
      const carriesLaunchId = environ(pid).includes(mark)
      if (inGroup || carriesLaunchId) kin.push({ pid, start: entry.start, inGroup, carriesLaunchId })
    }
    return kin
  },
}

const environ = (pid: number): string => {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`
  } catch {
    return ''
  }
}

/** macOS and the BSDs: ps(1). Start times have a resolution of one second there. Untested. */
const ps = {
  rows(args: readonly string[]): (Entry & { pid: number })[] {
    let text: string
    try {
      text = run('ps', [...args, '-o', 'pid=,pgid=,stat=,lstart='], { ...process.env, LC_ALL: 'C', TZ: 'UTC' })
    } catch {
      return []
    }
    return text.split('\n').flatMap((line) => {
      const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line)
      const start = match === null ? Number.NaN : Date.parse(`${match[4]} UTC`)
      if (match === null || Number.isNaN(start)) return []
      return [{ pid: Number(match[1]), group: Number(match[2]), state: match[3]!.slice(0, 1), threads: 1, start: String(start / 1000) }]
    })
  },

  look(pid: number): ProcessLook {
    if (!exists(pid)) return { state: 'gone' }
    const row = ps.rows(['-p', String(pid)])[0]
    if (row === undefined) return { state: exists(pid) ? 'hidden' : 'gone' }
    return { state: ended(row) ? 'zombie' : row.state === 'T' ? 'stopped' : 'running', start: row.start, isThread: false }
  },

  kin(leader: Leader, launch: string): Kin[] {
    return ps.rows(['-A'])
      .filter((row) => row.group === leader.group && row.pid !== process.pid && !ended(row))
      .map((row) => ({
        pid: row.pid, start: row.start, inGroup: true,
        carriesLaunchId: environmentByPs(row.pid).includes(`ONE_SERVER_LAUNCH_ID=${launch}`),
      }))
  },
}

const environmentByPs = (pid: number): string => {
  try {
    return run('ps', ['-E', '-ww', '-p', String(pid), '-o', 'command='])
  } catch {
    return ''
  }
}

/** Windows: the creation date that CIM knows; there are no process groups. Untested. */
const windows = {
  look(pid: number): ProcessLook {
    if (!exists(pid)) return { state: 'gone' }
    const query = `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CreationDate.ToFileTimeUtc()`
    try {
      const start = run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', query]).trim()
      if (/^\d+$/.test(start)) return { state: 'running', start, isThread: false }
    } catch {
      // Not readable: hidden, unless it has just ended.
    }
    return { state: exists(pid) ? 'hidden' : 'gone' }
  },

  kin(leader: Leader): Kin[] {
    const look = windows.look(leader.pid)
    return look.state === 'running' && look.start === leader.start ? [{ pid: leader.pid, start: leader.start, inGroup: true, carriesLaunchId: true }] : []
  },
}

const table = process.platform === 'linux' ? linux : process.platform === 'win32' ? windows : ps

/** Looks at one PID. Numbers that are no PID of a process that we could mean are gone. */
export const lookAt = (pid: number): ProcessLook =>
  Number.isSafeInteger(pid) && pid > 0 && pid < 2 ** 31 ? table.look(pid) : { state: 'gone' }

/** The process that has this PID now. */
export const identify = (pid: number): ProcessId | undefined => {
  const look = lookAt(pid)
  return 'start' in look ? { pid, start: look.start } : undefined
}

/** The live processes of a launch, this process excepted. */
export const kinOf = (leader: Leader, launch: string): Kin[] => table.kin(leader, launch)

/** The launch id in the environment of a process. */
export const launchIdOf = (pid: number): string | undefined => /\0ONE_SERVER_LAUNCH_ID=([^\0]*)\0/.exec(environ(pid))?.[1]

/**
 * Which launches this user's processes belong to, as they carry it, with the PID file of each. Linux only: elsewhere the environment of
 * all processes cannot be had.
 */
export const launchesInTable = (): { launch: string; pidFile: string }[] => {
  if (process.platform !== 'linux') return []
  const found = new Map<string, string>()
  for (const name of readdirSync('/proc')) {
    const env = /^\d+$/.test(name) ? environ(Number(name)) : ''
    const launch = /\0ONE_SERVER_LAUNCH_ID=([^\0]+)\0/.exec(env)?.[1]
    const pidFile = /\0ONE_SERVER_PID_FILE=([^\0]+)\0/.exec(env)?.[1]
    // Paths need not be UTF-8, but ours are.
    if (launch !== undefined && pidFile !== undefined) found.set(launch, Buffer.from(pidFile, 'latin1').toString('utf8'))
  }
  return [...found].map(([launch, pidFile]) => ({ launch, pidFile }))
}

/** The process group of a process. */
export const groupOf = (pid: number): number | undefined =>
  process.platform === 'linux' ? readStat(pid)?.group : ps.rows(['-p', String(pid)])[0]?.group

/** Wall-clock ms at which a process was started. */
export const startedAt = (pid: number): number | undefined => {
  const look = lookAt(pid)
  if (!('start' in look)) return undefined
  if (process.platform === 'linux') {
    try {
      const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
      return Date.now() - uptime + Number(look.start) * MS_PER_TICK
    } catch {
      return undefined
    }
  }
  return process.platform === 'win32' ? Number(look.start) / 10_000 - 11_644_473_600_000 : Number(look.start) * 1000
}

let own: ProcessId | undefined

/** This process. */
export const self = (): ProcessId => {
  if (own === undefined) {
    const look = lookAt(process.pid)
    own = { pid: process.pid, start: 'start' in look ? look.start : '0' }
  }
  return own
}
