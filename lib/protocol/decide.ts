/**
 * Step 2: what a client decides in its turn at the lock. It looks again first, although it has just looked: the wait for
 * the lock lies between the two looks, and the client that held the lock may have started the server. Then it cleans up
 * what has ended, then it adopts a server that a person ran by hand, then it launches.
 */
import type { Context } from '../context.js'
import type { Span } from '../deadline.js'
import { insideServer } from '../errors.js'
import { choosePort, findAdoptable, type Adopted } from '../plan/port.js'
import { assertLaunchable } from '../plan/preflight.js'
import { recordOf } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import { outcomeBody } from '../state/outcome.js'
import { cleanUp } from './clean-up.js'
import { attemptLaunch, type OwnLaunch } from './launch.js'
import { shouldReplace, type Found } from './look-unlocked.js'
import { withPin, type Hold } from './pin.js'
import { restoreClaim } from './reconcile.js'
import { restoreVanished } from './vanished.js'
import { survey, type Survey } from './survey.js'
import { markEnded, tearDown } from './tear-down.js'

export type Decision =
  | Found
  | { readonly kind: 'adopted'; readonly server: Adopted }
  /** Another tool's PID file names a process that lives; only its health can show whether it is the server. */
  | { readonly kind: 'foreign-pid'; readonly pid: number }
  | { readonly kind: 'launched'; readonly own: OwnLaunch }
  /** Another process has taken the chosen port. */
  | { readonly kind: 'port-lost'; readonly port: number }
  /** Another claim was there. */
  | { readonly kind: 'withdrawn' }

/** What a call keeps from one turn to the next. */
export interface Call {
  /** The ports that its launches have lost. */
  readonly lost: Set<number>
  /** Keeps what is launched from being idle. */
  hold: Hold
}

/** One turn at the lock. */
export const decide = async (context: Context, span: Span, call: Call): Promise<Decision> => {
  let seen = await survey(context, span)
  // Two clients hold the lock where one of them was frozen in it, so more than one older server may come.
  while (seen.living !== undefined && (await shouldReplace(context, seen.living, seen))) {
    // A pin is kept through each replacement: a person asked for a server that stays, in any version.
    if (seen.living.pinned) call.hold = withPin(call.hold)
    await replaceOlder(context, seen.living)
    seen = await survey(context, span)
  }
  if (seen.living === undefined && seen.failed === undefined) {
    // Something else than a client deleted the claim of a server that lives. A launch beside it would make two.
    if (await hasLostClaim(context, seen)) return { kind: 'withdrawn' }
    if (seen.hasLeftovers || seen.pidFile.kind !== 'absent') seen = await cleanUp(context, seen, span)
    // A client that lost the lock may have launched during the clean-up, and in an older version: the next turn judges that.
    if (seen.living !== undefined) return { kind: 'withdrawn' }
  }
  if (seen.living !== undefined) return { kind: 'follow', launch: seen.living, survey: seen }
  if (seen.failed !== undefined) return { kind: 'failed', error: seen.failed }
  if (seen.pidFile.kind === 'bare') {
    if (await restoreVanished(context, seen.listing.launches)) return { kind: 'withdrawn' }
    const server = await findAdoptable(context, { starts: true })
    return server === undefined ? { kind: 'foreign-pid', pid: seen.pidFile.pid } : { kind: 'adopted', server }
  }
  const port = await choosePort(context, call.lost).catch((error: unknown) => error as Error)
  // What has the port may be a launch whose state vanished. Where the port is free, `launch.ts` looks for one, once its claim is written.
  if (typeof port !== 'number' && (await restoreVanished(context, seen.listing.launches))) return { kind: 'withdrawn' }
  if (port instanceof Error) throw port
  if (typeof port !== 'number') return { kind: 'adopted', server: port }
  const made = await attemptLaunch(context, port, call.hold)
  if (made === 'withdrawn') return { kind: 'withdrawn' }
  return made === 'port-lost' ? { kind: 'port-lost', port } : { kind: 'launched', own: made }
}

/** Whether the published launch lives without a claim. It gets its claim back, so that the next turn follows it. */
const hasLostClaim = async (context: Context, { pidFile, listing }: Survey): Promise<boolean> => {
  if (pidFile.kind !== 'record' || listing.launches.some(({ id }) => id === pidFile.record.launch)) return false
  return (await restoreClaim(context, pidFile.record)) !== 'finished'
}

/**
 * Ends an older version in the turn that launches the newer one: in a later turn a client of the older version could
 * come first, and the two versions would fight. The waiting clients get no failure; they look again and find the newer one.
 */
const replaceOlder = async (context: Context, launch: Launch): Promise<void> => {
  if (launch.id === context.inside) throw insideServer(context.paths.pidFile)
  const record = await recordOf(context, launch)
  await assertLaunchable(context, { launchId: launch.id, port: record?.port })
  await markEnded(context, launch.id, outcomeBody(undefined, context.system.now()))
  await tearDown(context, launch, record ?? context.settings)
  context.report({ type: 'stopped', pid: launch.leader.pid, launchId: launch.id })
}
