/** Servers of one user: what a call on one of them costs beside the others, in whole processes, and what it costs to list them all. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClientProcessManager } from '../../lib/index.js'
import type { Line } from './growth.js'
import { crowd, program, type Environment } from './processes.js'
import { onGround, optionsOn, type Bench, type Ground } from './sides.js'

const COUNTS = [1, 3, 10, 30, 100]

/** Servers that start or stop at once: two for each of two cores. */
const AT_ONCE = 4

/** Runs of each call; the kernel's steps of 10 ms tell little of one. */
const RUNS = 10

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))

const inTurns = async (count: number, work: (index: number) => Promise<unknown>): Promise<void> => {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** ms of processor time of one process. */
const cpuOf = async (command: readonly string[], env: Environment): Promise<number> => (await crowd(1, command, env)).cpu ?? Number.NaN

const mean = async (work: () => Promise<number>): Promise<number> => {
  let sum = 0
  for (let run = 0; run < RUNS; run++) sum += await work()
  return sum / RUNS
}

/** The calls that are measured, by their names. */
const calls = ({ node }: Bench, first: Environment, another: Environment): Readonly<Record<string, () => Promise<number>>> => {
  let stops = 0
  return {
    cold: () => mean(async () => {
      const cost = await cpuOf([node, program('ours')], another)
      stops += await cpuOf([node, program('stop')], another)
      return cost
    }),
    stop: async () => {
      const all = stops
      stops = 0
      return all / RUNS
    },
    warm: () => mean(() => cpuOf([node, program('ours')], first)),
    status: () => mean(() => cpuOf([node, CLI, 'status', '--quiet', '--pid-file', first.PID_FILE!], first)),
    list: () => mean(() => cpuOf([node, CLI, 'list', '--json'], first)),
  }
}

const NAMES: Readonly<Record<string, string>> = {
  cold: 'a client that starts one more', stop: 'a client that stops it', warm: 'a client that finds its server up',
  status: '`one-server status`', list: '`one-server list`',
}

const PLOTTED: typeof NAMES = { cold: 'start one more', stop: 'stop it', warm: 'server up', status: 'status', list: 'list' }

export const serversOfOneUser = (bench: Bench, most: number): Promise<Line[]> => onGround(0, async (ground: Ground) => {
  const state = join(ground.folder, 'state')
  mkdirSync(state, { mode: 0o700 })
  const options = (name: string) => ({ ...optionsOn(ground, bench), pidFile: join(state, `${name}.pid`), stopTimeout: '60s' }) as const
  const env = (name: string): Environment => ({
    HOME: ground.folder, LEDGER: ground.env.LEDGER!, ONE_SERVER_STATE_DIR: state, PID_FILE: options(name).pidFile,
    OPTIONS: JSON.stringify(options(name)),
  })
  const managers: ClientProcessManager[] = []
  const points = new Map(Object.keys(NAMES).map((name) => [name, [] as [number, number][]]))
  try {
    for (const count of COUNTS.filter((one) => one <= most)) {
      const before = managers.length
      while (managers.length < count) managers.push(new ClientProcessManager(options(`s${managers.length}`)))
      await inTurns(count - before, (index) => managers[before + index]!.ensureServerRunning())
      for (const [name, call] of Object.entries(calls(bench, env('s0'), env('another')))) points.get(name)!.push([count, await call()])
    }
  } finally {
    await inTurns(managers.length, (index) => managers[index]!.stopServer())
  }
  return [...points].map(([name, all]) => ({
    of: 'servers', what: `CPU of ${NAMES[name]}`, unit: 'ms', points: all, ...(name in PLOTTED ? { plotted: PLOTTED[name]! } : {}),
    isInAll: name === 'list',
  }))
})
