/**
 * macOS and the BSDs: ps(1) is asked, one process for each look and one for all of a launch, and never on the event loop of
 * the host. Start times have a resolution of one second; sockets, and descriptors that a child would inherit, do not
 * show. Not tested on a real one: the tests run this file over stand-ins.
 */
import { stateUnusable } from '../../errors.js'
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

/** Nothing of the client's: COMMAND_MODE changes what options of Apple's ps mean, a locale and a time zone how it prints a date. */
const ENV = { LC_ALL: 'C', TZ: 'UTC' }

/** `system`: as Node calls it. */
export const macos = (run: Run, system: string): Platform => {
  /** Throws when ps cannot be run. It fails when no process matches, and that is an answer. */
  const rows = async (args: readonly string[]): Promise<Row[]> => {
    try {
      return rowsIn(await run(PS, args, ENV))
    } catch (error) {
      if (typeof (error as { code?: unknown }).code === 'number') return []
      throw stateUnusable(PS, 'cannot be run', RUNNABLE, error)
    }
  }
  /** Nothing shows that a machine has no processes, so nobody may conclude that a launch has none. */
  const everyRow = async (...columns: string[]): Promise<Row[]> => {
    const all = await rows(['-A', ...columns])
    if (all.length === 0) throw stateUnusable(PS, 'shows no processes', RUNNABLE)
    return all
  }
  /** What is asked in one turn of the event loop is one question. Only Apple's ps is known to take a list. */
  let asking: { readonly pids: Set<number>; readonly answer: Promise<Row[]> } | undefined
  const rowOf = async (pid: number): Promise<Row | undefined> => {
    if (asking === undefined) {
      const pids = new Set<number>()
      const answer = Promise.resolve().then(() => {
        asking = undefined
        return rows([...(pids.size > 1 && system !== 'darwin' ? ['-A'] : ['-p', [...pids].join()]), ...COLUMNS])
      })
      asking = { pids, answer }
    }
    asking.pids.add(pid)
    return (await asking.answer).find((row) => row.pid === pid)
  }

  const look = async (pid: number): Promise<ProcessLook> => {
    if (!exists(pid)) return { state: 'gone' }
    const row = await rowOf(pid).catch(() => undefined)
    if (row === undefined) return { state: exists(pid) ? 'hidden' : 'gone' }
    return { state: row.state === 'Z' ? 'zombie' : row.state === 'T' ? 'stopped' : 'running', start: row.start, isThread: false }
  }

  const kin = async (leader: Leader, launchId: string): Promise<Kin[]> => {
    // Apple's ps shows environments by -E, that of the BSDs by -e.
    const all = await everyRow(system === 'darwin' ? '-E' : '-e', '-ww', ...COLUMNS, '-o', 'command=')
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
      const row = await rowOf(process.pid)
      if (row === undefined) throw stateUnusable(PS, 'does not show this process', RUNNABLE)
      return { pid: process.pid, start: row.start }
    },
    kin,
    groupOf: async (pid) => (await rowOf(pid))?.group,
    startedAt: (start) => Number(start) * 1000,
    signalGroup: async (group, signal) => {
      try {
        return send(-group, signal)
      } catch (error) {
        // A group of zombies may not be signalled here, and has nobody who could be (killpg1 in XNU's kern_sig.c).
        if ((await everyRow(...COLUMNS)).every((row) => row.group !== group || row.state === 'Z')) return false
        throw error
      }
    },
    host: async () => {
      // Start times are absolute, so they differ from boot to boot; the UUID also keeps machines apart that share a home.
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

/**
 * How the watchdog's shell looks at a process: as `look`. The seconds are computed here, since each system's date(1) reads dates by
 * options of its own. The year begins with March, so a leap day is the last of its year (civil_from_days, run backwards). A shell
 * reads a number with a leading zero as octal.
 */
const LOOK = `
look() {
  set -- $(LC_ALL=C TZ=UTC ${PS} -o stat= -o lstart= -p "$1")
  test $# = 6 || return
  stat=$1 day=\${4#0} clock=$5 year=$6
  case $3 in
    Jan) month=10 ;; Feb) month=11 ;; Mar) month=0 ;; Apr) month=1 ;; May) month=2 ;; Jun) month=3 ;;
    Jul) month=4 ;; Aug) month=5 ;; Sep) month=6 ;; Oct) month=7 ;; Nov) month=8 ;; Dec) month=9 ;; *) return 1 ;;
  esac
  test $month -lt 10 || year=$((year - 1))
  second=\${clock##*:} hour=\${clock%%:*} minute=\${clock#*:} minute=\${minute%:*}
  start=$((365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719469))
  start=$(((start * 24 + \${hour#0}) * 60 + \${minute#0})) start=$((start * 60 + \${second#0}))
}`

export const macosLaunching = (run: Run): Launching => ({
  nullDevice: NULL_DEVICE, leakingDescriptors: () => [], startTakes: START_TAKES, hasFuse: true, gate,
  watchdog: /* @__PURE__ */ watchdogWith(LOOK, 10),
  watchdogs: () => [],
  describe: async (pid) => {
    const row = await run(PS, ['-ww', '-o', 'uid=', '-o', 'command=', '-p', String(pid)], ENV).catch(() => '')
    const [, uid, command] = /^\s*(\d+)\s+(.*)$/m.exec(row) ?? []
    return command === undefined ? undefined : { isOwn: uid === String(process.getuid?.()), command: command.trim() }
  },
  // The environment of /bin/sh does not show, since it is Apple's own. Its arguments do, and one of them is the script.
  isWatchdog: async (pid, launchId) => {
    const words = await run(PS, ['-ww', '-o', 'command=', '-p', String(pid)], ENV).catch(() => '')
    return words.includes('$ONE_SERVER_WATCH') && words.split(/\s/).includes(launchId)
  },
})

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
