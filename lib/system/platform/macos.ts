/**
 * macOS and the BSDs: ps(1) is asked, one process for each look and one for all of a launch, and never on the event loop of
 * the host. Start times have a resolution of one second; sockets, and descriptors that a child would inherit, do not
 * show. Not tested on a real one: the tests run this file over stand-ins.
 */
import { OneServerError, stateUnusable } from '../../errors.js'
import type { Kin, Launching, Leader, Platform, ProcessLook, Run, Surroundings } from './platform.js'
import { gate, NULL_DEVICE, START_TAKES, watchdogWith } from './posix.js'
import { exists, send } from './signal.js'

/** By their paths: a client that has only /usr/bin in its PATH does not find sysctl, and a PATH may name another ps first. */
const PS = '/bin/ps'
const SYSCTL = '/usr/sbin/sysctl'

interface Row {
  readonly pid: number
  readonly group: number
  /** The first letter of `stat`. */
  readonly state: string
  readonly start: string
  /** The command line and, where it was asked for, the environment after it. */
  readonly command: string
}

/** `412 400 Ss Sat Nov  1 09:05:07 2025 /bin/sh -c …` */
const ROW = /^\s*(\d+)\s+(\d+)\s+(\S)\S*\s+([A-Z][a-z]{2}\s+[A-Z][a-z]{2}\s+\d+\s+[\d:]+\s+\d{4})\s*(.*)$/

const rowsIn = (text: string): Row[] =>
  text.split('\n').flatMap((line) => {
    const [, pid, group, state, started, command = ''] = ROW.exec(line) ?? []
    const start = Date.parse(`${started} UTC`)
    return Number.isNaN(start) ? [] : [{ pid: Number(pid), group: Number(group), state: state!, start: String(start / 1000), command }]
  })

/** One -o for each column: by POSIX a comma after `=` belongs to a header, and the BSDs read it so. */
const COLUMNS = ['-o', 'pid=', '-o', 'pgid=', '-o', 'stat=', '-o', 'lstart=']

const RUNNABLE = `one-server asks ${PS} when a process was started. Allow it to be run here (a sandbox may forbid it).`

const HINT = `one-server must be able to tell this boot from others. Allow ${SYSCTL} to be run here (a sandbox may forbid it).`

/** `system`: as Node calls it. */
export const macos = (run: Run, system: string): Platform => {
  /** Undefined: ps could not be run. ps(1) fails when no process matches, and that is an answer. */
  const rows = async (args: readonly string[]): Promise<Row[] | undefined> => {
    try {
      return rowsIn(await run(PS, args, { ...process.env, LC_ALL: 'C', TZ: 'UTC' }))
    } catch (error) {
      return typeof (error as { code?: unknown }).code === 'number' ? [] : undefined
    }
  }
  const rowOf = async (pid: number): Promise<Row | undefined> => (await rows(['-p', String(pid), ...COLUMNS]))?.[0]

  const look = async (pid: number): Promise<ProcessLook> => {
    if (!exists(pid)) return { state: 'gone' }
    const row = await rowOf(pid)
    if (row === undefined) return { state: exists(pid) ? 'hidden' : 'gone' }
    return { state: row.state === 'Z' ? 'zombie' : row.state === 'T' ? 'stopped' : 'running', start: row.start, isThread: false }
  }

  const kin = async (leader: Leader, launchId: string): Promise<Kin[]> => {
    // Apple's ps shows environments by -E, that of the BSDs by -e.
    const all = await rows(['-A', system === 'darwin' ? '-E' : '-e', '-ww', ...COLUMNS, '-o', 'command='])
    // Nothing shows that a launch has no processes, so nobody may conclude that it has none.
    if (all === undefined) throw stateUnusable(PS, 'cannot be run', RUNNABLE)
    const mark = new RegExp(`(^| )ONE_SERVER_LAUNCH_ID=${launchId}( |$)`)
    return all.flatMap(({ pid, group, state, start, command }) => {
      const inGroup = group === leader.group
      // A process that is older than the leader does not descend from it.
      const carriesLaunchId = Number(start) >= Number(leader.start) && mark.test(command)
      return pid !== process.pid && state !== 'Z' && (inGroup || carriesLaunchId) ? [{ pid, start, inGroup, carriesLaunchId }] : []
    })
  }

  return {
    look,
    self: async () => {
      const seen = await look(process.pid)
      if (!('start' in seen)) throw stateUnusable(PS, 'cannot be run', RUNNABLE)
      return { pid: process.pid, start: seen.start }
    },
    kin,
    groupOf: async (pid) => (await rowOf(pid))?.group,
    startedAt: (start) => Number(start) * 1000,
    signalGroup: async (group, signal) => {
      try {
        return send(-group, signal)
      } catch (error) {
        // A group of zombies may not be signalled here, and has nobody who could be (killpg1 in XNU's kern_sig.c).
        const members = error instanceof OneServerError ? await rows(['-A', ...COLUMNS]) : undefined
        if (members?.every((row) => row.group !== group || row.state === 'Z')) return false
        throw error
      }
    },
    host: async () => {
      // Start times are absolute, so no boot has to be told from another; the UUID also tells machines apart that share a home.
      if (system !== 'darwin') return system
      try {
        return (await run(SYSCTL, ['-n', 'kern.bootsessionuuid'])).toLowerCase().replace(/[^0-9a-f]/g, '').slice(0, 16)
      } catch (error) {
        throw stateUnusable(`${SYSCTL} kern.bootsessionuuid`, 'cannot be read', HINT, error)
      }
    },
    stateFolder: () => undefined,
  busy: [],
  }
}

/** How the watchdog's shell looks at a process: as `look`, with the date as date(1) of the BSDs reads it. */
const LOOK = `
look() {
  set -- $(LC_ALL=C TZ=UTC ${PS} -o stat= -o lstart= -p "$1")
  test $# = 6 || return
  stat=$1 start=$(LC_ALL=C date -j -u -f '%b %d %T %Y' "$3 $4 $5 $6" +%s)
  test "$start"
}`

export const macosLaunching: Launching = {
  nullDevice: NULL_DEVICE, leakingDescriptors: () => [], startTakes: START_TAKES, gate,
  watchdog: /* @__PURE__ */ watchdogWith(LOOK), isWatchdog: () => false,
  watchdogs: () => [],
}

export const macosSurroundings = (run: Run): Surroundings => ({
  isTested: false,
  launches: () => [],
  isInForeground: async () => {
    try {
      const [own, foreground] = (await run(PS, ['-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid)])).trim().split(/\s+/)
      return own === foreground
    } catch {
      return false
    }
  },
  box: () => undefined,
})
