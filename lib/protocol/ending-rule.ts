/**
 * The rule by which a client ends a launch that another client may still want, and by which a client uses a launch that
 * another client may be ending. Each side first writes its own file and then looks for the other side's file, so at
 * least one of the two sees the other; the rename makes that sight final. No client waits for or judges the one that
 * ends: it may die or sleep for an hour at any point.
 *
 * To end: create an intention (`.ending` past the deadline, `.idle` without users); look for objections (against the
 * deadline `.ready`, or a health check that answers; against idleness a pin, a lease or a watchdog that lives); without
 * one rename the intention to `.ended`; only then signal. An intention that is gone was vetoed: give up.
 * To use: write the objection (`.ready` after a healthy answer, the pin, the lease); remove each intention that it
 * objects to; then look for `.ended`. Where it is there, help to tear the launch down, and look again from the start.
 */
import type { Context } from '../context.js'
import type { OneServerError } from '../errors.js'
import { readyUrl } from '../state/claim.js'
import {
  createFile, endingPath, markPath, parseListing, type Ending, type Launch, type LeaseEntry,
  type Listing, type Place,
} from '../state/directory.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { outcomeBody } from '../state/outcome.js'
import { judge } from '../system/system.js'
import { servingProcess } from './liveness.js'
import { LAST_CHECK, probeLaunch } from './readiness.js'
import { vetoEnding } from './veto.js'

/**
 * Writes that the health check has answered. Returns the URL that everyone uses, which is the first one written;
 * undefined when the launch is being ended.
 */
export const markReady = async (
  context: Context, { launch: id, keeper }: Pick<LaunchRecord, 'launch' | 'keeper'>, url: string,
): Promise<string | undefined> => {
  const { system, paths } = context
  // Nobody needs the exit code of a ready server, so its keeper can go. Kill it before `.ready` is written: if this
  // client died in between, nobody else would.
  if (keeper !== undefined) await system.signal(keeper, 'SIGKILL')
  const isOurs = await createFile(context, markPath(paths, id, 'ready'), JSON.stringify({ format: FORMAT, url }))
  if (!(await vetoEnding(context, id, 'ending'))) return undefined
  // Our own mark may have gone with the launch while this client was frozen; the mark of another client may be damaged.
  return (await readyUrl(context, id)) ?? (isOurs ? undefined : url)
}

/** Writes an intention and looks for objections. True: the launch is marked as ended, and this client tears it down. */
const end = async (
  { system, paths }: Place, id: string, why: Ending, body: string, objects: (listing: Listing) => Promise<boolean>,
): Promise<boolean> => {
  const ending = endingPath(paths, id, await system.randomId(), why)
  await createFile({ system, paths }, ending, body)
  if (await objects(parseListing(paths, await system.list(paths.host)))) {
    await system.remove(ending)
    return false
  }
  return system.rename(ending, markPath(paths, id, 'ended'))
}

/** Ends a launch past its deadline, unless it is ready after all. The clients that wait get `because`. */
export const endPastDeadline = (context: Context, launch: Launch, record: LaunchRecord, because: OneServerError): Promise<boolean> =>
  end(context, launch.id, 'ending', outcomeBody(because, context.system.now()), async ({ launches }) =>
    launches.some(({ id, ready }) => id === launch.id && ready) || (await probeLaunch(context, launch, record, LAST_CHECK)).healthy)

/** Ends a headless launch that serves no more, unless one of its processes listens again. */
export const endSilent = (context: Context, launch: Launch): Promise<boolean> =>
  end(context, launch.id, 'ending', '', async () => (await servingProcess(context, launch)) !== undefined)

/** Ends a launch without users: no pin, no lease, and no watchdog that waits out the idle time. */
export const endWhenIdle = (context: Context, id: string): Promise<boolean> =>
  end(context, id, 'idle', '', async (listing) =>
    listing.launches.some((launch) => launch.id === id && launch.pinned) || (await liveLeases(context, listing, id)).length > 0)

/** Ends a launch without leases, on behalf of a person who asked for it. The clients that wait get `because`. */
export const endUnlessLeased = (context: Context, id: string, because: OneServerError): Promise<boolean> =>
  end(context, id, 'idle', outcomeBody(because, context.system.now()), async (listing) =>
    (await liveLeases(context, listing, id)).some(({ kind }) => kind === 'lease'))

/**
 * The leases and watchdogs of a launch whose processes are not shown to be dead. A stopped watchdog ends nothing, so it
 * does not object; a stopped holder still holds. This process, which may be a watchdog's reaper, does not object to itself.
 */
export const liveLeases = async ({ system }: Context, { leases }: Listing, id: string): Promise<LeaseEntry[]> => {
  const live: LeaseEntry[] = []
  for (const lease of leases) {
    if (lease.launchId !== id) continue
    const look = await system.look(lease.process.pid)
    const isIdle = lease.kind === 'watch' && (look.state === 'stopped' || lease.process.pid === (await system.self()).pid)
    if (!isIdle && judge(lease.process, look) !== 'dead') live.push(lease)
  }
  return live
}
