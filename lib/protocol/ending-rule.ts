/**
 * Ending a launch that somebody may still want, and using one that somebody may be ending. Both sides
 * first write what they mean and then look for the other, so at least one of them sees the other; the
 * rename makes that sight final. Nobody waits for the one who ends, and nobody judges it: it may die
 * or sleep for an hour at any point.
 *
 * To end: create `.ending` or `.idle`; look for objections (against the deadline: `.ready`, or a health
 * check that answers; against idleness: a pin, a lease or a watch that lives); none → rename it to
 * `.ended` (it is gone → give up); only then signal.
 * To use: write the objection first (`.ready` after a 200, the pin, the lease), unlink every mark that
 * it objects to, then look for `.ended`: there → help to finish it, and start anew.
 */
import { join } from 'node:path'
import type { OneServerError } from '../errors.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { judge } from '../system/system.js'
import { createFile, endingPath, endingsOf, listClaims, markPath, parseListing, type Ending, type LeaseEntry, type Launch, type Listing } from '../state/directory.js'
import type { Context } from '../context.js'
import { outcomeBody } from '../state/outcome.js'
import { LAST_CHECK, probeLaunch, readyUrl } from './readiness.js'

/** Writes that the health check has answered. The URL that everyone uses is the first one written; undefined when the launch is being ended. */
export const markReady = async (context: Context, { launch: id, keeper }: Pick<LaunchRecord, 'launch' | 'keeper'>, url: string): Promise<string | undefined> => {
  const { system, paths } = context
  // From here on nobody has to know how the server ends, and it need not descend from anybody. Before the mark, since after it nobody would.
  if (keeper !== undefined) await system.signal(keeper, 'SIGKILL')
  const isOurs = await createFile(context, markPath(paths, id, 'ready'), JSON.stringify({ format: FORMAT, url }))
  if (!(await vetoEnding(context, id, 'ending'))) return undefined
  // A mark of ours that is there no more went with the launch, while this client was frozen; another's may be damaged.
  return (await readyUrl(context, id)) ?? (isOurs ? undefined : url)
}

/** To be asked once the objection is written: whether the launch goes on, whatever others meant to do for this reason. */
export const vetoEnding = async ({ system, paths }: Context, id: string, why: Ending): Promise<boolean> => {
  for (const name of endingsOf(id, await system.list(paths.host), why)) await system.remove(join(paths.host, name))
  // Without its claim the launch has been ended already, mark and all.
  const launch = (await listClaims(system, paths)).launches.find((one) => one.id === id)
  return launch !== undefined && !launch.ended
}

/** Ends a launch unless somebody objects, who is looked for once the intention is written. True: it is ours to settle. */
const end = async (context: Context, id: string, why: Ending, body: string, objects: (listing: Listing) => Promise<boolean>): Promise<boolean> => {
  const { system, paths } = context
  const ending = endingPath(paths, id, await system.randomId(), why)
  await createFile(context, ending, body)
  if (await objects(parseListing(paths, await system.list(paths.host)))) {
    await system.remove(ending)
    return false
  }
  return system.rename(ending, markPath(paths, id, 'ended'))
}

const isReady = ({ launches }: Listing, id: string): boolean => launches.some((launch) => launch.id === id && launch.ready)

/** Ends a launch that is past its deadline, unless it is ready after all. True: it is ours to settle. */
export const endPastDeadline = (context: Context, launch: Launch, record: LaunchRecord, because: OneServerError): Promise<boolean> =>
  end(context, launch.id, 'ending', outcomeBody(because, context.system.now()), async (listing) =>
    isReady(listing, launch.id) || (await probeLaunch(context, launch, record, LAST_CHECK)).healthy)

/**
 * The leases and watches of a launch whose processes are not shown to be dead. A watch that is stopped ends nothing,
 * so it stands in nobody's way; a holder that is stopped holds. This process is not in its own way.
 */
export const liveLeases = async ({ system }: Context, { leases }: Listing, id: string): Promise<LeaseEntry[]> => {
  const live: LeaseEntry[] = []
  for (const hold of leases) {
    if (hold.launchId !== id) continue
    const look = await system.look(hold.process.pid)
    const isIdle = hold.kind === 'watch' && (look.state === 'stopped' || hold.process.pid === system.self.pid)
    if (!isIdle && judge(hold.process, look) !== 'dead') live.push(hold)
  }
  return live
}

/** Ends a launch that nobody uses: not pinned, no lease, and nobody waits out the idle time of one. True: it is ours to settle. */
export const endWhenIdle = (context: Context, id: string): Promise<boolean> =>
  end(context, id, 'idle', '', async (listing) =>
    listing.launches.some((launch) => launch.id === id && launch.pinned) || (await liveLeases(context, listing, id)).length > 0)

/** Ends a launch that no lease is held on, on behalf of somebody who asked for it: whoever waits for it is told `because`. */
export const endUnlessLeased = (context: Context, id: string, because: OneServerError): Promise<boolean> =>
  end(context, id, 'idle', outcomeBody(because, context.system.now()), async (listing) =>
    (await liveLeases(context, listing, id)).some(({ kind }) => kind === 'lease'))
