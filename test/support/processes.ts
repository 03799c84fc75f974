/**
 * What a test asks of processes: at once, since a test looks between two steps. Linux shows them below /proc, macOS by ps(1), and
 * Windows by CIM, so no other helper looks by itself, and the suite can run where there is no /proc. A test that is about Linux itself
 * has `onLinux` and is skipped by name elsewhere.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { linux } from '../../lib/system/platform/linux.js'
import { platform } from '../../lib/system/platform/current.js'
import { hostIdentity, self as ownId } from '../../lib/system/processes.js'
import type { ProcessId, ProcessLook } from '../../lib/system/system.js'

/** Given to a test that looks into /proc itself. */
export const onLinux = { skip: process.platform === 'linux' ? false : 'needs Linux itself' } as const

/** A process as all systems show it. */
export interface Seen {
  readonly pid: number
  readonly parent: number
  /** Windows has no groups. */
  readonly group: number
  /** As ps(1) calls it: Z is a zombie of which nothing lives, T is stopped. */
  readonly state: string
  /** Its program and arguments, with a blank before, between and behind. */
  readonly command: string
}

interface Side {
  seen(pid: number): Seen | undefined
  all(): Seen[]
  /** Live processes that have this entry in their environment. Undefined: environments do not show. */
  carriers(variable: string): number[] | undefined
  look(pid: number): ProcessLook
}

const orNothing = <T>(ask: () => T): T | undefined => {
  try {
    return ask()
  } catch {
    // It has ended just now, or is another user's.
    return undefined
  }
}

const linuxSide: Side = {
  seen: (pid) => orNothing(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent, group, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const threads = Number(rest[14])
    // A process whose main thread is a zombie lives for as long as another thread of it does.
    const hasEnded = state === 'X' || (state === 'Z' && threads <= 1)
    return {
      pid, parent: Number(parent), group: Number(group), state: hasEnded ? 'Z' : state === 'Z' ? 'R' : state!,
      get command() { return ` ${(orNothing(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1')) ?? '').replaceAll('\0', ' ')}` },
    }
  }),
  all: () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => linuxSide.seen(Number(name)) ?? []),
  carriers: (variable) =>
    readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) =>
      orNothing(() => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(variable)) === true && isLive(linuxSide.seen(pid))),
  look: linux.look,
}

const COLUMNS = ['pid', 'ppid', 'pgid', 'stat', 'lstart', 'command'].flatMap((name) => ['-o', `${name}=`])

/** @param ps Runs ps(1) and gives what it prints; another one stands in for it in a test. */
export const bsdSide = (ps = (args: readonly string[]): string => execFileSync('/bin/ps', args, { encoding: 'utf8', maxBuffer: Infinity, env: { LC_ALL: 'C', TZ: 'UTC' } })): Side => {
  const rows = (args: readonly string[]): (Seen & { start: string })[] =>
    (orNothing(() => ps([...args, '-ww', ...COLUMNS])) ?? '').split('\n').flatMap((line) => {
      const [, pid, parent, group, state, began, command = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S)\S*\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d{4})\s*(.*)$/.exec(line) ?? []
      if (pid === undefined) return []
      const start = String(Date.parse(`${began} UTC`) / 1000)
      return [{ pid: Number(pid), parent: Number(parent), group: Number(group), state: state!, command: ` ${command.trim()} `, start }]
    })
  const one = (pid: number) => rows(['-p', String(pid)])[0]
  return {
    seen: one,
    all: () => rows(['-A']),
    carriers: (variable) => rows(['-A', '-E']).filter((row) => isLive(row) && row.command.includes(` ${variable} `)).map(({ pid }) => pid),
    look: (pid) => {
      const row = one(pid)
      if (row === undefined) return { state: 'gone' }
      return { state: row.state === 'Z' ? 'zombie' : row.state === 'T' ? 'stopped' : 'running', start: row.start, isThread: false }
    },
  }
}

const CIM = 'Get-CimInstance Win32_Process | Select-Object ProcessId,ParentProcessId,CommandLine | ConvertTo-Json -Compress'

const windowsSide: Side = {
  seen: (pid) => {
    // CIM takes most of a second, and a process that cannot be signalled is not there.
    const lives = orNothing(() => process.kill(pid, 0)) === true
    return lives ? { pid, parent: Number.NaN, group: Number.NaN, state: 'R', command: '' } : undefined
  },
  all: () => {
    const shown = JSON.parse(execFileSync('powershell', ['-NoProfile', '-Command', CIM], { encoding: 'utf8', maxBuffer: Infinity })) as
      { ProcessId: number; ParentProcessId: number; CommandLine: string | null }[]
    return shown.map(({ ProcessId: pid, ParentProcessId: parent, CommandLine }) => ({ pid, parent, group: Number.NaN, state: 'R', command: ` ${CommandLine ?? ''} ` }))
  },
  carriers: () => undefined,
  look: (pid) => platform.look(pid) as ProcessLook,
}

const side: Side = process.platform === 'linux' ? linuxSide : process.platform === 'win32' ? windowsSide : bsdSide()

const isLive = (seen: Seen | undefined): boolean => seen !== undefined && seen.state !== 'Z'

export const allProcesses: () => Seen[] = side.all

export const processesWith: (variable: string) => number[] | undefined = side.carriers

/** The live processes of a process group. */
export const processesIn = (group: number | undefined): number[] => side.all().filter((seen) => isLive(seen) && seen.group === group).map(({ pid }) => pid)

export const isAlive = (pid: number): boolean => isLive(side.seen(pid))

/** The state letter of a process, Z for a zombie; undefined when there is none. */
export const stateOf = (pid: number): string | undefined => side.seen(pid)?.state

export const groupOf = (pid: number): number | undefined => side.seen(pid)?.group

export const parentOf = (pid: number): number | undefined => side.seen(pid)?.parent

/** As tree-kill and `concurrently -k` find them: by parent PIDs. */
export const descendantsOf = (root: number): number[] => {
  const all = side.all()
  const found = [root]
  for (const pid of found) for (const seen of all) if (seen.parent === pid && !found.includes(seen.pid)) found.push(seen.pid)
  return found.slice(1)
}

/** Its program and arguments, with a blank before, between and behind; empty when there is no such process. */
export const commandOf = (pid: number): string => side.seen(pid)?.command ?? ''

/** Memory that is a process's own, in KiB, and CPU time that it has used, in ticks. Linux alone counts both. */
export const costOf = (pid: number): { own: number; resident: number; ticks: number } => {
  const kib = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1])
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { own: kib(rollup, 'Private_Dirty') + kib(rollup, 'Private_Clean'), resident: kib(rollup, 'Rss'), ticks: Number(fields[11]) + Number(fields[12]) }
}

export const lookAt: (pid: number) => ProcessLook = side.look

export const identify = (pid: number): ProcessId => {
  const look = lookAt(pid)
  if (!('start' in look)) throw new Error(`PID ${pid} is ${look.state}`)
  return { pid, start: look.start }
}

const own = await ownId()

/** This process. */
export const self = (): ProcessId => own

/** The name of this host's folder. */
export const hostName: string = await hostIdentity()
