/**
 * Stopping on purpose. Promise 3: it returns when the server has exited, not when it was asked to.
 * An explicit stop needs nobody's consent, so `.ended` is written directly: whoever waits for the
 * launch is told STOPPED, whoever wants the server starts it anew once it is gone.
 */
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { insideServer, stopped } from '../errors.js'
import type { Launch } from '../state/directory.js'
import { withLock } from '../state/lock.js'
import { outcomeBody } from '../state/outcome.js'
import { judge } from '../system/system.js'
import { cleanUp } from './clean-up.js'
import { endUnlessLeased, endWhenIdle } from './ending-rule.js'
import { alignPidFile } from './reconcile.js'
import { recordOf, survey } from './survey.js'
import { markEnded, reasonFor, tearDown, type StopManner } from './tear-down.js'

/** What the caller asks for comes before what the launch wrote down. */
const mannerFor = async (context: Context, launch: Launch): Promise<StopManner> => {
  const { given, stopSignal, stopTimeout } = context.settings
  const record = await recordOf(context, launch)
  return {
    stopSignal: given.has('stopSignal') ? stopSignal : record?.stopSignal ?? stopSignal,
    stopTimeout: given.has('stopTimeout') ? stopTimeout : record?.stopTimeout ?? stopTimeout,
  }
}

/** An explicit stop asks nobody; one that is meant only for an idle server obeys the rule of ending one. */
const end = async (context: Context, launch: Launch, ifIdle: boolean): Promise<boolean> => {
  const { system, report } = context
  if (launch.id === context.inside) throw insideServer(context.paths.pidFile)
  const ran = judge(launch.leader, await system.look(launch.leader.pid)) === 'alive'
  const because = stopped({ pid: launch.leader.pid })
  if (!ifIdle) await markEnded(context, launch.id, outcomeBody(because, system.now()))
  else if (!(await endUnlessLeased(context, launch.id, because))) return false
  await tearDown(context, launch, await mannerFor(context, launch), because)
  report({ type: 'stopped', pid: launch.leader.pid, launchId: launch.id })
  return ran
}

/**
 * True when a server was running and has exited. `ifIdle`: one that somebody holds a lease on goes on. `only`: so does one of any
 * other launch.
 */
export const stop = async (context: Context, deadline: Deadline, ifIdle = false, only?: string): Promise<boolean> => {
  deadline.check()
  const { system, paths } = context
  const first = await survey(context)
  const nothing = first.living === undefined && first.finished.length === 0 && first.pidFile.kind === 'absent' && first.listing.outcomes.length === 0
  // Nothing to stop and nothing to clean up: then nothing is written either.
  if (nothing) return false
  return withLock(system, paths, deadline, async () => {
    await alignPidFile(context)
    const seen = await survey(context)
    let ran = false
    for (const { id } of seen.listing.launches) {
      if (only !== undefined && id !== only) continue
      // Looked at anew: ending the one before may have taken seconds.
      const { listing } = await survey(context)
      const launch = listing.launches.find((one) => one.id === id)
      if (launch !== undefined) ran = (await end(context, launch, ifIdle)) || ran
    }
    await alignPidFile(context)
    await cleanUp(context, await survey(context))
    return ran
  })
}

/**
 * Ends a launch that nobody uses any more, by the rule in `ending-rule.ts`. It is run by the watch of a
 * lease that has ended, when the idle time is over: whoever came in between has written its lease or a
 * pin, and is seen. A launch that is marked as ended is helped to its end, since whoever marked it may have
 * been killed, and nobody else may ever come. Dying right before the mark leaves it to the next client to set
 * a watch; right after it, to the next client to bring it to its end.
 */
/** ms that the reaper waits for its turn to set the PID file right. Whoever has the lock does it otherwise. */
const PATIENCE = 5000

/** True when it has ended the launch. */
export const reap = async (context: Context, id: string): Promise<boolean> => {
  const { system, paths } = context
  const { listing } = await survey(context)
  const launch = listing.launches.find((one) => one.id === id)
  const record = launch === undefined ? undefined : await recordOf(context, launch)
  if (launch === undefined || record === undefined || !(launch.ended || (await endWhenIdle(context, id)))) return false
  // Those who wait for it are told what the one who meant to end it would have told them.
  await tearDown(context, launch, record, launch.ended ? await reasonFor(context, launch) : undefined)
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => cleanUp(context, await survey(context))).catch(() => {})
  return true
}
