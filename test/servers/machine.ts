/**
 * What the kernel tells about a server, whatever the library says about it. A process belongs to a row when anything about it names the
 * folder of the row (command line, environment, working folder, an open file), when it listens on the port of the row, or when it
 * descends from such a process or shares its session. A daemon escapes some of these signs, and not all of them at once.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, send } from '../support/clients.js'

export interface Seen {
  readonly pid: number
  readonly parent: number
  readonly session: number
  readonly commandLine: string
  /** The watchdog of a lease, or the reaper that it runs: it may outlive the call that stopped the server by a moment. */
  readonly isWatch: boolean
}

const orElse = <T>(value: T, read: () => T): T => {
  try {
    return read()
  } catch {
    return value
  }
}

const textOf = (path: string): string => orElse('', () => readFileSync(path, 'latin1'))

const linkOf = (path: string): string => orElse('', () => readlinkSync(path))

const filesOf = (pid: number): string[] =>
  orElse<string[]>([], () => readdirSync(`/proc/${pid}/fd`)).map((name) => linkOf(`/proc/${pid}/fd/${name}`))

/** The names of the sockets that listen on a port, as descriptors show them (proc_net_tcp(5): column 4 is the state, 10 the inode). */
const socketsAt = (ports: readonly number[]): Set<string> => {
  const wanted = ports.map((port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`)
  const lines = ['tcp', 'tcp6'].flatMap((name) => textOf(`/proc/net/${name}`).split('\n').slice(1))
  const rows = lines.map((line) => line.trim().split(/\s+/))
  return new Set(rows.filter((row) => row[3] === '0A' && wanted.some((end) => row[1]!.endsWith(end))).map((row) => `socket:[${row[9]}]`))
}

/** Whether anything listens on a port. */
export const isListening = (port: number): boolean => socketsAt([port]).size > 0

/** Clients of the series name the folder, too, and do not belong to the server. */
const isClient = (commandLine: string): boolean => /fixtures\/client\.mjs|ClientProcessManager/.test(commandLine)

/** The processes that belong to a folder, or listen on one of the ports. */
export const belongTo = (folder: string, ports: readonly number[]): Seen[] => {
  const sockets = socketsAt(ports)
  const inside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`)
  const all: Seen[] = []
  const own = new Set<number>()
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
  for (const pid of names) {
    if (pid === process.pid || !isAlive(pid)) continue
    const stat = textOf(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const commandLine = textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
    if (isClient(commandLine)) continue
    const environment = textOf(`/proc/${pid}/environ`)
    const isWatch = environment.includes('\0ONE_SERVER_WATCH=')
    all.push({ pid, parent: Number(fields[1]), session: Number(fields[3]), commandLine, isWatch })
    const files = filesOf(pid)
    const named = commandLine.includes(folder) || environment.includes(folder) || inside(linkOf(`/proc/${pid}/cwd`))
    if (named || files.some((file) => inside(file) || sockets.has(file))) own.add(pid)
  }
  // Until nothing is added: a child of a child may come before its parent.
  for (let size = 0; size !== own.size;) {
    size = own.size
    const sessions = new Set(all.filter(({ pid, session }) => own.has(pid) && names.includes(session)).map(({ session }) => session))
    for (const { pid, parent, session } of all) if (own.has(parent) || (sessions.has(session) && own.has(session))) own.add(pid)
  }
  return all.filter(({ pid }) => own.has(pid))
}

/** Kills all that belongs to a folder, and returns when nothing is left: a supervisor may start another before it dies itself. */
export const killAll = async (folder: string, ports: readonly number[]): Promise<void> => {
  for (let looks = 0; looks < 600; looks++) {
    const found = belongTo(folder, ports)
    if (found.length === 0) return
    for (const { pid } of found) send(pid, 'SIGKILL')
    await sleep(50)
  }
  throw new Error(`not even SIGKILL ends ${JSON.stringify(belongTo(folder, ports))}`)
}
