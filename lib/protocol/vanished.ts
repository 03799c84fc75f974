/**
 * State that vanishes under a living server: `git clean`, a cleaner of temporary files, a folder that is renamed. Without a claim a
 * launch is out of every client's sight: the next client would start a second server beside it (promise 1), and nobody would ever end
 * it (promise 3). Its processes show it (Linux), so each step that finds no launch looks for them before it believes that there is none.
 *
 * What is found gets its claim back, under the lock, and from then on the rules for any launch hold. A client that dies right before the
 * claim leaves things as they were; a client that dies right after leaves a launch that any client can follow, stop or watch.
 */
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { stateNewer } from '../errors.js'
import { claimPath, findLaunch, type Launch } from '../state/directory.js'
import { parseRecord, type LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import type { FoundLaunch } from '../system/system.js'
import { markReady } from './ending-rule.js'
import { probeLaunch } from './readiness.js'
import { restore, restoreClaim, type Restored } from './reconcile.js'
import { survey } from './survey.js'
import { terminate } from './tear-down.js'

/** What the launch wrote down about itself, as far as a process of it still holds that. */
export const recordIn = ({ paths }: Context, { launchId, leader, claim }: FoundLaunch): LaunchRecord | undefined => {
  const record = parseRecord(claim?.trim() ?? '')
  if (record === 'newer') throw stateNewer(claimPath(paths, launchId, leader))
  return typeof record === 'object' && record.launch === launchId ? record : undefined
}

const giveClaim = async (context: Context, found: FoundLaunch, isIdle: boolean): Promise<Restored> => {
  const { launchId: id, leader } = found
  const record = recordIn(context, found)
  // A claim that says nothing still keeps a second server away, and can be stopped.
  if (record === undefined) return restore(context, { id, leader }, '', isIdle)
  const restored = await restoreClaim(context, record, isIdle)
  if (restored !== 'restored' || isIdle) return restored
  const launch = await findLaunch(context, id)
  const answer = launch === undefined ? undefined : await probeLaunch(context, launch, record)
  if (answer?.healthy) await markReady(context, record, answer.url)
  return restored
}

/** Gives claims to the launches of this PID file that live and are not among these. Under the lock. True: there was one. */
export const restoreVanished = async (context: Context, known: readonly Launch[]): Promise<boolean> => {
  let restored = false
  for (const found of await context.system.launchesOf(context.paths.pidFile)) {
    if (known.some(({ id }) => id === found.launchId)) continue
    restored = (await giveClaim(context, found, false)) === 'restored' || restored
  }
  return restored
}

/** ms to wait for a turn at the lock. */
const PATIENCE = 5000

/**
 * What a reaper does that finds no claim of its launch: brings it back, without a pin, so that the rule for ending decides. Its own
 * watchdog has let go; those of other leases object. Where another launch has taken the place, no client can come to want the
 * vanished one, so it ends when none of its watchdogs holds it. `ended`: this process has ended it.
 */
export const retrieve = async (context: Context, id: string): Promise<Launch | 'ended' | undefined> => {
  const { system, paths } = context
  if (!(await isFound(context, id))) return undefined
  return withLock(system, paths, new Deadline(system, PATIENCE), async () => {
    const found = await isFound(context, id)
    const { living, listing } = await survey(context)
    const listed = listing.launches.find((launch) => launch.id === id)
    if (found === undefined || listed !== undefined) return listed
    if ((await system.watchdogs(id)).length > 0) return undefined
    if (living === undefined) {
      await giveClaim(context, found, true)
      return (await survey(context)).listing.launches.find((launch) => launch.id === id)
    }
    const record = recordIn(context, found)
    await terminate(system, { id, leader: record ?? found.leader }, record ?? context.settings)
    return 'ended'
  })
}

const isFound = async ({ system, paths }: Context, id: string): Promise<FoundLaunch | undefined> =>
  (await system.launchesOf(paths.pidFile)).find(({ launchId }) => launchId === id)
