/**
 * Step 1, for a server that is ready: look, ask its health check once, and see that its leader lives after the answer. Most
 * calls do nothing else, so this file loads nothing else (a warm file); every other case is `ensure.ts`'s.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { baseUrl } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import { differences } from '../plan/fingerprint.js'
import type { ServerInfo } from '../server-info.js'
import { isRecordOf, readyMark, unmarked, type ReadyMark } from '../state/claim.js'
import { listClaims, type Launch, type Listing } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { readPidFile } from '../state/pid-file.js'
import { judge, type Answering, type Healthy, type Probe, type ProcessId, type System } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import { pin, type Hold } from './pin.js'
import { survey, type Survey } from './survey.js'

/** The server, if it is ready and published and the folder holds no leftovers: then there is nothing to wait for and nothing to mend. */
export const reuseReady = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo | undefined> => {
  const { system, inside, settings } = context
  const { living, pidFile, hasLeftovers } = await look(context, deadline, hold)
  if (living === undefined || !living.ready || living.id === inside || hasLeftovers) return undefined
  if (pidFile.kind !== 'record' || !isRecordOf(pidFile.record, living)) return undefined
  const { record } = pidFile
  if (settings.onMismatch !== 'reuse' && differences(settings, record.identity).length > 0) return undefined
  if (!(await hold.place(context, living))) return undefined
  const mark = await markOf(context, living.id)
  const answer = await checkHealth(context, record, mark?.url)
  if (!answer.healthy) return undefined
  // A child that outlives its leader knows the launch id as well, so an answer that bears the launch id does not spare this look.
  if (judge(living.leader, await system.look(living.leader.pid)) !== 'alive') return undefined
  return reused(context, record, mark ?? unmarked(answer.url))
}

/**
 * A survey, without a look at the leader where the listing shows one ready launch that has this hold, and nothing of anybody else. The
 * one look after the answer shows that the leader has lived all the time: a PID and a start time do not come back. Where a step comes
 * before the answer, such as a lease, it must not be for a dead launch, so a look comes before it.
 */
const look = async (
  context: Context, deadline: Deadline, hold: Hold,
): Promise<Pick<Survey, 'living' | 'pidFile' | 'hasLeftovers'>> => {
  const listing = await listClaims(context)
  const only = onlyReady(listing)
  if (hold !== pin || only?.pinned !== true) return survey(context, deadline, listing)
  return { living: only, pidFile: await readPidFile(context.system, context.paths), hasLeftovers: false }
}

const onlyReady = ({ launches: [first, ...others], outcomes, orphans, traces }: Listing): Launch | undefined =>
  others.length + outcomes.length + orphans.length + traces.length === 0 && first?.ready === true && !first.ended ? first : undefined

/** The mark of each PID file's launch, as this process has read it. One table for each machine, as in `single-flight.ts`. */
const marks = new WeakMap<System, Map<string, { readonly id: string; readonly mark: ReadyMark }>>()

/** A mark is written once and as a whole. So what the listing shows to be there says what it said, and is read once in a process. */
const markOf = async (context: Context, id: string): Promise<ReadyMark | undefined> => {
  const { system, paths: { pidFile } } = context
  const own = marks.get(system) ?? new Map()
  marks.set(system, own)
  const known = own.get(pidFile)
  if (known?.id === id) return known.mark
  const mark = await readyMark(context, id)
  // One that could not be read may yet be set right.
  if (mark !== undefined) own.set(pidFile, { id, mark })
  return mark
}

/** The launch of a record. */
export const ownOf = ({ launch: id, pid, start, group }: LaunchRecord): Answering => ({ id, leader: { pid, start, group } })

/**
 * One health check of a launch that was found ready at `url`. A kind that is not asked again stays ready while it lives, and so does
 * one by a command that this client's own options do not name. What is
 * secret goes to no other user. Whose answer it is, this does not look at: that takes some 20 ms, more than all else that a
 * warm call does.
 */
export const checkHealth = async (context: Context, record: LaunchRecord, url: string | undefined): Promise<Probe> => {
  const { launch, health, healthTimeout } = record
  const own = health.command && (await (await import('../plan/own-command.js')).askable(context, record))
  if (!traitsOf(health).isAskedAgain && own === undefined && url !== undefined) return { healthy: true, url }
  const plan = { ...(own ?? health), ...(url === undefined ? {} : { urls: [url] }) }
  const answer = await context.system.probe(plan, healthTimeout, undefined, ownOf(record))
  return answer.healthy && isOtherLaunch(answer, launch) ? answeredByOther(answer.url) : answer
}

/** What callers get to know of where a server is. */
export const placeOf = ({ url, base }: ReadyMark): Pick<ServerInfo, 'url' | 'address'> => ({ url: base, address: baseUrl(url) })

/** What a caller gets of a server that another client launched. `serving`: the process by which a headless launch is known. */
export const reused = ({ paths, settings, report }: Context, record: LaunchRecord, at: ReadyMark, serving?: ProcessId): ServerInfo => {
  const { port, launch: launchId, logFile = settings.logFile } = record
  const { pid } = serving ?? record
  report({ type: 'reused', url: at.base, pid, adopted: false })
  return { ...placeOf(at), port, pid, started: false, adopted: false, launchId, pidFile: paths.pidFile, logFile, ...at.at }
}

/**
 * Whether the server that answered gave the id of another launch. Only the processes of a launch know its id; a child
 * may outlive the leader, so the id does not show that the leader lives.
 */
export const isOtherLaunch = ({ launchId }: Healthy, id: string): boolean => launchId !== undefined && launchId !== id

export const answeredByOther = (url: string): Probe =>
  ({ healthy: false, reason: `${redactUrl(url)} is answered by another server, by the launch id that it gives` })
