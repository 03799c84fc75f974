/**
 * What a client may decide without the lock: whether there is a launch to follow. In a crowd every client but one finds its answer here,
 * and loads nothing of what a launch takes (promise 6). Only under the lock does a client conclude from an answer that there is none.
 */
import type { Context } from '../context.js'
import type { Span } from '../deadline.js'
import type { OneServerError } from '../errors.js'
import { differences } from '../plan/fingerprint.js'
import { isNewer } from '../plan/versions.js'
import { isRecordOf, recordOf } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { PidFile } from '../state/pid-file.js'
import type { ProcessId } from '../system/system.js'
import { survey, type Survey } from './survey.js'

export type Found =
  /** A launch lives: follow it. */
  | { readonly kind: 'follow'; readonly launch: Launch; readonly survey: Survey }
  /** A launch has ended since the call began: share its outcome. */
  | { readonly kind: 'failed'; readonly error: OneServerError }

/** What a client may decide without the lock. Undefined: there is nothing to follow. */
export const lookUnlocked = async (context: Context, span: Span): Promise<Found | undefined> => {
  const seen = await survey(context, span)
  const { living: launch } = seen
  if (launch !== undefined) return (await shouldReplace(context, launch, seen)) ? undefined : { kind: 'follow', launch, survey: seen }
  return seen.failed === undefined ? undefined : { kind: 'failed', error: seen.failed }
}

/** Whether the launch is of an older version, and this call asks for a newer one in its place. */
export const shouldReplace = async (context: Context, living: Launch, { pidFile }: Survey): Promise<boolean> => {
  const { settings } = context
  if (settings.onMismatch !== 'restart') return false
  const record = await recordOf(context, living, pidFile)
  return record !== undefined && differences(settings, record.identity).length > 0 && isNewer(settings, record.identity)
}

/** Whether the PID file is a true copy of the claim of this launch. */
export const isPublished = (pidFile: PidFile, launch: Launch, serving: ProcessId | undefined): boolean =>
  pidFile.kind === 'record' && isRecordOf(pidFile.record, launch) && pidFile.record.serving?.pid === serving?.pid
