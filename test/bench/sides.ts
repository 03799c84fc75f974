/**
 * What is measured side by side: the floor, which does as little as can be done; ours; and what people use instead.
 * Each side makes its own server and ends it, both outside the time that is measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import { ClientProcessManager, type ClientProcessManagerOptions } from '../../lib/index.js'
import { bareEnv, fixture } from '../support/child.js'
import { entriesOf } from '../support/ledger.js'
import { until } from '../support/until.js'
import { crowd, program, type Crowd, type Environment } from './processes.js'

/** The Node that runs what is measured. */
export interface Bench {
  readonly node: string
}

/** A folder of its own for one round; `env` is what its processes get. */
export interface Ground {
  readonly folder: string
  readonly port: number
  readonly env: Environment
}

/** ms that the server takes to boot, and the program that does so. */
export type Boot = 0 | 300 | 10_000

const SERVER = (boot: Boot): string => fixture(boot === 0 ? 'healthy.mjs' : 'boots-after-300ms.mjs')

export const onGround = async <Result>(boot: Boot, work: (ground: Ground) => Promise<Result>): Promise<Result> => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'os-bench-'))
  const port = await getPort()
  const env = {
    HOME: folder, PORT: String(port), SERVER: SERVER(boot), BOOT_MS: String(boot), LEDGER: join(folder, 'ledger'),
    HEALTH_URL: `http://127.0.0.1:${port}/api/health`, PID_FILE: join(folder, 's.pid'),
  }
  try {
    return await work({ folder, port, env })
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** PIDs of the servers that started here, as they say themselves. */
const startedOn = ({ env }: Ground): number[] => entriesOf(env.LEDGER!).filter(({ event }) => event === 'start').map(({ pid }) => pid)

export const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Ends the servers that a side without a stop of its own has started. */
export const endServers = async (ground: Ground): Promise<void> => {
  const pids = startedOn(ground).filter(lives)
  for (const pid of pids) process.kill(pid, 'SIGTERM')
  await until(() => !pids.some(lives), 'the servers to end')
}

const healthy = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    get(url, { agent: false }, (response) => resolve(response.resume().statusCode === 200)).on('error', () => resolve(false))
  })

/** A server that this process started, for clients that find one. */
export const withServer = async <Result>({ node }: Bench, ground: Ground, work: () => Promise<Result>): Promise<Result> => {
  const server = spawn(node, [ground.env.SERVER!], { env: { ...bareEnv(), ...ground.env }, stdio: 'ignore' })
  const gone = once(server, 'exit')
  try {
    await until(() => healthy(ground.env.HEALTH_URL!), 'the server to boot')
    return await work()
  } finally {
    server.kill('SIGKILL')
    await gone
  }
}

/** Options with which one-server is asked for the same server. */
export const optionsOn = (ground: Ground, { node }: Bench, more: ClientProcessManagerOptions = {}): ClientProcessManagerOptions => ({
  pidFile: ground.env.PID_FILE!, command: [node, ground.env.SERVER!], port: 'auto', startupTimeout: '60s',
  env: { BOOT_MS: ground.env.BOOT_MS, LEDGER: ground.env.LEDGER }, inheritEnv: ['PATH', 'HOME'], ...more,
})

/** A round of ours; the server is stopped at its end, if there is one. */
export const withOurs = async <Result>(
  bench: Bench, ground: Ground, work: (env: Environment, manager: ClientProcessManager) => Promise<Result>,
  more: ClientProcessManagerOptions = {},
): Promise<Result> => {
  const options = optionsOn(ground, bench, more)
  const manager = new ClientProcessManager(options)
  const { PORT: _, ...env } = ground.env
  try {
    return await work({ ...env, OPTIONS: JSON.stringify(options) }, manager)
  } finally {
    await manager.stopServer()
  }
}

/** Clients that meet no server, in a crowd of any size. */
export interface ColdSide {
  readonly name: string
  readonly command: (bench: Bench, env: Environment) => readonly string[]
  readonly around: <Result>(bench: Bench, ground: Ground, work: (env: Environment) => Promise<Result>) => Promise<Result>
}

const thenEnd = async <Result>(ground: Ground, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } finally {
    await endServers(ground)
  }
}

/** ms between two looks of a bare client. A crowd comes up so slowly that most of it finds the server ready at its first look. */
const bare = (interval: number): ColdSide => ({
  name: 'floor',
  command: ({ node }) => [node, program('poll')],
  around: (_, ground, work) =>
    thenEnd(ground, () => work({ ...ground.env, INTERVAL: String(interval), FIRST: join(ground.folder, 'first') })),
})

/** One client that spawns the server itself and polls it. */
export const bareClient: ColdSide = bare(5)

/** Such clients together, of which the one that comes first spawns the server when it comes to it. */
export const bareCrowd: ColdSide = bare(25)

export const ours: ColdSide = {
  name: 'one-server',
  command: ({ node }) => [node, program('ours')],
  around: (bench, ground, work) => withOurs(bench, ground, (env) => work(env)),
}

export const plain: ColdSide = {
  name: 'plain use of the packages',
  command: ({ node }) => [node, program('plain')],
  around: (_, ground, work) => thenEnd(ground, () => {
    const { PORT: _port, ...env } = ground.env
    return work(env)
  }),
}

export const sockDaemon: ColdSide = {
  name: 'sock-daemon',
  command: ({ node }) => [node, program('sock-daemon')],
  around: (_, ground, work) => thenEnd(ground, () => work(ground.env)),
}

/** Ends the server itself, with its command. */
export const startServerAndTest: ColdSide = {
  name: 'start-server-and-test',
  command: ({ node }, { HEALTH_URL }) =>
    [node, join(program('x'), '../node_modules/start-server-and-test/src/bin/start.js'), `${node} $SERVER`, HEALTH_URL!, 'true'],
  around: (_, ground, work) => thenEnd(ground, () => work(ground.env)),
}

/** Clients of one side that meet no server, all spawned at once. */
export const gathered = (bench: Bench, side: ColdSide, clients: number, boot: Boot = 0): Promise<Crowd> =>
  onGround(boot, (ground) => side.around(bench, ground, (env) =>
    crowd(clients, side.command(bench, env), env, side === sockDaemon ? ground.folder : undefined)))
