/**
 * What a client decides in its turn at the lock, when it has found nothing to follow: clean up what is
 * over, then adopt what somebody ran by hand, then launch. It looks again first, although it has just
 * looked: the wait for the lock lies between, and whoever held it may have started the server.
 */
import { insideServer, type OneServerError } from '../errors.js'
import { alignPidFile, removeBarePidFile } from './align-pid-file.js'
import { hearLauncher } from './attendance.js'
import { attempt, type OwnLaunch } from './launch.js'
import type { LaunchRecord } from '../state/launch-record.js'
import type { Launch } from './claims.js'
import type { Context } from './context.js'
import { mustBeLaunchable } from './foresee.js'
import { choosePort, findAdoptable, type Adopted } from './ports.js'
import { differences, isNewer } from './identity.js'
import { endedMark, tell } from './outcome.js'
import { restoreClaim } from './restore.js'
import { markEnded, settle } from './settle.js'
import { readPidFile } from '../state/pid-file.js'
import { pinned, type Stake } from './stake.js'
import { recordOf, survey, type Survey } from './survey.js'
import { sweep } from './sweep.js'
import { reasonFor } from './why-it-ended.js'

export type Decision =
  /** A launch lives: follow it. */
  | { readonly kind: 'follow'; readonly launch: Launch; readonly survey: Survey }
  /** A launch that ended since the call began: share its outcome. */
  | { readonly kind: 'failed'; readonly error: OneServerError }
  | { readonly kind: 'adopted'; readonly server: Adopted }
  /** Another tool's PID file names a process that lives; only its health can tell whether it is the server. */
  | { readonly kind: 'named'; readonly pid: number }
  | { readonly kind: 'launched'; readonly own: OwnLaunch }
  /** The port that was chosen is taken by now. */
  | { readonly kind: 'port-lost'; readonly port: number }
  /** Another claim was there. */
  | { readonly kind: 'withdrawn' }

/** Whether what lives is of an older version, and this call wants a newer one in its place. */
const isToBeReplaced = async (context: Context, living: Launch, { pidFile }: Survey): Promise<boolean> => {
  const { settings } = context
  if (settings.onMismatch !== 'restart') return false
  const record = await recordOf(context, living, pidFile)
  return record !== undefined && differences(settings, record.identity).length > 0 && isNewer(settings, record.identity)
}

/**
 * Ends an older version in the same turn in which its place is taken, or a client of the older one could come first again, and the two
 * would fight. Nobody is told a failure: whoever waited for it looks again, and finds the newer one.
 */
const makeRoom = async (context: Context, launch: Launch): Promise<void> => {
  if (launch.id === context.inside) throw insideServer(context.paths.pidFile)
  const record = await recordOf(context, launch)
  await mustBeLaunchable(context, { launchId: launch.id, port: record?.port })
  await markEnded(context, launch.id, tell(undefined, context.system.now()))
  await settle(context, launch, record ?? context.settings)
  context.report({ type: 'stopped', pid: launch.leader.pid, launchId: launch.id })
}

/** What can be told without the lock; undefined when there is nothing to follow. */
export const lookAround = async (context: Context, began: number): Promise<Decision | undefined> => {
  const seen = await survey(context, began)
  if (seen.living !== undefined) return (await isToBeReplaced(context, seen.living, seen)) ? undefined : { kind: 'follow', launch: seen.living, survey: seen }
  return seen.failed === undefined ? undefined : { kind: 'failed', error: seen.failed }
}

/** ms: a process that started so much later than the PID file was written cannot be the one that it names. Clocks have a grain. */
const GRAIN = 2000

/** Whether the process that a bare PID file names may still be the one that was meant. */
export const namesLiveProcess = async ({ system }: Context, { pid, modified }: { pid: number; modified: number }): Promise<boolean> => {
  const look = await system.look(pid)
  if (look.state === 'hidden') return true
  if (!('isThread' in look) || look.state === 'zombie' || look.isThread) return false
  const started = await system.startedAt(pid)
  return started === undefined || started < modified + GRAIN
}

/** Why a launch is over, and as of when. A call that began before it was claimed has waited for it; one that began later would have seen it live. */
const whyItIsOver = async (context: Context, launch: Launch, record: LaunchRecord | undefined, began: number) => {
  const ended = await endedMark(context, launch.id)
  if (ended !== undefined || record === undefined || began > record.deadline - record.startupTimeout) return ended
  const error = await reasonFor(context, launch)
  return error === undefined ? undefined : { error, at: context.system.now() }
}

/** Brings what is over to its end, so that nothing is left that lies. Under the lock. */
export const cleanUp = async (context: Context, { over, pidFile }: Survey, began = Number.POSITIVE_INFINITY): Promise<void> => {
  for (const launch of over) {
    const record = await recordOf(context, launch)
    if (record !== undefined && !launch.ready) await hearLauncher(context, launch, record)
    const why = await whyItIsOver(context, launch, record, began)
    const told = await settle(context, launch, record ?? context.settings, why?.error, why?.at)
    context.report({ type: 'exited', code: told?.code ?? 'SERVER_EXITED', pid: launch.leader.pid, launchId: launch.id })
  }
  await sweep(context)
  await alignPidFile(context)
  if (pidFile.kind === 'bare' && !(await namesLiveProcess(context, pidFile))) await removeBarePidFile(context)
  const lied = pidFile.kind !== 'absent' && (await readPidFile(context.system, context.paths)).kind === 'absent'
  if (lied) context.report({ type: 'stale-removed', path: context.paths.pidFile })
}

/** What a call keeps from one turn to the next. */
export interface Call {
  /** The ports that its launches have lost. */
  readonly lost: Set<number>
  /** Keeps what is launched from being idle. */
  stake: Stake
}

/** One turn at the lock. */
export const decide = async (context: Context, began: number, call: Call): Promise<Decision> => {
  let seen = await survey(context, began)
  // More than once where two hold the lock, because one of them was frozen in it.
  while (seen.living !== undefined && (await isToBeReplaced(context, seen.living, seen))) {
    // Whoever started the older one explicitly meant it to stay, in whatever version, and however many launches that takes.
    if (seen.living.pinned) call.stake = pinned(call.stake)
    await makeRoom(context, seen.living)
    seen = await survey(context, began)
  }
  if (seen.failed !== undefined && seen.living === undefined) return { kind: 'failed', error: seen.failed }
  if (seen.living !== undefined) return { kind: 'follow', launch: seen.living, survey: seen }
  if (seen.pidFile.kind === 'record' && (await restoreClaim(context, seen.pidFile.record)) !== 'over') return { kind: 'withdrawn' }
  if (seen.littered || seen.pidFile.kind !== 'absent') await cleanUp(context, seen, began)
  // Of what was over, the reason may be known by now.
  const { failed } = seen.over.length === 0 ? seen : await survey(context, began)
  if (failed !== undefined) return { kind: 'failed', error: failed }
  if (seen.pidFile.kind === 'bare' && (await namesLiveProcess(context, seen.pidFile))) {
    const server = await findAdoptable(context)
    return server === undefined ? { kind: 'named', pid: seen.pidFile.pid } : { kind: 'adopted', server }
  }
  const port = await choosePort(context, call.lost)
  if (typeof port !== 'number') return { kind: 'adopted', server: port }
  const made = await attempt(context, port, call.stake)
  if (made === 'withdrawn') return { kind: 'withdrawn' }
  return made === 'port-lost' ? { kind: 'port-lost', port } : { kind: 'launched', own: made }
}
