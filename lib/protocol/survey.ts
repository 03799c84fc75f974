/**
 * What is there and what of it lives: the PID file, the claims, and the failures since the call began. A survey reads
 * and decides nothing, so a client needs no lock for it. A client that finds nothing to follow decides under the lock,
 * after another survey.
 */
import type { Context } from '../context.js'
import type { Span } from '../deadline.js'
import { stateUnusable, type OneServerError } from '../errors.js'
import { claimPath, findLaunch, listClaims, type Launch, type Listing } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
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

/**
 * Looks for the outcome of a server that has exited, before a client other than the launcher writes one: the launcher alone learns the
 * exit code (promise 5). They are counted, and not timed: a machine that starves the launcher starves the client that looks as
 * well, so the launcher has the longer.
 */
const LAUNCHER_LOOKS = 8
/** ms between two of them. */
const LAUNCHER_PAUSE = 20

/** Whether the launcher still looks after its launch. A launcher that has died, is stopped or has detached does not. */
export const isSupervised = async (
  { system }: Context, launch: Launch, { launcher }: Pick<LaunchRecord, 'launcher'>,
): Promise<boolean> => {
  if (launch.unattended) return false
  const look = await system.look(launcher.pid)
  return look.state !== 'stopped' && judge(launcher, look) !== 'dead'
}

/**
 * Gives the launcher of a launch that died while it booted the time to write the outcome. The launcher released the
 * lock before, so another client may notice the death first.
 */
export const awaitLauncher = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system } = context
  for (let looks = 0; looks < LAUNCHER_LOOKS && (await isSupervised(context, launch, record)); looks++) {
    if (!(await isClaimed(context, launch))) return
    await system.sleep(LAUNCHER_PAUSE)
  }
}

/** Whether the claim of a launch is still there. */
export const isClaimed = async (context: Context, { id }: Launch): Promise<boolean> => (await findLaunch(context, id)) !== undefined

const unknownLaunch = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), `nothing shows whether PID ${launch.leader.pid} is the server that this names`,
    'Nothing was signalled and nothing was started. See what runs (ps -o pid,pgid,args); if it is not the server, remove this file.',
  )

export const unreadableClaim = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), 'does not say where its server listens',
    `It was damaged. PID ${launch.leader.pid} runs; end it with one-server stop, or stopServer(), and call again.`,
  )
