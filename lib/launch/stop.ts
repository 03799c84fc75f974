/**
 * Stopping on purpose. Promise 3: it returns when the server has exited, not when it was asked to.
 * An explicit stop needs nobody's consent, so `.ended` is written directly: whoever waits for the
 * launch is told STOPPED, whoever wants the server starts it anew once it is gone.
 */
import type { Deadline } from '../deadline.js'
import { insideServer, stopped } from '../errors.js'
import { withLock } from '../state/lock.js'
import { judge } from '../system/system.js'
import type { Launch } from './claims.js'
import type { Context } from './context.js'
import { cleanUp } from './decide.js'
import { endUnlessLeased } from './ending.js'
import { tell } from './outcome.js'
import { alignPidFile } from './align-pid-file.js'
import { markEnded, settle } from './settle.js'
import { recordOf, survey } from './survey.js'
import type { StopManner } from './terminate.js'

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
  if (!ifIdle) await markEnded(context, launch.id, tell(because, system.now()))
  else if (!(await endUnlessLeased(context, launch.id, because))) return false
  await settle(context, launch, await mannerFor(context, launch), because)
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
  const first = await survey(context, Number.POSITIVE_INFINITY)
  const nothing = first.living === undefined && first.over.length === 0 && first.pidFile.kind === 'absent' && first.listing.outcomes.length === 0
  // Nothing to stop and nothing to clean up: then nothing is written either.
  if (nothing) return false
  return withLock(system, paths, deadline, async () => {
    await alignPidFile(context)
    const seen = await survey(context, Number.POSITIVE_INFINITY)
    let ran = false
    for (const { id } of seen.listing.launches) {
      if (only !== undefined && id !== only) continue
      // Looked at anew: ending the one before may have taken seconds.
      const { listing } = await survey(context, Number.POSITIVE_INFINITY)
      const launch = listing.launches.find((one) => one.id === id)
      if (launch !== undefined) ran = (await end(context, launch, ifIdle)) || ran
    }
    await alignPidFile(context)
    await cleanUp(context, await survey(context, Number.POSITIVE_INFINITY))
    return ran
  })
}
