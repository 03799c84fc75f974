/**
 * What the stories share: a place of its own for one server, real client processes behind a barrier,
 * and the ledger in which the servers themselves write down that they ran. What the library reports
 * is what is being tested, so a story counts what the processes did and what lies on the disk.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { ClientProcessManager, type ClientProcessManagerOptions, type LeaseStatus, type OneServerError, type ServerInfo } from '../../lib/index.js'
import type { AnyStatus } from '../../lib/server-info.js'
import { entriesOf, type Entry } from './ledger.js'
import { isAlive, processesWith } from './processes.js'
import { tempFolder } from './temp-folder.js'
import { until } from './until.js'

export { groupOf, isAlive, parentOf, processesIn, stateOf } from './processes.js'

/** ms on the monotonic clock of the boot, as in the ledger and in the events of the library. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** A status with whatever fields it has: the test says which state it expects. */
export const statusOf = async (manager: Pick<ClientProcessManager, 'status'>): Promise<AnyStatus & { readonly leases: readonly LeaseStatus[] }> =>
  ({ leases: [], ...(await manager.status()) })

/** The path of a program in the fixtures. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/${name}.mjs`, import.meta.url))

/** Long enough for 32 clients on a busy machine; a story that is about a timeout gives its own. */
const PATIENCE = 120_000

/** Where one server of a story lives. What is left of it at the end of the test is ended. */
export interface Place {
  readonly folder: string
  readonly pidFile: string
  readonly logFile: string
  /** Environment of the clients: nothing of the test runner's, and a home of its own. */
  readonly env: Readonly<Record<string, string>>
  /** Options for a server of the fixtures, which keeps the ledger of this place. */
  options(server: string, more?: ClientProcessManagerOptions): ClientProcessManagerOptions
  /** A client in this process. */
  manager(server: string, more?: ClientProcessManagerOptions): ClientProcessManager
  ledger(): Entry[]
  /** Servers that were started, as they say themselves. */
  starts(): Entry[]
  /** PIDs of what lives of any launch here: servers, their descendants, children at the gate. */
  alive(): number[]
  /** Returns when this process is the only one that lives here: the keeper of a server has been killed when its call returns, and needs a moment to end. */
  only(pid: number): Promise<void>
  /** Names in the folder, logs and what the test put there excepted. */
  left(): string[]
  /** Ends a process of a server and returns when it is gone, or a zombie. */
  kill(pid: number, signal?: NodeJS.Signals): Promise<void>
  /** Notes that these servers have ended: one that is killed does not write it down. */
  sawDead(servers: readonly Entry[]): void
  /** Asserts that no process and no state is left. */
  nothingLeft(t: Test, what?: string): void
  /** Asserts that no server began before the one before it had ended. */
  oneAtATime(t: Test, what?: string): void
}

/** A folder may go while it is read. */
const namesBelow = (folder: string): string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      [entry.name, ...(entry.isDirectory() ? namesBelow(join(folder, entry.name)).map((name) => join(entry.name, name)) : [])])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Sends a signal to a process that this test has started, or whose server's client it has started. */
export const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const bareEnvironment = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(NODE_|TAP|_TAP|XDG_|ONE_SERVER_|PORT$|HOST$|LEDGER)/.test(name) ? [] : [[name, value]],
  ))

/** `existing`: a folder to use, in place of one that goes with the test. */
export const place = (t: Pick<Test, 'teardown'>, folder: string = tempFolder(t)): Place => {
  const pidFile = join(folder, 's.pid')
  const ledgerFile = join(folder, 'ledger')
  const mark = `LEDGER=${ledgerFile}`
  const deaths = new Map<number, number>()
  const put = new Set(existsSync(folder) ? readdirSync(folder) : [])

  const here: Place = {
    folder, pidFile, logFile: join(folder, 's.log'),
    env: { ...bareEnvironment(), HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), ONE_SERVER_LIB: new URL('../../lib/index.js', import.meta.url).href },
    options: (server, { env, ...more } = {}) => ({
      pidFile, ...(more.command === undefined ? { serverScript: server.includes('/') ? server : fixture(server) } : {}),
      port: 'auto', onMismatch: 'reuse', startupTimeout: PATIENCE, stopTimeout: 2000, inheritEnv: ['PATH'], ...more, env: { LEDGER: ledgerFile, ...env },
    }),
    manager: (server, more) => new ClientProcessManager(here.options(server, more)),
    ledger: () => entriesOf(ledgerFile),
    starts: () => here.ledger().filter(({ event }) => event === 'start'),
    // A server that has written itself down is one, where environments do not show.
    alive: () => processesWith(mark) ?? here.starts().map(({ pid }) => pid).filter(isAlive),
    only: async (pid) => { await until(() => here.alive().join() === String(pid), `PID ${pid} alone to live, and not ${here.alive().join(', ')}`) },
    left: () => namesBelow(folder).filter((name) => !put.has(name) && name !== 'ledger' && !/\.log(\.prev)?$/.test(name)),
    kill: async (pid, signal = 'SIGKILL') => {
      deaths.set(pid, now())
      send(pid, signal)
      await until(() => !isAlive(pid), `PID ${pid} to end by ${signal}`)
    },
    sawDead: (servers) => { for (const { pid } of servers) if (!deaths.has(pid)) deaths.set(pid, now()) },
    nothingLeft: (t, what = 'nothing is left') => {
      t.same({ files: here.left(), processes: here.alive() }, { files: [], processes: [] }, what)
    },
    oneAtATime: (t, what = 'never two servers at once') => {
      const all = here.ledger().toSorted((one, other) => one.at - other.at)
      const running = new Map<number, Entry>()
      const overlaps: string[] = []
      for (const entry of all) {
        for (const pid of running.keys()) if ((deaths.get(pid) ?? Infinity) < entry.at) running.delete(pid)
        if (entry.event === 'stop') running.delete(entry.pid)
        if (entry.event !== 'start') continue
        if (running.size > 0) overlaps.push(`PID ${entry.pid} began at ${entry.at} beside PID ${[...running.keys()].join(', ')}`)
        running.set(entry.pid, entry)
      }
      t.same(overlaps, [], what)
    },
  }

  t.teardown(async () => {
    for (const pid of here.alive()) send(pid, 'SIGKILL')
    await until(() => here.alive().length === 0, 'the last process of the test to end')
  })
  return here
}

/** One line of a client: `loaded`, an event of the library, `result` or `error`. */
export interface Line {
  readonly event: string
  readonly at: number
  readonly [field: string]: unknown
}

export type Result = Line & { readonly info: ServerInfo; readonly status: number | string }
export type Failure = Line & Pick<OneServerError, 'code' | 'hint' | 'message'> & Partial<OneServerError>

export interface Ended {
  readonly lines: readonly Line[]
  /** How the call ended; undefined when it failed, or the client was killed. */
  readonly result: Result | undefined
  readonly error: Failure | undefined
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
  /** When it had exited, and all its output was read. */
  readonly at: number
}

export interface Client {
  readonly child: ChildProcess
  readonly pid: number
  /** Resolves with the first line of this event; rejects when the client ends without one. */
  said(event: string): Promise<Line>
  /** Opens its barrier. */
  release(): void
  readonly ended: Promise<Ended>
}

export interface ClientPlan {
  readonly barrier?: boolean
  readonly env?: Record<string, string>
  /** Arguments of Node before the script. */
  readonly nodeArgs?: readonly string[]
  readonly uid?: number
  /** A method other than ensureServerRunning. */
  readonly method?: string
}

/** Starts a real client process. */
export const client = (t: Pick<Test, 'teardown'>, at: Place, options: ClientProcessManagerOptions, { barrier = false, env, nodeArgs = [], uid, method }: ClientPlan = {}): Client => {
  const child = spawn(process.execPath, [...nodeArgs, fixture('client'), JSON.stringify(options), ...(barrier ? ['barrier'] : [])], {
    cwd: at.folder, env: { ...at.env, ...(method === undefined ? {} : { METHOD: method }), ...env }, stdio: [barrier ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  let stderr = ''
  child.stdin?.on('error', () => {})
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const whole = (rest + text).split('\n')
    rest = whole.pop()!
    lines.push(...whole.map((line) => JSON.parse(line) as Line))
    for (const look of waiting) look()
  })
  const find = (event: string): Line | undefined => lines.find((line) => line.event === event)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ lines, result: find('result') as Result | undefined, error: find('error') as Failure | undefined, code, signal, stderr, at: now() })
    })
  })
  ended.catch(() => {})
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    child, pid: child.pid!, ended,
    release: () => child.stdin?.end('go\n'),
    said: (event) => new Promise((resolve, reject) => {
      const look = (): void => {
        const line = find(event)
        if (line === undefined) return
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      look()
      ended.then(() => reject(new Error(`a client ended without ${event}: ${stderr}${JSON.stringify(lines)}`)), reject)
    }),
  }
}

/** Starts clients that begin their calls in the same instant, once all of them are loaded. */
export const together = async (t: Pick<Test, 'teardown'>, at: Place, count: number, options: ClientProcessManagerOptions, plan: ClientPlan = {}): Promise<Client[]> => {
  const clients = Array.from({ length: count }, () => client(t, at, options, { ...plan, barrier: true }))
  await Promise.all(clients.map((one) => one.said('loaded')))
  for (const one of clients) one.release()
  return clients
}

export const allEnded = (clients: readonly Client[]): Promise<Ended[]> => Promise.all(clients.map((one) => one.ended))

/** The result of a client that must have one. */
export const resultOf = ({ result, error, stderr, signal }: Ended): Result => {
  if (result === undefined) throw new Error(`a client has no server: ${error?.message ?? signal ?? ''} ${stderr}`)
  return result
}

/** How a call in this process failed. */
export const failureOf = async (call: Promise<unknown>): Promise<OneServerError> => {
  try {
    await call
  } catch (error) {
    return error as OneServerError
  }
  throw new Error('the call was meant to fail')
}

const canListen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })

let next = 20_000 + ((process.pid * 17) % 10_000)

/** A port that nothing uses, below those that the kernel gives to whoever asks for any, so that it stays free. */
export const quietPort = async (): Promise<number> => {
  while (!(await canListen(++next)));
  return next
}

/** Whether something accepts connections on a port. */
export const accepts = (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host, () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })

/** Runs a program of the fixtures by hand, as a stranger would, until it listens on its port. */
export const stranger = async (t: Test, name: string, port: number, env: Record<string, string> = {}): Promise<number> => {
  const child = spawn(process.execPath, [fixture(name)], { env: { ...bareEnvironment(), ...env, PORT: String(port) }, stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = new Promise<void>((resolve) => { child.once('exit', () => resolve()) })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    void exited.then(() => reject(new Error(`${name} did not listen on port ${port}`)))
  })
  return child.pid!
}

/** A process that is no server at all and lives until the test ends. */
export const bystander = (t: Test): number => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  t.teardown(() => { child.kill('SIGKILL') })
  return child.pid!
}
