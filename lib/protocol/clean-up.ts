/**
 * Removes what dead clients and ended launches left, so that nothing in the state lies for longer than the next call
 * (promise 3). All of it happens under the lock.
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { Deadline, type Span } from '../deadline.js'
import type { OneServerError } from '../errors.js'
import { recordOf } from '../state/claim.js'
import { listClaims, markPath, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { endedMark } from '../state/outcome.js'
import { judge } from '../system/system.js'
import { endSilent } from './ending-rule.js'
import { alignPidFile, removeBarePidFile, restoreClaim } from './reconcile.js'
import { judgeLaunch } from './liveness.js'
import { survey, type Survey } from './survey.js'
import { awaitLauncher } from './launcher.js'
import { reasonFor, tearDown, terminate } from './tear-down.js'

/**
 * Tears down what has ended, sweeps the folder and sets the PID file right. `call`: the one that shares the
 * failures. Returns what is there afterwards.
 */
export const cleanUp = async (context: Context, seen: Survey, call?: Span): Promise<Survey> => {
  const { system, paths, report, settings } = context
  // What is left of a launch that lost its claim alone must not be swept: its leases and its pin.
  if (await restoreLostClaim(context, seen)) return cleanUp(context, await survey(context, call), call)
  for (const launch of seen.finished) {
    const record = await recordOf(context, launch)
    // Another client may have seen it listen again.
    if (!launch.ended && (await judgeLaunch(system, launch)) === 'headless' && !(await endSilent(context, launch))) continue
    if (record !== undefined && !launch.ready) await awaitLauncher(context, launch, record)
    const why = await whyItEnded(context, launch, record, call?.began)
    const shared = await tearDown(context, launch, record ?? settings, why?.error, why?.at)
    report({ type: 'exited', code: shared?.code ?? 'SERVER_EXITED', pid: launch.leader.pid, launchId: launch.id })
  }
  // A process may take seconds to end, and its launcher may have said why, so the survey from before is old.
  let now = seen.finished.length === 0 ? seen : await survey(context, call)
  await sweep(context, now)
  now = await alignPidFile(context, now)
  if (now.pidFile.kind === 'bare' && !(await namesLiveProcess(context, now.pidFile))) {
    await removeBarePidFile(context)
    now = { ...now, pidFile: { kind: 'absent' } }
  }
  if (seen.pidFile.kind !== 'absent' && now.pidFile.kind === 'absent') report({ type: 'stale-removed', path: paths.pidFile })
  return { ...now, hasLeftovers: false }
}

/** Gives its claim back to the launch that the PID file names, where something else than a client removed it. */
const restoreLostClaim = async (context: Context, { pidFile, listing }: Survey): Promise<boolean> => {
  if (pidFile.kind !== 'record' || listing.launches.length > 0) return false
  return (await restoreClaim(context, pidFile.record)) === 'restored'
}

/** Removes marks without a claim, notes of dead processes, and outcomes for which no call can be waiting. */
const sweep = async (context: Context, { listing: { orphans, traces }, oldOutcomes }: Survey): Promise<void> => {
  const { system, paths } = context
  // A listing may show a new mark and miss its claim. The claim comes first, so a second listing shows it.
  const still = orphans.length === 0 ? [] : (await listClaims(context)).orphans
  for (const name of orphans) if (still.includes(name)) await removeStale(context, join(paths.host, name))
  for (const { name, process } of traces) {
    if (judge(process, await system.look(process.pid)) === 'dead') await removeStale(context, join(paths.host, name))
  }
  for (const id of oldOutcomes) await system.remove(markPath(paths, id, 'outcome'))
}

const removeStale = async ({ system, report }: Context, path: string): Promise<void> => {
  if (await system.remove(path)) report({ type: 'stale-removed', path })
}

/**
 * Why a launch has ended, and when. A call that began before the claim has waited for the launch; a later call would
 * have seen it live.
 */
const whyItEnded = async (
  context: Context, launch: Launch, record: LaunchRecord | undefined, began = Number.POSITIVE_INFINITY,
): Promise<{ error: OneServerError; at: number } | undefined> => {
  const ended = await endedMark(context, launch.id)
  if (ended !== undefined || record === undefined || began > record.deadline - record.startupTimeout) return ended
  const error = await reasonFor(context, launch)
  return error === undefined ? undefined : { error, at: context.system.now() }
}

/** ms. Clocks have a grain, so only a process that started so much later than the PID file was written is certainly another one. */
const GRAIN = 2000

/** Whether the process that a bare PID file names may be the process that its writer named. */
export const namesLiveProcess = async ({ system }: Context, { pid, modified }: { pid: number; modified: number }): Promise<boolean> => {
  const look = await system.look(pid)
  if (look.state === 'hidden') return true
  if (!('isThread' in look) || look.state === 'zombie' || look.isThread) return false
  const started = await system.startedAt(pid)
  return started === undefined || started < modified + GRAIN
}

/** ms to wait for a turn at the lock. A client that does not get it leaves the rescue to others that have seen the same. */
const PATIENCE = 5000

/**
 * Rescues a launch that lost its claim although it lives: something else than a client deleted the state, since a claim
 * is removed only after the death was seen. Its launcher and its followers are the last clients that know of it, and
 * must not leave an orphan. It gets its claim back, or ends if another launch has taken its place.
 */
export const rescue = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system, paths } = context
  if (!['alive', 'headless'].includes(await judgeLaunch(system, launch))) return
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => {
    const { living, listing } = await survey(context)
    if (listing.launches.some(({ id }) => id === launch.id)) return
    if (living !== undefined || (await restoreClaim(context, record)) === 'finished') await terminate(system, launch, record)
  })
}
