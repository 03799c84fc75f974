/**
 * What is there and what of it lives: the PID file, the claims, and the failures since the call began. A survey reads
 * and decides nothing, so a client needs no lock for it. A client that finds nothing to follow decides under the lock,
 * after another survey.
 */
import type { Context } from '../context.js'
import type { Span } from '../deadline.js'
import { stateUnusable, type OneServerError } from '../errors.js'
import { claimPath, listClaims, type Launch, type Listing } from '../state/directory.js'
import { readPidFile, type PidFile } from '../state/pid-file.js'
import { judge, type ProcessId } from '../system/system.js'
import { judgeLaunch, servingProcess } from './liveness.js'

export interface Survey {
  readonly pidFile: PidFile
  readonly listing: Listing
  /** The launch to follow: it lives and no client ends it. */
  readonly living: Launch | undefined
  /** Where that launch is headless: the process by which it is known. */
  readonly serving: ProcessId | undefined
  /** Claims of launches that have ended, serve no more, or are being ended. */
  readonly finished: readonly Launch[]
  /** A failure that the call shares: it was written since the call began. */
  readonly failed: OneServerError | undefined
  /** Ids of the outcomes that no call can be waiting for. */
  readonly oldOutcomes: readonly string[]
  /** The folder holds something of clients or launches that have gone. */
  readonly hasLeftovers: boolean
}

/** Few calls find an outcome, so what reads one is loaded for those. */
const NO_OUTCOMES = { failed: undefined, old: [] } as const

/**
 * Looks once. Of several launches that live, the one that has come furthest is the one to follow. Without `call`
 * no failure is shared. `listed`: what a client has listed just before.
 */
export const survey = async (context: Context, call?: Span, listed?: Listing): Promise<Survey> => {
  const { system, paths } = context
  const listing = listed ?? (await listClaims(context))
  const living: Launch[] = []
  const finished: Launch[] = []
  const serving = new Map<string, ProcessId>()
  for (const launch of listing.launches) {
    const verdict = await judgeLaunch(system, launch)
    if (verdict === 'unknown') throw unknownLaunch(context, launch)
    const server = verdict === 'headless' && !launch.ended ? await servingProcess(context, launch) : undefined
    if (server !== undefined) serving.set(launch.id, server)
    if (!launch.ended && (verdict === 'alive' || server !== undefined)) living.push(launch)
    else finished.push(launch)
  }
  const pidFile = await readPidFile(system, paths)
  const published = pidFile.kind === 'record' ? pidFile.record.launch : undefined
  const rank = ({ ready, id }: Launch): number => (ready ? 2 : 0) + (id === published ? 1 : 0)
  living.sort((one, other) => rank(other) - rank(one))
  const { failed, old } = listing.outcomes.length === 0 ? NO_OUTCOMES
    : await (await import('../state/outcome.js')).readOutcomes(context, listing.outcomes, call)
  const hasLeftovers = finished.length + old.length + listing.orphans.length > 0 || (await hasDeadTraces(context, listing))
  const [first] = living
  const server = first === undefined ? undefined : serving.get(first.id)
  return { pidFile, listing, living: first, serving: server, finished, failed, oldOutcomes: old, hasLeftovers }
}

const hasDeadTraces = async ({ system }: Context, { traces }: Listing): Promise<boolean> => {
  for (const { process } of traces) if (judge(process, await system.look(process.pid)) === 'dead') return true
  return false
}

const unknownLaunch = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), `nothing shows whether PID ${launch.leader.pid} is the server that this names`,
    'Nothing was signalled and nothing was started. See what runs (ps -o pid,pgid,args); if it is not the server, remove this file.',
  )
