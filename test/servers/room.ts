/**
 * Where one row takes place: a folder with the files of the server, its real clients, and the ledger that the command itself keeps. What
 * the library says is what is tested, so the ledger and the kernel (machine.ts) tell what happened.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ClientProcessManagerOptions, ServerInfo } from '../../lib/index.js'
import { startSpeaking } from '../support/child.js'
import { allEnded, client, place, together, type Client, type Ended, type Place } from '../support/clients.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { binOf, PATH, projectIn } from './install.js'
import { belongTo, killAll, type Seen } from './machine.js'
import type { Row } from './row.js'

/** The user that the clients are where root starts nothing: root's own series still needs PostgreSQL. */
const NOBODY = 65534
/** ms; short of it nothing fails because a machine is slow. */
const PATIENCE = 120_000

/** Writes a line into the ledger and becomes the command: PID, parent and descriptors are the command's own. */
const RECORD = 'echo $$ >>"$0"; exec "$@"'
/** The same, and the command waits at a FIFO, so that each client waits for the launch before the launch fails. */
const RECORD_AND_WAIT = 'echo $$ >>"$0"; : <"$0.gate"; exec "$@"'

const HOLD = `const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
const lease = await new ClientProcessManager(JSON.parse(process.argv[1])).acquire()
console.log(JSON.stringify(lease.server))
process.stdin.once('data', async () => { await lease.release(); console.log('released'); process.exit() })`

export interface Holder {
  readonly server: ServerInfo
  release(): Promise<void>
}

export interface Room {
  readonly folder: string
  /** Calls the library in clients of their own, all in the same instant. */
  crowd(count: number): Promise<Ended[]>
  ask<Info>(method: string): Promise<Info>
  hold(): Promise<Holder>
  /** Calls the library for a command that fails, once every client waits for it. */
  crowdThatFails(count: number, command: readonly string[]): Promise<Ended[]>
  /** PIDs of the leaders of all runs so far, as the command wrote them down. */
  leaders(): number[]
  /** What belongs to the server now. */
  found(): Seen[]
  /** Names of what the library has left. */
  state(): string[]
  killAll(): Promise<void>
  /** How the server answers a person. */
  answer(url: string): Promise<string>
  /** Rewrites a file, with a line more. */
  touch(file: string): void
}

/** A look at all of /proc costs some ms, so the condition is asked ten times in a second at most. */
export const slowly = <T>(condition: () => T | Promise<T>, what: string): Promise<NonNullable<T>> =>
  until(async () => {
    const value = await condition()
    if (!value) await sleep(100)
    return value
  }, what)

const accepted = (host: string, port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, host, () => { socket.destroy(); resolve('accepted') }).once('error', reject)
  })

const answerOf = async (url: string, path: string): Promise<string> => {
  const { protocol, hostname, port } = new URL(url)
  if (protocol === 'tcp:') return accepted(hostname.replaceAll(/[[\]]/g, ''), Number(port))
  const response = await fetch(url + path, { headers: { connection: 'close' } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}${path} answers ${response.status}`)
  return text
}

/** The folder of a row; what its server needs lies in it. */
const furnish = (t: Test, { needs = {}, files = {} }: Row): string => {
  const project = needs.imports ? projectIn(needs.npm) : undefined
  const folder = project ?? tempFolder(t)
  if (project !== undefined) t.teardown(() => rmSync(project, { recursive: true, force: true, maxRetries: 3 }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text.replaceAll('{folder}', folder))
  }
  chmodSync(folder, 0o755)
  return folder
}

export const openRoom = (t: Test, row: Row): Room => {
  const folder = furnish(t, row)
  const ports = new Set<number>()
  const fill = (text: string): string => text.replaceAll('{folder}', folder)
  const own: Place = place(t, folder)
  const uid = row.needs?.user === 'other' && process.getuid?.() === 0 ? NOBODY : undefined
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${uid}`, folder])
  const env = {
    ...own.env, PATH: [binOf(row.needs?.npm), PATH].join(delimiter),
    ...Object.fromEntries(Object.entries(row.env ?? {}).map(([name, value]) => [name, fill(value)])),
  }
  // A place of its own, so that a client of this room has the environment of a user of this program.
  const here: Place = { ...own, env }
  const ledger = join(folder, 'runs')
  const optionsFor = (command: readonly string[], record: string): ClientProcessManagerOptions => ({
    pidFile: own.pidFile, command: ['sh', '-c', record, ledger, ...command.map(fill)], port: 'auto', cwd: folder, idleTimeout: 1000,
    startupTimeout: PATIENCE, healthTimeout: 5000, stopTimeout: 10_000,
    ...(row.ready === undefined ? { healthPath: row.health ?? '/' } : { ready: row.ready }),
  })
  const options = optionsFor(row.command, RECORD)
  const plan = uid === undefined ? {} : { uid }
  const meet = async (clients: readonly Client[]): Promise<Ended[]> => {
    const ended = await allEnded(clients)
    for (const { result } of ended) if (result?.info.port !== undefined) ports.add(result.info.port)
    return ended
  }
  t.teardown(() => killAll(folder, [...ports]))

  const room: Room = {
    folder,
    crowd: async (count) => meet(await together(t, here, count, options, plan)),
    ask: async <Info>(method: string) => {
      const [ended] = await meet([client(t, here, options, { ...plan, method })])
      if (ended?.result === undefined) throw new Error(`${method} failed: ${ended?.error?.message ?? ended?.stderr}`)
      return ended.result.info as Info
    },
    hold: async () => {
      const args = ['--input-type=module', '--eval', HOLD, JSON.stringify(options)]
      const user = uid === undefined ? {} : { uid, gid: uid }
      const { child, line } = startSpeaking(t, process.execPath, args, { env, cwd: folder, ...user })
      const server = JSON.parse(await line()) as ServerInfo
      ports.add(server.port)
      return { server, release: async () => { child.stdin!.write('release\n'); await line() } }
    },
    crowdThatFails: async (count, command) => {
      execFileSync('mkfifo', ['-m', '666', `${ledger}.gate`])
      const before = room.leaders().length
      const clients = await together(t, here, count, optionsFor(command, RECORD_AND_WAIT), plan)
      await Promise.all(clients.map((one) => Promise.race([one.said('waiting'), one.said('spawned')])))
      await slowly(() => room.leaders().length > before, 'the command that fails to begin')
      writeFileSync(`${ledger}.gate`, '')
      return meet(clients)
    },
    leaders: () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n').map(Number) : []),
    found: () => belongTo(folder, [...ports]),
    state: () => readdirSync(folder).filter((name) => name.startsWith('s.pid')),
    killAll: () => killAll(folder, [...ports]),
    answer: (url) => answerOf(url, row.health ?? '/'),
    touch: (file) => appendFileSync(join(folder, file), '\n'),
  }
  return room
}

