/** What clients that are gone left in the folder: marks without a claim, notes of dead processes, outcomes that nobody waits for any more. */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { type Launch, listClaims, markPath } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { endedMark, readOutcomes } from '../state/outcome.js'
import { readPidFile } from '../state/pid-file.js'
import { judge } from '../system/system.js'
import { alignPidFile, removeBarePidFile, restoreClaim } from './reconcile.js'
import { awaitLauncher, judgeLaunch, recordOf, survey, type Survey } from './survey.js'
import { reasonFor, tearDown, terminate } from './tear-down.js'

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

/**
 * A launch whose claim went although it lives: something else than a client deleted the state, since a
 * claim goes only after the death was seen. Whoever launched it or waits for it is the last to know of it,
 * and must not leave it an orphan.
 */
/** ms to wait for a turn at the lock. Whoever does not get it lets others look who have seen the same. */
const PATIENCE = 5000

const lives = async ({ system }: Context, launch: Launch): Promise<boolean> => ['alive', 'headless'].includes(await judgeLaunch(system, launch))

/** Gives its claim back to a launch that lives; ends it if another one has taken its place. */
export const rescue = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system, paths } = context
  if (!(await lives(context, launch))) return
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => {
    const { living, listing } = await survey(context)
    if (listing.launches.some(({ id }) => id === launch.id)) return
    if (living !== undefined || (await restoreClaim(context, record)) === 'over') await terminate(system, launch, record)
  })
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
const whyItEnded = async (context: Context, launch: Launch, record: LaunchRecord | undefined, began: number) => {
  const ended = await endedMark(context, launch.id)
  if (ended !== undefined || record === undefined || began > record.deadline - record.startupTimeout) return ended
  const error = await reasonFor(context, launch)
  return error === undefined ? undefined : { error, at: context.system.now() }
}

/** Brings what is over to its end, so that nothing is left that lies. Under the lock. */
export const cleanUp = async (context: Context, { finished, pidFile }: Survey, began = Number.POSITIVE_INFINITY): Promise<void> => {
  for (const launch of finished) {
    const record = await recordOf(context, launch)
    if (record !== undefined && !launch.ready) await awaitLauncher(context, launch, record)
    const why = await whyItEnded(context, launch, record, began)
    const told = await tearDown(context, launch, record ?? context.settings, why?.error, why?.at)
    context.report({ type: 'exited', code: told?.code ?? 'SERVER_EXITED', pid: launch.leader.pid, launchId: launch.id })
  }
  await sweep(context)
  await alignPidFile(context)
  if (pidFile.kind === 'bare' && !(await namesLiveProcess(context, pidFile))) await removeBarePidFile(context)
  const wasStale = pidFile.kind !== 'absent' && (await readPidFile(context.system, context.paths)).kind === 'absent'
  if (wasStale) context.report({ type: 'stale-removed', path: context.paths.pidFile })
}
