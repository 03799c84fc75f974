/**
 * Brings a launch that is over to its end: what lives of it is ended, those who wait are told, its
 * claim and marks go. A claim is deleted only after the death was seen,
 * never right after kill(2), or a second server could start beside a first one that still exits.
 */
import { join } from 'node:path'
import { Deadline } from '../deadline.js'
import type { OneServerError } from '../errors.js'
import { withLock } from '../state/lock.js'
import { alignPidFile } from './align-pid-file.js'
import { claimPath, createFile, markPath, marksOf, type Launch } from './claims.js'
import type { Context } from './context.js'
import { writeOutcome } from './outcome.js'
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

/** Marks a launch as one that is being ended, whatever anybody objects. */
export const markEnded = async (context: Context, id: string, body: string): Promise<void> => {
  await createFile(context, markPath(context.paths, id, 'ended'), body)
}
