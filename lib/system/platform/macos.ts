/**
 * macOS and the BSDs: ps(1) is asked, one process for each look. Start times have a resolution of one second; sockets, and
 * descriptors that a child would inherit, do not show. Not tested on a real one: the tests run this file over stand-ins.
 */
import { stateUnusable } from '../../errors.js'
import type { Kin, Launching, Leader, Platform, ProcessLook, Run, Surroundings } from './platform.js'
import { gate, NULL_DEVICE, watchdog } from './posix.js'
import { exists, send } from './signal.js'

interface Row {
  readonly pid: number
  readonly group: number
  /** The first letter of `stat`. */
  readonly state: string
  readonly start: string
}

const rowsIn = (text: string): Row[] =>
  text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S)\S*\s+(.+?)\s*$/.exec(line)
    const start = match === null ? Number.NaN : Date.parse(`${match[4]} UTC`)
    if (match === null || Number.isNaN(start)) return []
    return [{ pid: Number(match[1]), group: Number(match[2]), state: match[3]!, start: String(start / 1000) }]
  })

const HINT = 'one-server must be able to tell this boot from others. Put the folder of sysctl (/usr/sbin) into PATH.'

/** One -o for each column: by POSIX a comma after `=` belongs to a header, and the BSDs read it so. */
const COLUMNS = ['-o', 'pid=', '-o', 'pgid=', '-o', 'stat=', '-o', 'lstart=']

export const macos = (run: Run): Platform => {
  const rows = (args: readonly string[]): Row[] => {
    try {
      return rowsIn(run('ps', [...args, ...COLUMNS], { ...process.env, LC_ALL: 'C', TZ: 'UTC' }))
    } catch {
      return []
    }
  }
  const rowOf = (pid: number): Row | undefined => rows(['-p', String(pid)])[0]

  const carries = (pid: number, launchId: string): boolean => {
    try {
      return run('ps', ['-E', '-ww', '-p', String(pid), '-o', 'command=']).includes(`ONE_SERVER_LAUNCH_ID=${launchId}`)
    } catch {
      return false
    }
  }

  return {
    look: (pid): ProcessLook => {
      if (!exists(pid)) return { state: 'gone' }
      const row = rowOf(pid)
      if (row === undefined) return { state: exists(pid) ? 'hidden' : 'gone' }
      return { state: row.state === 'Z' ? 'zombie' : row.state === 'T' ? 'stopped' : 'running', start: row.start, isThread: false }
    },
    kin: (leader: Leader, launchId): Kin[] =>
      rows(['-A'])
        .filter(({ pid, group, state }) => group === leader.group && pid !== process.pid && state !== 'Z')
        .map(({ pid, start }) => ({ pid, start, inGroup: true, carriesLaunchId: carries(pid, launchId) })),
    groupOf: (pid) => rowOf(pid)?.group,
    startedAt: (start) => Number(start) * 1000,
    signalGroup: (group, signal) => send(-group, signal),
    host: () => {
      try {
        return run('sysctl', ['-n', 'kern.bootsessionuuid']).toLowerCase().replace(/[^0-9a-f]/g, '').slice(0, 16)
      } catch (error) {
        throw stateUnusable('sysctl kern.bootsessionuuid', 'cannot be read', HINT, error)
      }
    },
    stateFolder: () => undefined,
  }
}

export const macosLaunching: Launching = {
  nullDevice: NULL_DEVICE, leakingDescriptors: () => [], gate, watchdog, isWatchdog: () => false, watchdogs: () => [],
}

export const macosSurroundings = (run: Run): Surroundings => ({
  isTested: false,
  launches: () => [],
  isInForeground: () => {
    try {
      const [own, foreground] = run('ps', ['-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid)]).trim().split(/\s+/)
      return own === foreground
    } catch {
      return false
    }
  },
  box: () => undefined,
})
