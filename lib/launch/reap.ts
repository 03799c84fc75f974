/**
 * Ends a launch that nobody uses any more, by the rule in `ending.ts`. It is run by the watch of a
 * lease that has ended, when the idle time is over: whoever came in between has written its lease or a
 * pin, and is seen. A launch that is marked as ended is helped to its end, since whoever marked it may have
 * been killed, and nobody else may ever come. Dying right before the mark leaves it to the next client to set
 * a watch; right after it, to the next client to bring it to its end.
 */
import { Deadline } from '../deadline.js'
import { withLock } from '../state/lock.js'
import { cleanUp } from './decide.js'
import type { Context } from './context.js'
import { endWhenIdle } from './ending.js'
import { settle } from './settle.js'
import { reasonFor } from './why-it-ended.js'
import { recordOf, survey } from './survey.js'

/** ms that the reaper waits for its turn to set the PID file right. Whoever has the lock does it otherwise. */
const PATIENCE = 5000

/** True when it has ended the launch. */
export const reap = async (context: Context, id: string): Promise<boolean> => {
  const { system, paths } = context
  const { listing } = await survey(context, Number.POSITIVE_INFINITY)
  const launch = listing.launches.find((one) => one.id === id)
  const record = launch === undefined ? undefined : await recordOf(context, launch)
  if (launch === undefined || record === undefined || !(launch.ended || (await endWhenIdle(context, id)))) return false
  // Those who wait for it are told what the one who meant to end it would have told them.
  await settle(context, launch, record, launch.ended ? await reasonFor(context, launch) : undefined)
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => cleanUp(context, await survey(context, Number.POSITIVE_INFINITY))).catch(() => {})
  return true
}
