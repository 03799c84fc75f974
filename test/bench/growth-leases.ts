/**
 * Leases on one server: what one more costs the process that takes it, what it keeps, and what its watchdog does. All of one process, and
 * each of a process of its own; a thousand Nodes fit no machine, so there each is in the name of a `sleep` (`acquire({ pid })`).
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { bareEnv } from '../support/child.js'
import { entriesOf } from '../support/ledger.js'
import { until } from '../support/until.js'
import type { Line } from './growth.js'
import { costOf } from './memory.js'
import { childrenCpu, live, program } from './processes.js'
import { lives, onGround, withOurs, type Bench, type Ground } from './sides.js'

const COUNTS = [1, 10, 30, 100, 300, 1000]

/** ms that a server is kept without a lease; the end of all leases is measured from there. */
const IDLE = 2000

/** s until a watchdog that looks has come to its longest pause, and s for which it is then watched. */
const [SETTLES, WATCHED] = [10, 10]

/** ms of processor time that a holder may take for its leases: where these grow, the thousandth would take the bench hours. */
const PATIENCE = 60_000

/** Runs of a whole process; the kernel's steps of 10 ms tell little of one. */
const RUNS = 10

type Whose = 'own' | 'others' | 'pinned'

/** What a holder tells: ms of its processor time for one call each, and of all that it took. */
interface Told { readonly all: number; readonly acquire: number; readonly release: number; readonly status: number; readonly warm?: number }

interface Found extends Told {
  /** ms of one watchdog until all leases were there, and ms of one in a second in which nothing happens. */
  readonly watchdog: number
  readonly idle: number
  /** KiB of all leases: what the holder has grown by, and their watchdogs. */
  readonly memory: number
  readonly files: number
  /** ms of a whole process that takes its first lease beside these and gives it back. */
  readonly another: number
  /** ms until the server has ended, behind the idle time, when all leases end at one blow. */
  readonly end: number
}

const statOf = (pid: number): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** ms of processor time of a process with one thread, and of its children that have ended: exact, and in steps of 10 ms. */
const spentBy = (pid: number): number => {
  const fields = statOf(pid)
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6 + (Number(fields[13]) + Number(fields[14])) * 10
}

const orNothing = (look: () => number): number => {
  try {
    return look()
  } catch {
    // It has ended just now.
    return 0
  }
}

const sumOf = (pids: readonly number[], look: (pid: number) => number): number =>
  pids.reduce((sum, pid) => sum + orNothing(() => look(pid)), 0)

const stateOf = ({ env: { PID_FILE } }: Ground): string[] => {
  const [host] = readdirSync(`${PID_FILE}.d`)
  return readdirSync(join(`${PID_FILE}.d`, host!))
}

/** Files of leases: a launch has its claim and its marks, `<launch>.<mark>`, without any. */
const filesOf = (ground: Ground): string[] => stateOf(ground).filter((name) => !/^[0-9a-f]{16}\.[a-z]+$|\.claim$/.test(name))

/** PIDs of the watchdogs: the third part of the names of their files. */
const watchdogsOf = (ground: Ground): number[] =>
  stateOf(ground).filter((name) => name.endsWith('.watch')).map((name) => Number(name.split('.')[2]))

/** With their children: one that looks waits by a `sleep` of its own. */
const withChildren = (pids: readonly number[]): number[] => {
  const wanted = new Set(pids)
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  return [...pids, ...all.filter((pid) => orNothing(() => Number(wanted.has(Number(statOf(pid)[1])))) === 1)]
}

/** A process that holds leases; `tell` gives it a line and reads what it prints. */
const holder = ({ node }: Bench, env: Readonly<Record<string, string>>, whose: Whose) => {
  const args = ['--expose-gc', program('leases'), whose]
  const child = spawn(node, args, { env: { ...bareEnv(), ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Told> => {
    const { value, done } = await lines.next()
    if (done) throw new Error('a holder of leases ended without a word')
    return JSON.parse(value as string) as Told
  }
  // It ends itself by SIGKILL, so that all of its leases end at one blow, and a second word may find nobody.
  child.stdin.on('error', () => {})
  const tell = (line: string): Promise<Told> => {
    child.stdin.write(`${line}\n`)
    return next()
  }
  return { child, begun: next(), tell, end: () => { child.stdin.write('end\n') } }
}

/** ms of one whole process that takes a lease beside those that there are. */
const anotherOne = async ({ node }: Bench, env: Readonly<Record<string, string>>): Promise<number> => {
  const before = childrenCpu()
  for (let run = 0; run < RUNS; run++) await live([node, program('lease-once')], env)
  return ((childrenCpu() ?? Number.NaN) - (before ?? Number.NaN)) / RUNS
}

const measureOn = (ground: Ground, bench: Bench, count: number, whose: Whose): Promise<Found> => withOurs(bench, ground, async (env) => {
  const { child, begun, tell, end } = holder(bench, env, whose)
  try {
    await begun
    const pid = child.pid!
    const written = costOf(pid).written
    const told = await tell(String(count))
    // A watchdog shows itself when its shell has come so far, which is behind the call that started it.
    // The leases of one process share one; each in the name of another process has its own.
    const watchdogs = whose === 'others' ? count : 1
    if (whose !== 'pinned') await until(() => watchdogsOf(ground).length === watchdogs, `${watchdogs} watchdogs`)
    const files = filesOf(ground).length
    const [grown, watching] = [costOf(pid).written - written, watchdogsOf(ground)]
    const spent = sumOf(watching, spentBy)
    const memory = grown + sumOf(withChildren(watching), (one) => costOf(one).own)
    const another = await anotherOne(bench, env)
    let idle = 0
    if (whose === 'others') {
      await sleep(SETTLES * 1000)
      const before = sumOf(watching, spentBy)
      await sleep(WATCHED * 1000)
      idle = (sumOf(watching, spentBy) - before) / WATCHED / count
    }
    const [server] = entriesOf(ground.env.LEDGER!)
    const began = performance.now()
    if (whose !== 'pinned') {
      end()
      await until(() => !lives(server!.pid), 'the server to end')
    }
    return { ...told, watchdog: spent / count, memory, files: files / count, another, idle, end: performance.now() - began - IDLE }
  } finally {
    end()
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the holder to end')
  }
}, { idleTimeout: IDLE })

const measure = (bench: Bench, count: number, whose: Whose): Promise<Found> =>
  onGround(0, (ground) => measureOn(ground, bench, count, whose))

/** s of processor time for so many leases of five processes, their watchdogs included. */
const ofFive = (bench: Bench, count: number): Promise<number> => onGround(0, (ground) => withOurs(bench, ground, async (env) => {
  const holders = Array.from({ length: 5 }, () => holder(bench, env, 'own'))
  try {
    await Promise.all(holders.map(({ begun }) => begun))
    const told = await Promise.all(holders.map(({ tell }) => tell(String(count / 5))))
    await until(() => watchdogsOf(ground).length === told.length, `${told.length} watchdogs`)
    return (told.reduce((sum, { all }) => sum + all, 0) + sumOf(watchdogsOf(ground), spentBy)) / 1000
  } finally {
    for (const { end } of holders) end()
    await until(() => holders.every(({ child }) => child.exitCode !== null || child.signalCode !== null), 'the holders to end')
  }
}, { idleTimeout: IDLE }))

/** Of each count what was found, as far as the leases of the next one can be waited for. */
const series = async (bench: Bench, counts: readonly number[], whose: Whose): Promise<[count: number, found: Found][]> => {
  const all: [number, Found][] = []
  for (const count of counts) {
    const [before, found] = all.at(-1) ?? []
    if (found !== undefined && found.all * count / before! > PATIENCE) break
    all.push([count, await measure(bench, count, whose)])
  }
  return all
}

/** MB of one lease more. The holder has grown for its calls as well, the same for one lease and for many. */
const memoryOf = (all: readonly [number, Found][]): [number, number][] =>
  all.slice(1).map(([count, { memory }]) => [count, (memory - all[0]![1].memory) / (count - all[0]![0]) / 1024])

export const leasesOnOneServer = async (bench: Bench, most: number): Promise<Line[]> => {
  const counts = COUNTS.filter((count) => count <= most)
  const own = await series(bench, counts, 'own')
  const others = await series(bench, counts, 'others')
  const pinned = await series(bench, counts, 'pinned')
  const five: [number, number][] = []
  for (const count of counts.filter((one) => one >= 100)) five.push([count, await ofFive(bench, count)])
  const ofFives: Line = { of: 'leases', what: 'five processes: CPU of all `acquire` and watchdogs', unit: 's', points: five, isInAll: true }
  const line = (all: readonly [number, Found][], what: string, pick: (found: Found) => number, more: Partial<Line> = {}): Line =>
    ({ of: 'leases', what, unit: 'ms', points: all.map(([count, found]) => [count, pick(found)]), ...more })
  const both = (what: string, pick: (found: Found) => number, more: Partial<Line> = {}, plotted: readonly string[] = []): Line[] =>
    [own, others].map((all, at) => line(all, what, pick, plotted[at] === undefined ? more : { ...more, plotted: plotted[at] }))
  return [
    ...both('CPU of one more `acquire`', ({ acquire }) => acquire, {}, ['acquire', 'acquire({ pid })']),
    ...both('CPU of `release`', ({ release }) => release, {}, ['release']),
    ...both('CPU of its watchdog until it waits', ({ watchdog }) => watchdog),
    line(others, 'CPU of a watchdog that looks, in a second', ({ idle }) => idle),
    ...[own, others].map((all): Line => ({ of: 'leases', what: 'memory of one lease', unit: 'MB', points: memoryOf(all) })),
    ...both('files of one lease', ({ files }) => files, { unit: '' }),
    ...both('CPU of a process that takes its first', ({ another }) => another, {}, ['first lease']),
    ...both('CPU of `status`', ({ status }) => status, { isInAll: true }, ['status']),
    ...both('until the server ends, when all end at one blow', ({ end }) => end, { isInAll: true }),
    line(pinned, 'started explicitly: CPU of one warm call', ({ warm }) => warm!, { plotted: 'warm call' }),
    ofFives,
  ].filter(({ points }) => points.length > 0)
}
