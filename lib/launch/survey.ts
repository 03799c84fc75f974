/**
 * What is there, seen without deciding anything: the PID file, the claims, what failed since the call
 * began, and which launch lives. No lock is needed to look; whatever follows from nothing being there
 * is decided under it, after another look.
 */
import { OneServerError, stateUnusable } from '../errors.js'
import { parseRecord, type LaunchRecord } from '../state/launch-record.js'
import { readPidFile, type PidFile } from '../state/pid-file.js'
import { claimPath, listClaims, type Launch, type Listing } from './claims.js'
import type { Context } from './context.js'
import { readOutcomes } from './outcome.js'
import { judge } from '../system/system.js'
import { judgeLaunch } from './verdict.js'

export interface Survey {
  readonly pidFile: PidFile
  readonly listing: Listing
  /** An outcome that was written since the call began. */
  readonly failed: OneServerError | undefined
  /** The launch to follow. */
  readonly living: Launch | undefined
  /** Claims whose launch is over, or has to be brought to its end. */
  readonly over: readonly Launch[]
  /** Something in the folder is left from clients or launches that are gone. */
  readonly littered: boolean
}

/** A launch that nobody means to end, and whose leader lives, is the one to follow. Of several the one that has got furthest. */
export const survey = async (context: Context, began: number): Promise<Survey> => {
  const { system, paths } = context
  const listing = await listClaims(system, paths)
  const living: Launch[] = []
  const over: Launch[] = []
  for (const launch of listing.launches) {
    const verdict = await judgeLaunch(system, launch)
    if (verdict === 'unknown') throw unknownLaunch(context, launch)
    if (verdict === 'alive' && !launch.ended) living.push(launch)
    else over.push(launch)
  }
  const pidFile = await readPidFile(system, paths)
  const named = pidFile.kind === 'record' ? pidFile.record.launch : undefined
  living.sort((one, other) => rank(other, named) - rank(one, named))
  const { failed, old } = await readOutcomes(context, listing.outcomes, began)
  const littered = over.length + old.length + listing.orphans.length > 0 || (await hasDeadTraces(context, listing))
  return { pidFile, listing, living: living[0], over, failed, littered }
}

const hasDeadTraces = async ({ system }: Context, { traces }: Listing): Promise<boolean> => {
  for (const { process } of traces) if (judge(process, await system.look(process.pid)) === 'dead') return true
  return false
}

const rank = (launch: Launch, named: string | undefined): number => (launch.ready ? 2 : 0) + (launch.id === named ? 1 : 0)

const unknownLaunch = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), `it cannot be told whether PID ${launch.leader.pid} is the server that this names`,
    'Nothing was signalled and nothing was started. See what runs (ps -o pid,pgid,args); if it is not the server, remove this file.',
  )

/** What the launch wrote down about itself. The PID file is a copy of it, and mostly read already. */
export const recordOf = async (context: Context, launch: Launch, pidFile?: PidFile): Promise<LaunchRecord | undefined> => {
  if (pidFile?.kind === 'record' && names(pidFile.record, launch)) return pidFile.record
  const { system, paths } = context
  const found = await system.read(claimPath(paths, launch.id, launch.leader))
  if (found.kind !== 'file') return undefined
  const record = parseRecord(found.text.trim())
  return typeof record === 'object' && names(record, launch) ? record : undefined
}

/** Whether the launch has not been brought to its end since it was seen. */
export const isClaimed = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> =>
  (await listClaims(system, paths)).launches.some((launch) => launch.id === id)

/** Whether a record is of this launch. */
export const names = (record: LaunchRecord, { id, leader }: Launch): boolean =>
  record.launch === id && record.pid === leader.pid && record.start === leader.start && record.group === leader.group

export const unreadableClaim = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), 'does not say where its server listens',
    `It was damaged. PID ${launch.leader.pid} runs; end it with one-server stop, or stopServer(), and call again.`,
  )
