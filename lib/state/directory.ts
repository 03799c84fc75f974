/**
 * The names in the host's folder. A claim is a client's written promise to start a server, made before that server
 * runs, and promise 1 rests on it. A crash can cut the body of a file short, so the *name* of a claim holds all that
 * judges it: launch id, PID, start time and process group of the server.
 *
 * Format 1 of the names (16 hex digits identify a launch):
 *
 *     <launch>.<pid>.<start>.<group>.claim   a claim; created as a whole, never rewritten or renamed
 *     <launch>.gate                     empty until the gate was opened; the server's own process writes it
 *     <launch>.stdin                    a FIFO, for an instant: the gate opens it as the stdin of the server and removes the name
 *     <launch>.ready                    the health check has answered; body: the URL that answered
 *     <launch>.unattended               its launcher has detached without waiting for it
 *     <launch>.pin                      a client started it explicitly: no lease decides when it ends
 *     <lease>.<launch>.<pid>.<start>.lease   that process uses it; body: since when, and its command
 *     <lease>.<launch>.<pid>.<start>.watch   that process, a watchdog, ends it when nobody uses it
 *     <random>.<launch>.<pid>.<start>.<until>.wait   that process waits for it until then, in monotonic ms
 *     <launch>.<lease>.pipe             a FIFO, for an instant: a command opens it, and its watchdog, which removes the name
 *     <launch>.<random>.ending          an intention to end it past its deadline; body: what the waiting clients get
 *     <launch>.<random>.idle            an intention to end it because nobody uses it
 *     <launch>.ended                    it is being ended; body: what the waiting clients get
 *     <launch>.outcome                  how it failed
 *     <random>.<pid>.<start>.tmp        a file being written by that process
 *     <random>.<pid>.<start>.locking    that process is at the lock
 *
 * A later format ends in a digit (`.claim2`). This version never judges, signals or deletes it.
 */
import { join } from 'node:path'
import { stateNewer } from '../errors.js'
import type { Paths } from '../paths.js'
import type { Leader, ProcessId, System } from '../system/system.js'

/** One launch, as a listing of the folder shows it. */
export interface Launch {
  readonly id: string
  readonly leader: Leader
  readonly ready: boolean
  readonly unattended: boolean
  readonly pinned: boolean
  readonly ended: boolean
}

/** A lease, or a watchdog over a launch. */
export interface LeaseEntry {
  readonly name: string
  readonly kind: 'lease' | 'watch'
  /** Those of a lease and of its watchdog begin alike (`watchedAs`). */
  readonly id: string
  readonly launchId: string
  readonly process: ProcessId
}

export interface Listing {
  /** The launches that have a claim. */
  readonly launches: readonly Launch[]
  /** Ids of launches that have an outcome. */
  readonly outcomes: readonly string[]
  readonly leases: readonly LeaseEntry[]
  /** Marks, leases, watchdogs and waits whose launch has no claim. */
  readonly orphans: readonly string[]
  /** Notes of the named process: a file that it writes, its try at the lock, or how long it waits for a launch. */
  readonly traces: readonly Trace[]
}

export interface Trace {
  readonly name: string
  readonly process: ProcessId
  /** For which launch the process waits, and until when. */
  readonly waits?: { readonly launchId: string; readonly until: number }
}

/** A signal to the group 1 reaches every process (kill(2)), so neither init nor its group is ever a server. */
const CLAIM = /^([0-9a-f]{16})\.((?!1\.)[1-9]\d{0,9})\.(\d{1,20})\.((?!1\.)[1-9]\d{0,9})\.claim$/
const MARK = /^([0-9a-f]{16})\.(gate|stdin|ready|unattended|pin|ended|outcome|[0-9a-f]{16}\.(?:ending|idle|pipe))$/
const HOLD = /^([0-9a-f]{16})\.([0-9a-f]{16})\.([1-9]\d{0,9})\.(\d{1,20})\.(lease|watch)$/
const TRACE = /^[0-9a-f]{16}\.([1-9]\d{0,9})\.(\d{1,20})\.(?:tmp|locking)$/
const WAIT = /^[0-9a-f]{16}\.([0-9a-f]{16})\.([1-9]\d{0,9})\.(\d{1,20})\.(\d{1,15})\.wait$/
const NEWER = /\.(?:claim|gate|ready|unattended|pin|ending|idle|ended|outcome|lease|watch|wait)\d+$/

type Mark = 'gate' | 'stdin' | 'ready' | 'unattended' | 'pin' | 'ended' | 'outcome'

export const claimPath = (
  { host }: Paths, id: string, { pid, start, group }: Leader,
): string => join(host, `${id}.${pid}.${start}.${group}.claim`)

export const markPath = ({ host }: Paths, id: string, mark: Mark): string => join(host, `${id}.${mark}`)

/** Why a client intends to end a launch. */
export type Ending = 'ending' | 'idle'

export const endingPath = ({ host }: Paths, id: string, random: string, why: Ending): string => join(host, `${id}.${random}.${why}`)

export const leasePath = (
  { host }: Paths, { id, launchId, process: { pid, start }, kind }: Omit<LeaseEntry, 'name'>,
): string => join(host, `${id}.${launchId}.${pid}.${start}.${kind}`)

export const pipePath = ({ host }: Paths, launchId: string, lease: string): string => join(host, `${launchId}.${lease}.pipe`)

export const waitPath = ({ host }: Paths, random: string, launchId: string, { pid, start }: ProcessId, until: number): string =>
  join(host, `${random}.${launchId}.${pid}.${start}.${Math.floor(until)}.wait`)

/** Where this process writes a file that then gets its name by link or rename. */
export const tempPath = async (system: System, { host }: Paths): Promise<string> => {
  const { pid, start } = await system.self()
  return join(host, `${await system.randomId()}.${pid}.${start}.tmp`)
}

/**
 * Creates a file in the host's folder, as a whole. False when the file is there already, or when the folder is not: the
 * folder goes with its last claim, so a mark comes too late for its launch.
 */
export const createFile = async ({ system, paths }: Place, path: string, body: string): Promise<boolean> =>
  falseWithoutFolder(system.create(path, body, await tempPath(system, paths)))

/** Replaces a file as a whole, by way of the host's folder. False when the folder has gone. */
export const replaceFile = async ({ system, paths }: Place, path: string, body: string): Promise<boolean> =>
  falseWithoutFolder(system.replace(path, body, await tempPath(system, paths)).then(() => true))

/** Where one server's state lies, and the machine that reads it. */
export interface Place {
  readonly system: System
  readonly paths: Paths
}

const falseWithoutFolder = async (written: Promise<boolean>): Promise<boolean> => {
  try {
    return await written
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return false
    throw error
  }
}

let last: { readonly host: string; readonly names: readonly string[]; readonly listing: Listing } | undefined

/** What these names tell. A process that calls often lists the same names, so what they told last is kept beside them. */
export const parseListing = ({ host }: Paths, names: readonly string[]): Listing => {
  const isSame = last?.host === host && last.names.length === names.length && names.every((name, at) => name === last!.names[at])
  if (!isSame) last = { host, names, listing: parse(host, names) }
  return last!.listing
}

/** What stands after the last dot tells what kind of name it is. A folder may hold a thousand leases, so each name is parsed once. */
const parse = (host: string, names: readonly string[]): Listing => {
  const marks = new Map<string, string[]>()
  const claims: Pick<Launch, 'id' | 'leader'>[] = []
  const leases: LeaseEntry[] = []
  const ofMarks: { name: string; id: string }[] = []
  const traces: Trace[] = []
  for (const name of names) {
    const kind = name.slice(name.lastIndexOf('.') + 1)
    if (kind === 'lease' || kind === 'watch') {
      const [, id, launchId, pid, start] = HOLD.exec(name) ?? []
      if (id !== undefined) leases.push({ name, id, launchId: launchId!, process: { pid: Number(pid), start: start! }, kind })
    } else if (kind === 'claim') {
      const [, id, pid, start, group] = CLAIM.exec(name) ?? []
      if (id !== undefined) claims.push({ id, leader: { pid: Number(pid), start: start!, group: Number(group) } })
    } else if (kind === 'tmp' || kind === 'locking') {
      const [, pid, start] = TRACE.exec(name) ?? []
      if (pid !== undefined) traces.push({ name, process: { pid: Number(pid), start: start! } })
    } else if (kind === 'wait') {
      const [, launchId, pid, start, until] = WAIT.exec(name) ?? []
      if (launchId === undefined) continue
      traces.push({ name, process: { pid: Number(pid), start: start! }, waits: { launchId, until: Number(until) } })
      ofMarks.push({ name, id: launchId })
    } else if (NEWER.test(name)) {
      throw stateNewer(join(host, name))
    } else {
      const [, id, mark] = MARK.exec(name) ?? []
      if (id === undefined) continue
      marks.set(id, [...(marks.get(id) ?? []), mark!])
      if (mark !== 'outcome') ofMarks.push({ name, id })
    }
  }
  const launches = claims.map(({ id, leader }): Launch => {
    const of = marks.get(id) ?? []
    const has = (mark: Mark): boolean => of.includes(mark)
    return { id, leader, ready: has('ready'), unattended: has('unattended'), pinned: has('pin'), ended: has('ended') }
  })
  const claimed = new Set(launches.map(({ id }) => id))
  return {
    launches, leases, traces,
    outcomes: [...marks].filter(([, of]) => of.includes('outcome')).map(([id]) => id),
    orphans: [
      ...leases.filter(({ launchId }) => !claimed.has(launchId)).map(({ name }) => name),
      ...ofMarks.filter(({ id }) => !claimed.has(id)).map(({ name }) => name),
    ],
  }
}

/** The claims and everything beside them. */
export const listClaims = async ({ system, paths }: Place): Promise<Listing> => {
  // Claims are believed, so no other user may be able to write one.
  await system.inspect(paths.folder)
  await system.inspect(paths.host)
  return parseListing(paths, await system.list(paths.host))
}

/** The launch of this id, if it has a claim. */
export const findLaunch = async (place: Place, id: string): Promise<Launch | undefined> =>
  (await listClaims(place)).launches.find((launch) => launch.id === id)

/** Names of the marks, leases, watchdogs and waits of one launch. An outcome outlives its claim, so it is not among them. */
export const marksOf = (id: string, names: readonly string[]): string[] =>
  names.filter((name) => {
    const match = MARK.exec(name)
    return HOLD.exec(name)?.[2] === id || WAIT.exec(name)?.[1] === id || (match !== null && match[1] === id && match[2] !== 'outcome')
  })

/** Names of the intentions to end a launch for this reason. */
export const endingsOf = (id: string, names: readonly string[], why: Ending): string[] =>
  names.filter((name) => name.startsWith(`${id}.`) && name.endsWith(`.${why}`))
