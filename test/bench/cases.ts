/**
 * The cases of the bench: what a client waits for in each, the floor under it, and the target. Sides alternate,
 * round by round, so that whatever else the machine does meets all of them alike.
 */
import { fileURLToPath } from 'node:url'
import { dirname } from 'node:path'
import { entriesOf } from '../support/ledger.js'
import { median, recovery } from '../support/recovery.js'
import { round } from '../soak/series.js'
import { until } from '../support/until.js'
import { crowd, live, program, type Environment } from './processes.js'
import { onGround, ours, plain, polling, sockDaemon, spawning, startServerAndTest, withOurs, withServer, type Bench, type Boot, type ColdSide } from './sides.js'

/** One measured run: ms, and ms of CPU time where they are asked for. */
export interface Sample {
  readonly wall: number
  readonly cpu?: number | undefined
}

/** The samples of each side, in the order of the rounds; the first side is the floor, the second is ours. */
export type Samples = ReadonlyMap<string, readonly Sample[]>

export interface Verdict {
  readonly what: string
  readonly floor?: readonly number[]
  readonly ours: readonly number[]
  readonly others: ReadonlyMap<string, readonly number[]>
  /** Unit of `ours`, and of the target. */
  readonly as: 'ratio' | 'ms more' | 'ms' | '% of a core' | 'requests'
  readonly target?: number
}

export interface Case {
  readonly name: string
  readonly rounds: number
  run(bench: Bench, rounds: number): Promise<readonly Verdict[]>
}

type Side = readonly [name: string, measure: () => Promise<Sample>]

/** Every side once a round; a side that is measured right after a slow one is another one in the next round. */
const alternate = async (sides: readonly Side[], rounds: number): Promise<Samples> => {
  const samples = new Map(sides.map(([name]) => [name, [] as Sample[]]))
  for (const [, measure] of sides) await measure()
  for (let done = 0; done < rounds; done++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const [name, measure] = sides[(turn + done) % sides.length]!
      samples.get(name)!.push(await measure())
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

const split = (samples: Samples, pick: (sample: Sample) => number | undefined): Pick<Verdict, 'floor' | 'ours' | 'others'> => {
  const [floor, own, ...others] = [...samples].map(([name, all]) => [name, all.map((sample) => pick(sample) ?? Number.NaN)] as const)
  return { floor: floor![1], ours: own![1], others: new Map(others) }
}

const wall = async (command: readonly string[], env: Environment): Promise<Sample> => {
  const { began, ended } = await live(command, env)
  return { wall: ended - began }
}

const printed = async (command: readonly string[], env: Environment): Promise<Sample> => ({ wall: Number((await live(command, env)).output) })

/** A server that is up, recorded by us, and the same program without a record for the floor. */
const warm = (bench: Bench, work: (floor: Environment, own: Environment) => Promise<Samples>): Promise<Samples> =>
  onGround(0, (bare) => withServer(bench, bare, true, () =>
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
        ['global fetch', () => wall([bench.node, program('fetch-once')], floor)],
        ['sock-daemon', async () => { const { began, ended } = await live(sockDaemon.command(bench, env), env, daemon.folder); return { wall: ended - began } }],
      ], rounds)
    })))
    const all = split(samples, ({ wall: ms }) => ms)
    const { 'command line': cli, ...others } = Object.fromEntries(all.others)
    return [
      { what: 'warm: one call, server already up', floor: all.floor!, ours: all.ours, others: new Map(Object.entries(others)), as: 'ratio', target: 1.1 },
      { what: 'warm: `one-server start`', floor: all.floor!, ours: cli!, others: new Map(), as: 'ratio', target: 1.3 },
    ]
  },
}

const many: Case = {
  name: 'many', rounds: 10,
  async run(bench, rounds) {
    const samples = await warm(bench, (floor, own) => alternate([
      ['floor', () => printed([bench.node, program('get-many')], floor)],
      ['one-server', () => printed([bench.node, program('ours-many')], own)],
    ], rounds))
    return [{ what: 'warm: 1,000 calls in one process', ...split(samples, ({ wall: ms }) => ms), as: 'ratio', target: 1.5 }]
  },
}

const cold = (bench: Bench, boot: Boot, side: ColdSide, clients = 1): Promise<Sample> =>
  onGround(boot, (ground) => side.around(bench, ground, (env) => crowd(clients, side.command(bench, env), env, side === sockDaemon ? ground.folder : undefined)))

const coldSides = (bench: Bench, boot: Boot, sides: readonly ColdSide[], clients = 1): Side[] =>
  sides.map((side) => [side.name, () => cold(bench, boot, side, clients)])

const coldSlow: Case = {
  name: 'cold, 300 ms', rounds: 15,
  async run(bench, rounds) {
    const samples = await alternate(coldSides(bench, 300, [spawning, ours, plain, sockDaemon, startServerAndTest]), rounds)
    return [{ what: 'cold: a server that boots in 300 ms', ...split(samples, ({ wall: ms }) => ms), as: 'ratio', target: 1.2 }]
  },
}

const coldFast: Case = {
  name: 'cold, at once', rounds: 20,
  async run(bench, rounds) {
    const samples = await alternate([
      ...coldSides(bench, 0, [spawning, ours, plain, sockDaemon]),
      ['empty', () => wall([bench.node, program('empty')], {})],
      ['wait-on', () => wall([bench.node, program('wait-on')], {})],
    ], rounds)
    const { floor, ours: own, others } = split(samples, ({ wall: ms }) => ms)
    const { empty, 'wait-on': waitOn, ...rest } = Object.fromEntries(others)
    const load = median(waitOn!) - median(empty!)
    return [{ what: `cold: a server that boots at once (wait-on loads in ${load.toFixed(0)} ms)`, floor: floor!, ours: own, others: new Map(Object.entries(rest)), as: 'ms more', target: load + 60 }]
  },
}

const together = (clients: number, more: readonly ColdSide[], rounds: number, targets: readonly [wall?: number, cpu?: number]): Case => ({
  name: `crowd of ${clients}`, rounds,
  async run(bench, times) {
    const samples = await alternate(coldSides(bench, 0, [polling, ours, ...more], clients), times)
    const [ofWall, ofCpu] = targets
    return [
      { what: `crowd: ${clients} cold clients at once`, ...split(samples, ({ wall: ms }) => ms), as: 'ratio', ...(ofWall === undefined ? {} : { target: ofWall }) },
      { what: `crowd of ${clients}: CPU time of all clients`, ...split(samples, ({ cpu }) => cpu), as: 'ratio', ...(ofCpu === undefined ? {} : { target: ofCpu }) },
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
    return [{ what: 'import of the package', ...split(samples, ({ wall: ms }) => ms), as: 'ms more', target: 8 }]
  },
}

const stopping: Case = {
  name: 'stop', rounds: 10,
  async run(bench, rounds) {
    const after = await each(rounds, () => onGround(0, (ground) => withOurs(bench, ground, async (env, manager) => {
      await manager.ensureServerRunning()
      const returned = Number((await live([bench.node, program('stop')], env)).output)
      return returned - entriesOf(ground.env.LEDGER!).find(({ event }) => event === 'stop')!.at
    })))
    return [{ what: "stop: return after the server's own exit", ours: after, others: new Map(), as: 'ms', target: 20 }]
  },
}

const recovering: Case = {
  name: 'recovery', rounds: 10,
  async run(_, rounds) {
    const pairs = await each(rounds, (done) => round((t) => recovery(t, done, false)))
    return [{
      what: 'recovery: launcher killed while it held the lock, beside a cold start', floor: pairs.map(({ cold: ms }) => ms), ours: pairs.map(({ recovered }) => recovered),
      others: new Map(), as: 'ms more', target: 300,
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
  warmLibrary, many, coldSlow, coldFast, together(20, [plain, sockDaemon], 10, [1.3, 1.5]), together(100, [plain], 3, []), importing, stopping, recovering, waiting,
]

/** The folder in which what people use instead is installed. */
export const alternatives: string = dirname(program('x'))
