/**
 * Brings a launch that is over to its end: what lives of it is ended, those who wait are told, its
 * claim and marks go, and the PID file is set right. A claim is deleted only after the death was seen,
 * never right after kill(2), or a second server could start beside a first one that still exits.
 */
import { join } from 'node:path'
import { Deadline } from '../deadline.js'
import { portInUse, serverExited, type OneServerError } from '../errors.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { formatPidFile, readPidFile } from '../state/pid-file.js'
import { judge, type Exit } from '../system/system.js'
import { claimPath, createFile, listClaims, markPath, marksOf, replaceFile, type Launch } from './claims.js'
import type { Context } from './context.js'
import { endedBecause, LOG_LINES, readOutcomes, writeOutcome } from './outcome.js'
import { isFree } from './ports.js'
import { restoreClaim } from './restore.js'
import { recordOf, survey } from './survey.js'
import { terminate, type StopManner } from './terminate.js'

/** Deletes the claim of a launch that has been seen dead, then its marks: `.ended` must stand for as long as the claim does. */
export const removeClaim = async ({ system, paths }: Context, launch: Pick<Launch, 'id' | 'leader'>): Promise<void> => {
  await system.remove(claimPath(paths, launch.id, launch.leader))
  for (const mark of marksOf(launch.id, await system.list(paths.host))) await system.remove(join(paths.host, mark))
}

/**
 * Ends a launch whose leader is gone or that somebody means to end, and tells those who wait for it.
 * Returns what they are told. Safe to do for several clients at once.
 */
export const settle = async (context: Context, launch: Launch, manner: StopManner, because?: OneServerError, at?: number): Promise<OneServerError | undefined> => {
  const { system, paths } = context
  await terminate(system, launch, manner)
  let told: OneServerError | undefined
  const ready = (await system.list(paths.host)).includes(`${launch.id}.ready`)
  if (!ready && because !== undefined) told = await writeOutcome(context, launch.id, because, at)
  await removeClaim(context, launch)
  return told
}

/**
 * As `settle`, for a client that does not hold the lock; the PID file is set right afterwards. One try: whoever
 * has the lock cleans up itself or the next call does, and a caller that has to be told at once must not queue.
 */
export const settleUnlocked = async (context: Context, launch: Launch, manner: StopManner, because?: OneServerError): Promise<OneServerError | undefined> => {
  const told = await settle(context, launch, manner, because)
  const { system, paths } = context
  await withLock(system, paths, new Deadline(system, 0), () => alignPidFile(context)).catch(() => {})
  return told
}

/** What a client tells that finds a launch over which it did not make itself. */
export const reasonFor = async (context: Context, launch: Launch): Promise<OneServerError | undefined> => {
  if (launch.ended) return endedBecause(context, launch.id)
  if (!(await hasRun(context, launch))) return undefined
  const record = await recordOf(context, launch)
  if (record === undefined) return serverExited({ pid: launch.leader.pid })
  const error = await whyItExited(context, record, {})
  // A port that was ours to choose is chosen again, as its launcher would have done.
  return error.code === 'PORT_IN_USE' && context.settings.port.kind !== 'fixed' ? undefined : error
}

/** Why a server that has run exited before it was ready, as far as `exit`, its log and its port tell. */
export const whyItExited = async (context: Context, { logFile, port, pid, health }: LaunchRecord, exit: Exit): Promise<OneServerError> => {
  const data = { ...exit, pid, logFile, logTail: await context.system.tail(logFile, LOG_LINES) }
  // Of a server at a Unix socket the log may mean that one, which another port is no help for.
  const saysSo = /EADDRINUSE|address already in use/i.test(data.logTail) && !health.urls.some((url) => url.startsWith('socket:'))
  if (saysSo || !(await isFree(context, port))) {
    return portInUse(port, 'by now: the server lost it to another process between the choice and the bind', data)
  }
  return serverExited(data)
}

/** Whether the gate was opened: a launch that never ran has not failed. */
const hasRun = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> => {
  const gate = await system.read(markPath(paths, id, 'gate'))
  return gate.kind === 'file' && gate.text !== ''
}

/** Makes the PID file a true copy of the living claim, or removes it. Under the lock. */
export const alignPidFile = async (context: Context): Promise<void> => {
  const { system, paths } = context
  const { pidFile, living } = await survey(context, Number.POSITIVE_INFINITY)
  if (living !== undefined) {
    const record = await recordOf(context, living, pidFile)
    if (record === undefined || (pidFile.kind === 'record' && pidFile.record.launch === living.id)) return
    await replaceFile(context, paths.pidFile, formatPidFile(record))
    return
  }
  // What another host wrote there is not ours to judge.
  if (pidFile.kind !== 'record' || pidFile.record.host !== system.host()) return
  if ((await restoreClaim(context, pidFile.record)) === 'over') await system.remove(paths.pidFile)
}

/** Removes another tool's PID file whose process is shown to be gone. Under the lock. */
export const removeBarePidFile = async (context: Context): Promise<void> => {
  const pidFile = await readPidFile(context.system, context.paths)
  if (pidFile.kind === 'bare') await context.system.remove(context.paths.pidFile)
}

const removeStale = async ({ system, report }: Context, path: string): Promise<void> => {
  if (await system.remove(path)) report({ type: 'stale-removed', path })
}

/** Removes what clients that are gone left in the folder. Under the lock. */
export const sweep = async (context: Context): Promise<void> => {
  const { system, paths } = context
  const { orphans, outcomes, traces } = await listClaims(system, paths)
  // A claim comes before its marks, so one that is missing in a later listing is gone.
  const { orphans: still } = await listClaims(system, paths)
  for (const name of orphans) if (still.includes(name)) await removeStale(context, join(paths.host, name))
  for (const { name, process } of traces) {
    if (judge(process, await system.look(process.pid)) === 'dead') await removeStale(context, join(paths.host, name))
  }
  const { old } = await readOutcomes(context, outcomes, Number.POSITIVE_INFINITY)
  for (const id of old) await system.remove(markPath(paths, id, 'outcome'))
}

/** Marks a launch as one that is being ended, whatever anybody objects. */
export const markEnded = async (context: Context, id: string, body: string): Promise<void> => {
  await createFile(context, markPath(context.paths, id, 'ended'), body)
}
