/**
 * `list`: every server with a name, the default one, and on Linux each other server of this user on this host. To hide a file that
 * nobody can judge, or to give up at it, would hide a server: so each file is judged on its own, and each is a line in the list.
 */
import { existsSync, lstatSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { ClientProcessManager } from '../client-process-manager.js'
import { OneServerError } from '../errors.js'
import type { AnyStatus, ServerStatus } from '../server-info.js'
import { nodeSystem } from '../node-system.js'
import { defaultPidFile, resolvePidFile, stateDir } from '../paths.js'
import { parseRecord } from '../state/launch-record.js'
import { realpath } from '../system/files.js'
import { surroundings } from '../system/platform/current.js'
import { onOneLine } from '../text/terminal-text.js'
import type { Request } from './arguments.js'
import { use } from './clients.js'
import { isClaimed, linesOf, named, namesIn, type Listed } from './named-servers.js'
import type { Output } from './output.js'
import { STATE_COLOURS } from './status.js'

/** No client can judge its files. */
interface Unusable {
  readonly state: 'unusable'
  readonly pidFile: string
  readonly reason: string
}

type Entry = {
  readonly name: string
  /** Of its config file, where it is configured in one. */
  readonly folder: string | undefined
} & (ServerStatus | Unusable)

const look = async ({ name, folder, pidFile, isElsewhere }: Listed, signal: AbortSignal): Promise<Entry> => {
  try {
    const manager = new ClientProcessManager({ pidFile })
    // All clients of a server, and its watchdogs, may have been killed: then this call ends it before the list shows it.
    if (!isElsewhere) await manager.isServerRunning({ signal })
    const status: AnyStatus = await manager.status({ signal })
    // The search for a server without a claim looks at the default port, where another server may answer: only the process
    // that the PID file names is the one of this name.
    const { adopted, pid, logFile } = status
    const strange = adopted && (pid === undefined || linesOf(pidFile)[0] !== String(pid))
    return { name, folder, ...(strange ? { state: 'stopped', pidFile, logFile } : status as ServerStatus) }
  } catch (error) {
    if (signal.aborted || !(error instanceof OneServerError)) throw error
    return { name, folder, state: 'unusable', pidFile, reason: error.message }
  }
}

/**
 * PID files that are not among these, of launches whose processes live. The file must name the launch that a process carries, or be
 * gone: something may have deleted all state of a server that lives.
 */
const unlisted = (known: readonly string[]): string[] =>
  [...new Set(surroundings.launches().flatMap(({ launchId, pidFile }) => {
    if (known.includes(pidFile) || !isAbsolute(pidFile)) return []
    const record = parseRecord(linesOf(pidFile)[1] ?? '')
    return isGone(pidFile) || (typeof record === 'object' && record.launch === launchId) ? [pidFile] : []
  }))].sort()

const isGone = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

/** Whatever there is of an entry. */
type Shown = Omit<AnyStatus, 'state' | 'logFile'> & Pick<Entry, 'state'> & Partial<Pick<Unusable, 'reason'>>

/** One line, whatever characters a folder has in its name. */
const title = ({ name, folder }: Entry): string =>
  onOneLine(folder === undefined ? name : `${name} (${folder})`)

const table = (entries: readonly Entry[], output: Output): string => {
  const cells = entries.map((entry) => {
    const { state, pid, reason, url, host }: Shown = entry
    const used = use(entry as Shown) ?? '-'
    return [title(entry), state, onOneLine(host ?? '-'), pid?.toString() ?? '-', used, onOneLine(reason ?? url ?? '-')] as const
  })
  const widest = (column: 0 | 1 | 2 | 3 | 4): number => Math.max(...cells.map((row) => row[column].length))
  const [names, states, hosts, pids, uses] = [widest(0), widest(1), widest(2), widest(3), widest(4)]
  // Who shares no server with another host has no use for the column.
  const isShared = entries.some((entry: Shown) => entry.coordinator !== undefined)
  return cells
    .map(([name, state, host, pid, used, rest]) => {
      const coloured = output.paint(STATE_COLOURS[state], state.padEnd(states))
      const where = isShared ? `${host.padEnd(hosts)}  ` : ''
      return `${name.padEnd(names)}  ${coloured}  ${where}${pid.padEnd(pids)}  ${used.padEnd(uses)}  ${rest}\n`
    })
    .join('')
}

const listed = async (onlyNamed: boolean, signal: AbortSignal): Promise<readonly Entry[]> => {
  const folder = stateDir(process.env)
  const host = await nodeSystem.host()
  const found = namesIn(folder, host).map((file) => named(join(folder, file)))
  const unnamed = defaultPidFile(process.env)
  if (existsSync(unnamed) || isClaimed(unnamed, host)) {
    found.unshift({ name: '(default)', folder: undefined, pidFile: resolve(unnamed), isElsewhere: false })
  }
  const known = found.map(({ pidFile }) => resolvePidFile(pidFile, realpath))
  const own = resolvePidFile(join(folder, '.pid'), realpath)
  for (const pidFile of unlisted(known)) {
    if (dirname(pidFile) === dirname(own) && pidFile.endsWith('.pid')) found.push(named(pidFile))
    else if (!onlyNamed) found.push({ name: pidFile, folder: undefined, pidFile, isElsewhere: true })
  }
  return Promise.all(found.map((one) => look(one, signal)))
}

/** Of a change the time that is left is no part: it changes at each look. */
const seen = ({ state, pid, url, reason, pinned, isEnding, leases = [], stopsAt, host, users = [] }: Shown): string =>
  JSON.stringify([
    state, pid, url, reason, pinned, isEnding, leases.map((lease) => lease.pid), stopsAt !== undefined,
    host, users.map((user) => user.host),
  ])

export const run = async ({ onlyNamed, watch }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  if (watch) {
    const { watchList } = await import('./watch-list.js')
    const gone = (entry: Entry): string => `${title(entry)}  gone`
    const lines = (entries: readonly Entry[]): string => (entries.length === 0 ? '' : table(entries, output))
    await watchList({ look: () => listed(onlyNamed, signal), table: lines, id: ({ pidFile }) => pidFile, seen, gone }, output, signal)
    return 0
  }
  const servers = await listed(onlyNamed, signal)
  if (output.json) await output.document({ servers })
  else if (servers.length > 0) await output.result(table(servers, output))
  else output.note('no servers')
  return 0
}
