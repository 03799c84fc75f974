/**
 * `list`: every server that has a name here, the default one, and on Linux what else of this user runs on this host, which is
 * only looked at. Each is judged on its own: a file that cannot be judged is a line in the list, since hiding it or
 * giving up would both hide a server.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { ClientProcessManager } from '../client-process-manager.js'
import { OneServerError, stateUnusable } from '../errors.js'
import type { LeaseStatus } from '../server-info.js'
import { nodeSystem } from '../node-system.js'
import { defaultPidFile, resolvePidFile, stateDir } from '../paths.js'
import { parseRecord } from '../state/launch-record.js'
import { realpath } from '../system/files.js'
import { surroundings } from '../system/platform/current.js'
import type { Request } from './arguments.js'
import { use } from './clients.js'
import type { Output } from './output.js'
import { STATE_COLOURS } from './status.js'

interface Entry {
  readonly name: string
  /** Of its config file, where it is configured in one. */
  readonly folder: string | undefined
  readonly state: keyof typeof STATE_COLOURS
  readonly pid: number | undefined
  readonly url: string | undefined
  readonly since: Date | undefined
  readonly adopted: boolean
  readonly leases: readonly LeaseStatus[]
  readonly pinned: boolean
  readonly stopsAt: Date | undefined
  readonly isEnding: boolean
  readonly pidFile: string
  readonly logFile: string | undefined
  /** Why it is unusable. */
  readonly reason: string | undefined
}

const isClaimed = (pidFile: string): boolean => {
  try {
    return readdirSync(join(`${pidFile}.d`, nodeSystem.host())).some((name) => name.endsWith('.claim'))
  } catch {
    return false
  }
}

/** PID files, and those that were deleted while the claims that they are copies of go on. */
const namesIn = (folder: string): string[] => {
  try {
    const files = new Set(readdirSync(folder))
    const lost = [...files].filter((file) => file.endsWith('.pid.d')).map((file) => file.slice(0, -2)).filter((file) => !files.has(file) && isClaimed(join(folder, file)))
    return [...[...files].filter((file) => file.endsWith('.pid')), ...lost].sort()
  } catch (error) {
    // The first named server makes the folder.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw stateUnusable(folder, 'the folder of named servers cannot be read', 'Make it readable for you, or set ONE_SERVER_STATE_DIR.', error)
  }
}

const linesOf = (file: string): string[] => {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** A server of a config file is called as it is there; where that stands, only its own record knows. */
const called = (pidFile: string): { name: string; folder: string | undefined } => {
  const record = parseRecord(linesOf(pidFile)[1] ?? '')
  const { name, folder } = (typeof record === 'object' ? record.configured : undefined) ?? { name: basename(pidFile, '.pid'), folder: undefined }
  return { name, folder }
}

const NOTHING = { pid: undefined, url: undefined, since: undefined, adopted: false, leases: [], pinned: false, stopsAt: undefined, isEnding: false, reason: undefined } as const

const look = async ({ name, folder }: ReturnType<typeof called>, pidFile: string, isElsewhere: boolean, signal: AbortSignal): Promise<Entry> => {
  try {
    const manager = new ClientProcessManager({ pidFile })
    // Before anything is told of it: whoever used it may have been killed, and what would have ended it, too.
    if (!isElsewhere) await manager.isServerRunning({ signal })
    const { state, pid, url, since, adopted, leases, pinned, stopsAt, isEnding, logFile } = await manager.status({ signal })
    // A server without a claim is looked for on the default port, which says nothing about this name
    // unless its PID file names that very process.
    const strange = adopted && (pid === undefined || linesOf(pidFile)[0] !== String(pid))
    if (strange) return { ...NOTHING, name, folder, state: 'stopped', pidFile, logFile }
    return { name, folder, state, pid, url, since, adopted, leases, pinned, stopsAt, isEnding, pidFile, logFile, reason: undefined }
  } catch (error) {
    if (signal.aborted || !(error instanceof OneServerError)) throw error
    return { ...NOTHING, name, folder, state: 'unusable', pidFile, logFile: undefined, reason: error.message }
  }
}

/** PID files that are not among these, of launches whose processes live: the file must be of the very launch that a process carries. */
const elsewhere = (known: readonly string[]): string[] =>
  surroundings.launches().flatMap(({ launchId, pidFile }) => {
    const record = known.includes(pidFile) ? undefined : parseRecord(linesOf(pidFile)[1] ?? '')
    return typeof record === 'object' && record.launch === launchId ? [pidFile] : []
  }).sort()

/** One line, whatever a folder is called. */
const title = ({ name, folder }: Entry): string => (folder === undefined ? name : `${name} (${folder})`).replace(/\p{Cc}/gu, '?')

const table = (entries: readonly Entry[], output: Output): string => {
  const cells = entries.map((entry) => [title(entry), entry.state, entry.pid?.toString() ?? '-', use(entry) ?? '-', entry.reason ?? entry.url ?? '-'] as const)
  const widest = (column: 0 | 1 | 2 | 3): number => Math.max(...cells.map((row) => row[column].length))
  const [names, states, pids, uses] = [widest(0), widest(1), widest(2), widest(3)]
  return cells
    .map(([name, state, pid, used, rest]) => `${name.padEnd(names)}  ${output.paint(STATE_COLOURS[state], state.padEnd(states))}  ${pid.padEnd(pids)}  ${used.padEnd(uses)}  ${rest}\n`)
    .join('')
}

export const run = async ({ onlyNamed }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const folder = stateDir(process.env)
  const files = namesIn(folder).map((file) => join(folder, file)).map((pidFile) => ({ which: called(pidFile), pidFile, isElsewhere: false }))
  const unnamed = defaultPidFile(process.env)
  if (existsSync(unnamed) || isClaimed(unnamed)) files.unshift({ which: { name: '(default)', folder: undefined }, pidFile: resolve(unnamed), isElsewhere: false })
  const known = files.map(({ pidFile }) => resolvePidFile(pidFile, realpath))
  for (const pidFile of onlyNamed ? [] : elsewhere(known)) files.push({ which: { name: pidFile, folder: undefined }, pidFile, isElsewhere: true })
  const servers = await Promise.all(files.map(({ which, pidFile, isElsewhere }) => look(which, pidFile, isElsewhere, signal)))
  if (output.json) await output.document({ servers })
  else if (servers.length > 0) await output.result(table(servers, output))
  else output.note('no servers')
  return 0
}
