/**
 * Ends the server on purpose, or because nobody uses it. Promise 3: both return when the server has exited, not when it
 * was asked to.
 */
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { insideServer, stopped } from '../errors.js'
import { recordOf } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import { withLock } from '../state/lock.js'
import { outcomeBody } from '../state/outcome.js'
import { cleanUp } from './clean-up.js'
import { endUnlessLeased, endWhenIdle } from './ending-rule.js'
import { judgeLaunch } from './liveness.js'
import { alignPidFile, withdrawPidFile } from './reconcile.js'
import { survey, type Survey } from './survey.js'
import { restoreVanished, retrieve } from './vanished.js'
import { markEnded, reasonFor, tearDown, type StopManner } from './tear-down.js'

export interface StopPlan {
  /** A server on which a client holds a lease goes on. */
  readonly ifIdle?: boolean
  /** The only launch to stop. A launch that has taken its place goes on. */
  readonly only?: string | undefined
}

/** Stops the server. True when a server was running and has exited. */
export const stop = async (context: Context, deadline: Deadline, { ifIdle = false, only }: StopPlan = {}): Promise<boolean> => {
  deadline.check()
  const { system, paths } = context
  const first = await survey(context)
  const hasNothing = first.listing.launches.length === 0 && first.pidFile.kind === 'absent' && first.listing.outcomes.length === 0
  // Without anything to stop or to clean up, nothing is written either.
  if (hasNothing && (await system.launchesOf(paths.pidFile)).length === 0) return false
  return withLock(system, paths, deadline, async () => {
    let seen = await alignPidFile(context, await survey(context))
    if (await restoreVanished(context, seen.listing.launches)) seen = await survey(context)
    let ran = false
    for (const { id } of seen.listing.launches) {
      const launch = only === undefined || only === id ? seen.listing.launches.find((one) => one.id === id) : undefined
      if (launch === undefined) continue
      ran = (await endOne(context, launch, seen, ifIdle)) || ran
      // The end of one launch may have taken seconds.
      seen = await survey(context)
    }
    await cleanUp(context, seen)
    return ran
  })
}

/**
 * An explicit stop asks nobody, so it writes `.ended` at once: the waiting clients get STOPPED. A stop of an idle
 * server obeys the rule for ending.
 */
const endOne = async (context: Context, launch: Launch, seen: Survey, ifIdle: boolean): Promise<boolean> => {
  const { system, report, paths } = context
  const { pid } = launch.leader
  if (launch.id === context.inside) throw insideServer(paths.pidFile)
  const ran = (await judgeLaunch(system, launch)) !== 'dead'
  const because = stopped({ pid })
  if (!ifIdle) await markEnded(context, launch.id, outcomeBody(because, system.now()))
  else if (!(await endUnlessLeased(context, launch, because))) return false
  await tearDown(context, launch, await mannerFor(context, launch, seen), because)
  report({ type: 'stopped', pid, launchId: launch.id })
  if (await withdrawPidFile(context, launch.id)) report({ type: 'stale-removed', path: paths.pidFile })
  return ran
}

/** The caller's own options come before what the launch wrote down. */
const mannerFor = async (context: Context, launch: Launch, { pidFile }: Survey): Promise<StopManner> => {
  const { given, stopSignal, stopTimeout } = context.settings
  const record = await recordOf(context, launch, pidFile)
  return {
    stopSignal: given.has('stopSignal') ? stopSignal : record?.stopSignal ?? stopSignal,
    stopTimeout: given.has('stopTimeout') ? stopTimeout : record?.stopTimeout ?? stopTimeout,
    ...(record === undefined ? {} : { startupTimeout: record.startupTimeout, identity: record.identity }),
  }
}

/** ms that the reaper waits for a turn at the lock. The client that has the lock cleans up otherwise. */
const PATIENCE = 5000

/**
 * Ends a launch that nobody uses, by the rule in `ending-rule.ts`. The watchdog of an ended lease runs it when the idle
 * time has passed; a client that came meanwhile has written its lease or a pin, and the rule sees it. The reaper helps a
 * launch that is marked as ended to its end, too: the process that marked it may have died, and no client may come again.
 *
 * A reaper that dies right before the mark leaves the launch to the next client, which starts a watchdog. A reaper that
 * dies right after leaves it to the next client, which tears it down. True: this process has ended the launch.
 */
export const reap = async (context: Context, id: string): Promise<boolean> => {
  const { system, paths } = context
  const { listing } = await survey(context)
  const listed = listing.launches.find((one) => one.id === id)
  const launch = listed ?? (await retrieve(context, id))
  if (launch === 'ended') return true
  if (launch === undefined) return false
  // Of a vanished launch the processes themselves have shown whose they are; a damaged claim may name any process.
  const record = (await recordOf(context, launch)) ?? (listed === undefined ? context.settings : undefined)
  if (record === undefined || !(launch.ended || (await endWhenIdle(context, id)))) return false
  // The waiting clients get the reason of the process that marked the launch.
  await tearDown(context, launch, record, launch.ended ? await reasonFor(context, launch) : undefined)
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => cleanUp(context, await survey(context))).catch(() => {})
  return true
}
