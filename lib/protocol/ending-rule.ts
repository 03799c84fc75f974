/**
 * The rule by which a client ends a launch that another client may still want, and by which a client uses a launch that
 * another client may be ending. Each side first writes its own file and then looks for the other side's file, so at
 * least one of the two sees the other; the rename makes that sight final. No client waits for or judges the one that
 * ends: it may die or sleep for an hour at any point.
 *
 * To end: create an intention (`.ending` past the deadline, `.idle` without users); look for objections (against the
 * deadline `.ready`, a health check that answers, or a client that waits for longer; against idleness a pin, a lease or a watchdog
 * that lives); without one rename the intention to `.ended`; only then signal. An intention that is gone was vetoed: give up.
 * To use: write the objection (`.ready` after a healthy answer, the wait, the pin, the lease); remove each intention that it
 * objects to; then look for `.ended`. Where it is there, help to tear the launch down, and look again from the start.
 */
import type { Context } from '../context.js'
import type { OneServerError } from '../errors.js'
import { readyMark, recordOf, type ReadyMark } from '../state/claim.js'
import {
  createFile, endingPath, markPath, parseListing, type Ending, type Launch, type LeaseEntry,
  type Listing, type Place,
} from '../state/directory.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { watchedAs } from '../state/lease-ids.js'
import { createNamed, outcomeBody } from '../state/outcome.js'
import { judge, type ProcessLook } from '../system/system.js'
import { servingProcess } from './liveness.js'
import { isAwaited } from './patience.js'
import { LAST_CHECK, probeLaunch, urlOf } from './readiness.js'
import { vetoEnding } from './veto.js'

/**
 * Writes that the health check has answered at `url`, and which URL callers get: once for a launch, since a stranger may come to the port
 * later, and all callers get the same. Returns the mark that everyone uses, which is the first one written; undefined when the launch is
 * being ended.
 */
export const markReady = async (context: Context, record: LaunchRecord, url: string): Promise<ReadyMark | undefined> => {
  const { system, paths } = context
  const { launch: id, keeper } = record
  const mark = record.identity.coordinator === undefined ? { url, base: await urlOf(context, record, url) }
    : await (await import('../across/ask.js')).markOf(context, record, url)
  // A steward that points nowhere any more.
  if (mark === undefined) return undefined
  // Nobody needs the exit code of a ready server, so its keeper can go. Kill it before `.ready` is written: if this
  // client died in between, nobody else would.
  if (keeper !== undefined) await system.signal(keeper, 'SIGKILL')
  const isOurs = await createFile(context, markPath(paths, id, 'ready'), JSON.stringify({ format: FORMAT, ...mark }))
  if (!(await vetoEnding(context, id, 'ending'))) return undefined
  // Our own mark may have gone with the launch while this client was frozen; the mark of another client may be damaged.
  return (await readyMark(context, id)) ?? (isOurs ? undefined : mark)
}

/** Writes an intention and looks for objections. True: the launch is marked as ended, and this client tears it down. */
const end = async (
  { system, paths }: Place, id: string, why: Ending, body: string, objects: (listing: Listing) => Promise<boolean>,
): Promise<boolean> => {
  const ending = endingPath(paths, id, await system.randomId(), why)
  await createNamed({ system, paths }, ending, body)
  if (await objects(parseListing(paths, await system.list(paths.host)))) {
    await system.remove(ending)
    return false
  }
  return system.rename(ending, markPath(paths, id, 'ended'))
}

/**
 * Ends a launch past its deadline, unless it is ready after all or a client waits for longer. The clients that wait get `because`; where
 * it is undefined they look again. `awaited`: a client waits for longer. `not-ended`: it is ready, or another client has come first.
 */
export const endPastDeadline = async (
  context: Context, launch: Launch, record: LaunchRecord, because: OneServerError | undefined,
): Promise<'ended' | 'awaited' | 'not-ended'> => {
  const { system, paths } = context
  const isReady = ({ launches }: Listing): boolean => launches.some(({ id, ready }) => id === launch.id && ready)
  let objection: 'awaited' | 'not-ended' | undefined
  const body = outcomeBody(because, system.now(), record.startupTimeout)
  const ended = await end(context, launch.id, 'ending', body, async (listing) => {
    if (isReady(listing) || (await probeLaunch(context, launch, record, LAST_CHECK)).healthy) objection = 'not-ended'
    else if (await isAwaited(context, listing, launch.id)) objection = 'awaited'
    return objection !== undefined
  })
  if (ended || objection !== undefined) return objection ?? 'ended'
  // A client has objected between the look and the rename.
  const now = parseListing(paths, await system.list(paths.host))
  return !isReady(now) && (await isAwaited(context, now, launch.id)) ? 'awaited' : 'not-ended'
}

/** Ends a headless launch that serves no more, unless one of its processes listens again. */
export const endSilent = (context: Context, launch: Launch): Promise<boolean> =>
  end(context, launch.id, 'ending', '', async () => (await servingProcess(context, launch)) !== undefined)

/** Ends a launch without users: no pin, no lease, and no watchdog that waits out the idle time. */
export const endWhenIdle = (context: Context, id: string): Promise<boolean> =>
  end(context, id, 'idle', '', async (listing) =>
    listing.launches.some((launch) => launch.id === id && launch.pinned) ||
    (await isLeased(context, listing, id)) || (await isWatched(context, id)))

/** Ends a launch without leases, on behalf of a person who asked for it. The clients that wait get `because`. */
export const endUnlessLeased = (context: Context, launch: Launch, because: OneServerError): Promise<boolean> =>
  end(context, launch.id, 'idle', outcomeBody(because, context.system.now()), async (listing) =>
    (await clientsOf(context, listing, launch)).length > 0 || (await isWatchedUnseen(context, listing, launch.id)) ||
    (await isUsedElsewhere(context, launch)))

/** Of a server that hosts share, the steward says whether another host uses it. */
const isUsedElsewhere = async (context: Context, launch: Launch): Promise<boolean> => {
  const record = await recordOf(context, launch)
  return record?.identity.coordinator !== undefined && (await import('../across/ask.js')).isUsedElsewhere(record)
}

/** Whether a watchdog holds the launch, by its process alone: something else than a client may have deleted the files of a lease. */
const isWatched = async ({ system }: Context, id: string): Promise<boolean> => (await system.watchdogs(id)).length > 0

/** The same of watchdogs that have no file. Nothing shows whether the holder of such a one still lives, so its lease counts. */
const isWatchedUnseen = async ({ system }: Context, { leases }: Listing, id: string): Promise<boolean> =>
  (await system.watchdogs(id)).some(({ pid }) => !leases.some(({ kind, process }) => kind === 'watch' && process.pid === pid))

/**
 * The leases and watchdogs of a launch whose processes are not shown to be dead. A stopped watchdog ends nothing, so it
 * does not object; a stopped holder still holds. This process, which may be a watchdog's reaper, does not object to itself.
 */
async function* eachLive({ system }: Context, { leases }: Listing, id: string): AsyncGenerator<LeaseEntry> {
  // A process may hold hundreds of leases: one look at it serves them all.
  const looks = new Map<number, ProcessLook>()
  for (const lease of leases) {
    if (lease.launchId !== id) continue
    const { pid } = lease.process
    const look = looks.get(pid) ?? (await system.look(pid))
    looks.set(pid, look)
    const isIdle = lease.kind === 'watch' && (look.state === 'stopped' || pid === (await system.self()).pid)
    if (!isIdle && judge(lease.process, look) !== 'dead') yield lease
  }
}

export const liveLeases = async (context: Context, listing: Listing, id: string): Promise<LeaseEntry[]> => {
  const live: LeaseEntry[] = []
  for await (const lease of eachLive(context, listing, id)) live.push(lease)
  return live
}

/**
 * The leases whose holder lives, or whose watchdog has not let go: a command that `run` became may leave children behind, which hold the
 * pipe to the watchdog. A watchdog removes its lease before it waits out the idle time.
 */
export const leasesInUse = async (context: Context, listing: Listing, id: string): Promise<LeaseEntry[]> => {
  const live = new Set(await liveLeases(context, listing, id))
  const watched = new Set([...live].flatMap((entry) => (entry.kind === 'watch' ? [watchedAs(entry.id)] : [])))
  return listing.leases.filter((entry) =>
    entry.kind === 'lease' && entry.launchId === id && (live.has(entry) || watched.has(watchedAs(entry.id))))
}

/** The same without the lease of a steward on its own launch, which stands for other hosts. */
export const clientsOf = async (
  context: Context, listing: Listing, { id, leader }: Pick<Launch, 'id' | 'leader'>,
): Promise<LeaseEntry[]> =>
  (await leasesInUse(context, listing, id)).filter(({ process }) => !isLeader(process, leader))

export const isLeader = ({ pid, start }: LeaseEntry['process'], leader: Launch['leader']): boolean =>
  pid === leader.pid && start === leader.start

/** Whether there is one: of hundreds, the first answers. */
export const isLeased = async (context: Context, listing: Listing, id: string): Promise<boolean> =>
  (await eachLive(context, listing, id).next()).done === false
