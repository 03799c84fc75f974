/**
 * What a client decides in its turn at the lock, when it has found nothing to follow: clean up what is
 * over, then adopt what somebody ran by hand, then launch. It looks again first, although it has just
 * looked: the wait for the lock lies between, and whoever held it may have started the server.
 */
import { insideServer, type OneServerError } from '../errors.js'
import { cleanUp, namesLiveProcess } from './clean-up.js'
import { restoreClaim } from './reconcile.js'
import { recordOf, survey, type Survey } from './survey.js'
import { attemptLaunch, type OwnLaunch } from './launch.js'
import type { Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { assertLaunchable } from '../plan/preflight.js'
import { choosePort, findAdoptable, type Adopted } from '../plan/port.js'
import { differences, isNewer } from '../plan/fingerprint.js'
import { outcomeBody } from '../state/outcome.js'
import { markEnded, tearDown } from './tear-down.js'
import { pinned, type Hold } from './pin.js'

export type Decision =
  /** A launch lives: follow it. */
  | { readonly kind: 'follow'; readonly launch: Launch; readonly survey: Survey }
  /** A launch that ended since the call began: share its outcome. */
  | { readonly kind: 'failed'; readonly error: OneServerError }
  | { readonly kind: 'adopted'; readonly server: Adopted }
  /** Another tool's PID file names a process that lives; only its health can tell whether it is the server. */
  | { readonly kind: 'foreign-pid'; readonly pid: number }
  | { readonly kind: 'launched'; readonly own: OwnLaunch }
  /** The port that was chosen is taken by now. */
  | { readonly kind: 'port-lost'; readonly port: number }
  /** Another claim was there. */
  | { readonly kind: 'withdrawn' }

/** Whether what lives is of an older version, and this call wants a newer one in its place. */
const shouldReplace = async (context: Context, living: Launch, { pidFile }: Survey): Promise<boolean> => {
  const { settings } = context
  if (settings.onMismatch !== 'restart') return false
  const record = await recordOf(context, living, pidFile)
  return record !== undefined && differences(settings, record.identity).length > 0 && isNewer(settings, record.identity)
}

/**
 * Ends an older version in the same turn in which its place is taken, or a client of the older one could come first again, and the two
 * would fight. Nobody is told a failure: whoever waited for it looks again, and finds the newer one.
 */
const replaceOlder = async (context: Context, launch: Launch): Promise<void> => {
  if (launch.id === context.inside) throw insideServer(context.paths.pidFile)
  const record = await recordOf(context, launch)
  await assertLaunchable(context, { launchId: launch.id, port: record?.port })
  await markEnded(context, launch.id, outcomeBody(undefined, context.system.now()))
  await tearDown(context, launch, record ?? context.settings)
  context.report({ type: 'stopped', pid: launch.leader.pid, launchId: launch.id })
}

/** What can be told without the lock; undefined when there is nothing to follow. */
export const lookUnlocked = async (context: Context, began: number): Promise<Decision | undefined> => {
  const seen = await survey(context, { since: began })
  if (seen.living !== undefined) return (await shouldReplace(context, seen.living, seen)) ? undefined : { kind: 'follow', launch: seen.living, survey: seen }
  return seen.failed === undefined ? undefined : { kind: 'failed', error: seen.failed }
}

/** What a call keeps from one turn to the next. */
export interface Call {
  /** The ports that its launches have lost. */
  readonly lost: Set<number>
  /** Keeps what is launched from being idle. */
  hold: Hold
}

/** One turn at the lock. */
export const decide = async (context: Context, began: number, call: Call): Promise<Decision> => {
  let seen = await survey(context, { since: began })
  // More than once where two hold the lock, because one of them was frozen in it.
  while (seen.living !== undefined && (await shouldReplace(context, seen.living, seen))) {
    // Whoever started the older one explicitly meant it to stay, in whatever version, and however many launches that takes.
    if (seen.living.pinned) call.hold = pinned(call.hold)
    await replaceOlder(context, seen.living)
    seen = await survey(context, { since: began })
  }
  if (seen.failed !== undefined && seen.living === undefined) return { kind: 'failed', error: seen.failed }
  if (seen.living !== undefined) return { kind: 'follow', launch: seen.living, survey: seen }
  if (seen.pidFile.kind === 'record' && (await restoreClaim(context, seen.pidFile.record)) !== 'over') return { kind: 'withdrawn' }
  if (seen.hasLeftovers || seen.pidFile.kind !== 'absent') await cleanUp(context, seen, began)
  // Of what was over, the reason may be known by now.
  const { failed } = seen.finished.length === 0 ? seen : await survey(context, { since: began })
  if (failed !== undefined) return { kind: 'failed', error: failed }
  if (seen.pidFile.kind === 'bare' && (await namesLiveProcess(context, seen.pidFile))) {
    const server = await findAdoptable(context)
    return server === undefined ? { kind: 'foreign-pid', pid: seen.pidFile.pid } : { kind: 'adopted', server }
  }
  const port = await choosePort(context, call.lost)
  if (typeof port !== 'number') return { kind: 'adopted', server: port }
  const made = await attemptLaunch(context, port, call.hold)
  if (made === 'withdrawn') return { kind: 'withdrawn' }
  return made === 'port-lost' ? { kind: 'port-lost', port } : { kind: 'launched', own: made }
}
