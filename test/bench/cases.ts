/**
 * The cases of the bench: what a client waits for in each, the floor under it, and the target. Each is so small that the whole table of
 * one Node takes less than ten minutes on a quiet machine.
 */
import { fileURLToPath } from 'node:url'
import { dirname } from 'node:path'
import { entriesOf } from '../support/ledger.js'
import { median, recovery } from '../support/recovery.js'
import { measured, type Verdict } from './figures.js'
import { round } from '../soak/series.js'
import { until } from '../support/until.js'
import { crowd, live, program, type Environment } from './processes.js'
import {
  bareClient, bareCrowd, gathered, onGround, ours, plain, sockDaemon, startServerAndTest, withOurs, withServer,
  type Bench, type Boot, type ColdSide,
} from './sides.js'

/** One measured run: ms, and ms of CPU time where the system tells. */
export interface Sample {
  readonly wall: number
  readonly cpu?: number | undefined
}

/** The samples of each side by round; the first side is the floor, the second is ours. A side that was left out of a round has a gap. */
export type Samples = ReadonlyMap<string, readonly (Sample | undefined)[]>

export interface Case {
  readonly name: string
  readonly rounds: number
  run(bench: Bench, rounds: number): Promise<readonly Verdict[]>
}

type Side = readonly [name: string, measure: () => Promise<Sample>]

/** What people use instead takes many times as long, and no target hangs on it: one round of three tells enough. */
const SELDOM = 3

/**
 * Every side in turn, once a round, so that what else the machine does meets all of them alike; a side that is measured right after a slow
 * one is another one in the next round. Sides behind the first `steady` take part in one round of SELDOM.
 */
const alternate = async (sides: readonly Side[], rounds: number, steady = sides.length): Promise<Samples> => {
  const samples = new Map(sides.map(([name]) => [name, [] as (Sample | undefined)[]]))
  for (const [, measure] of sides) await measure()
  for (let done = 0; done < rounds; done++) {
    const taking = done % SELDOM === 0 ? sides : sides.slice(0, steady)
    for (const all of samples.values()) all.push(undefined)
    for (let turn = 0; turn < taking.length; turn++) {
      const [name, measure] = taking[(turn + done) % taking.length]!
      samples.get(name)![done] = await measure()
    }
  }
  return samples
}

/** What is measured without a floor of its own, once a round. */
const each = async <Result>(rounds: number, measure: (done: number) => Promise<Result>): Promise<Result[]> => {
  const results: Result[] = []
  for (let done = 0; done < rounds; done++) results.push(await measure(done))
  return results
}

const sum = (samples: readonly (Sample | undefined)[]): number => samples.reduce((all, sample) => all + (sample?.cpu ?? Number.NaN), 0)

const split = (samples: Samples, pick: (sample: Sample) => number | undefined): Pick<Verdict, 'floor' | 'ours' | 'others'> => {
  const [floor, own, ...others] =
    [...samples].map(([name, all]) => [name, all.map((sample) => (sample && pick(sample)) ?? Number.NaN)] as const)
  return { floor: floor![1], ours: own![1], others: new Map(others) }
}

/** Wall time, beside the processor time that it took. */
const timed = (samples: Samples): Pick<Verdict, 'floor' | 'ours' | 'others' | 'cpu'> => {
  const [floor, own] = [...samples.values()]
  return { ...split(samples, ({ wall: ms }) => ms), cpu: sum(own!) / sum(floor!) }
}

const wall = async (command: readonly string[], env: Environment, cwd?: string): Promise<Sample> => {
  const { wall: ms, cpu } = await crowd(1, command, env, cwd)
  return { wall: ms, cpu }
}

const printed = async (command: readonly string[], env: Environment): Promise<Sample> =>
  ({ wall: Number((await live(command, env)).output) })

/** A server that is up, recorded by us, and the same program without a record for the floor. */
const warm = (bench: Bench, work: (floor: Environment, own: Environment) => Promise<Samples>): Promise<Samples> =>
  onGround(0, (bare) => withServer(bench, bare, () =>
    onGround(0, (ground) => withOurs(bench, ground, async (env, manager) => {
      await manager.ensureServerRunning()
      return work(bare.env, env)
    }, { port: 'auto' }))))

const warmLibrary: Case = {
  name: 'warm', rounds: 40,
  async run(bench, rounds) {
    const samples = await onGround(0, (daemon) => warm(bench, (floor, own) => sockDaemon.around(bench, daemon, async (env) => {
      const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
      await live(sockDaemon.command(bench, env), env, daemon.folder)
      return alternate([
        ['floor', () => wall([bench.node, program('get-once')], floor)],
        ['one-server', () => wall([bench.node, program('ours')], own)],
        ['command line', () => wall([bench.node, cli, 'start', '--quiet', '--pid-file', own.PID_FILE!], own)],
        ['raw `net`', () => wall([bench.node, program('net-once')], floor)],
        ['global fetch', () => wall([bench.node, program('fetch-once')], floor)],
        ['sock-daemon', () => wall(sockDaemon.command(bench, env), env, daemon.folder)],
      ], rounds, 4)
    })))
    const { 'command line': cli, ...rest } = Object.fromEntries(samples)
    return [
      { what: 'warm: one call, server already up', ...timed(new Map(Object.entries(rest))), as: 'ratio', target: 1.1 },
      { what: 'warm: `one-server start`', ...timed(new Map([['floor', rest.floor!], ['command line', cli!]])), as: 'ratio', target: 1.2 },
    ]
  },
}

const many: Case = {
  name: 'many', rounds: 20,
  async run(bench, rounds) {
    const samples = await warm(bench, (floor, own) => alternate([
      ['floor', () => printed([bench.node, program('get-many')], floor)],
      ['one-server', () => printed([bench.node, program('ours-many')], own)],
    ], rounds))
    return [{ what: 'warm: 1,000 calls in one process', ...split(samples, ({ wall: ms }) => ms), as: 'ratio', target: 1.8 }]
  },
}

const coldSides = (bench: Bench, boot: Boot, sides: readonly ColdSide[], clients = 1): Side[] =>
  sides.map((side) => [side.name, () => gathered(bench, side, clients, boot)])

const coldSlow: Case = {
  name: 'cold, 300 ms', rounds: 20,
  async run(bench, rounds) {
    const samples = await alternate(coldSides(bench, 300, [bareClient, ours, plain, sockDaemon, startServerAndTest]), rounds, 2)
    return [{ what: 'cold: a server that boots in 300 ms', ...timed(samples), as: 'ratio', target: 1.15 }]
  },
}

const coldFast: Case = {
  name: 'cold, at once', rounds: 20,
  async run(bench, rounds) {
    const samples = await alternate([
      ...coldSides(bench, 0, [bareClient, ours, plain, sockDaemon]),
      ['empty', () => wall([bench.node, program('empty')], {})],
      ['wait-on', () => wall([bench.node, program('wait-on')], {})],
    ], rounds, 2)
    const { floor, ours: own, others, cpu } = timed(samples)
    const { empty, 'wait-on': waitOn, ...rest } = Object.fromEntries(others)
    const load = median(measured(waitOn!)) - median(measured(empty!))
    return [{
      what: `cold: a server that boots at once (wait-on loads in ${load.toFixed(0)} ms)`, floor: floor!, ours: own,
      others: new Map(Object.entries(rest)), cpu: cpu!, as: 'ms more', target: load + 60,
    }]
  },
}

const together = (clients: number, more: readonly ColdSide[], rounds: number, targets: readonly [wall?: number, cpu?: number]): Case => ({
  name: `crowd of ${clients}`, rounds,
  async run(bench, times) {
    const samples = await alternate(coldSides(bench, 0, [bareCrowd, ours, ...more], clients), times, 2)
    const [ofWall, ofCpu] = targets
    return [
      {
        what: `crowd: ${clients} cold clients at once`, ...split(samples, ({ wall: ms }) => ms), as: 'ratio',
        ...(ofWall === undefined ? {} : { target: ofWall }),
      },
      {
        what: `crowd of ${clients}: CPU time of all clients`, ...split(samples, ({ cpu }) => cpu), as: 'ratio',
        ...(ofCpu === undefined ? {} : { target: ofCpu }),
      },
    ]
  },
})

const importing: Case = {
  name: 'import', rounds: 40,
  async run(bench, rounds) {
    const samples = await alternate([
      ['floor', () => wall([bench.node, program('empty')], {})],
      ['one-server', () => wall([bench.node, program('import')], {})],
    ], rounds)
    return [{ what: 'import of the package', ...timed(samples), as: 'ms more', target: 5 }]
  },
}

const stopping: Case = {
  name: 'stop', rounds: 20,
  async run(bench, rounds) {
    const after = await each(rounds, () => onGround(0, (ground) => withOurs(bench, ground, async (env, manager) => {
      await manager.ensureServerRunning()
      const returned = Number((await live([bench.node, program('stop')], env)).output)
      return returned - entriesOf(ground.env.LEDGER!).find(({ event }) => event === 'stop')!.at
    })))
    return [{ what: "stop: return after the server's own exit", ours: after, others: new Map(), as: 'ms', target: 15 }]
  },
}

const recovering: Case = {
  name: 'recovery', rounds: 20,
  async run(_, rounds) {
    const pairs = await each(rounds, (done) => round((t) => recovery(t, done, false)))
    return [{
      what: 'recovery: launcher killed while it held the lock, beside a cold start', floor: pairs.map(({ cold: ms }) => ms),
      ours: pairs.map(({ recovered }) => recovered), others: new Map(), as: 'ms more', target: 300,
    }]
  },
}

const waiting: Case = {
  name: 'waiting', rounds: 1,
  async run(bench, rounds) {
    const shares = await each(rounds, () => onGround(10_000, (ground) => withOurs(bench, ground, async (env, manager) => {
      const launcher = manager.ensureServerRunning()
      await until(() => entriesOf(ground.env.LEDGER!).length > 0, 'the server to begin')
      const [cpu, ms] = (await live([bench.node, program('follow')], env)).output.split(' ').map(Number)
      await launcher
      return (cpu! / ms!) * 100
    })))
    return [{ what: 'waiting: a follower while the server boots for 10 s', ours: shares, others: new Map(), as: '% of a core', target: 1 }]
  },
}

export const cases: readonly Case[] = [
  warmLibrary, many, coldSlow, coldFast, together(20, [plain, sockDaemon], 20, [1.25, 1.3]), together(100, [plain], 5, []),
  importing, stopping, recovering, waiting,
]

/** The folder in which what people use instead is installed. */
export const alternatives: string = dirname(program('x'))
