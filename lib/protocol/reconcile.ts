/**
 * The PID file and the claim made to agree, under the lock. The claim is the truth and the PID file a copy of it, so a
 * PID file that disagrees is written again or removed.
 *
 * There is one exception. A claim is removed only after the death of its launch was seen, and only a launch that has won
 * is published. So a PID file that names a live process without a claim shows that something else removed the claim (a
 * cleaner of temporary files). A launch beside that process would make two servers, and the removal of the PID file
 * would make an orphan: the launch gets its claim back.
 */
import type { Context } from '../context.js'
import { recordOf } from '../state/claim.js'
import { claimPath, createFile, findLaunch, markPath, replaceFile, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { formatPidFile, readPidFile } from '../state/pid-file.js'
import { judgeLaunch } from './liveness.js'
import { isPublished } from './look-unlocked.js'
import { survey, type Survey } from './survey.js'

/** Makes the PID file a true copy of the living claim, or removes it. Under the lock. Returns what is there afterwards. */
export const alignPidFile = async (context: Context, seen: Survey): Promise<Survey> => {
  const { system, paths } = context
  const { pidFile, living, serving } = seen
  if (living !== undefined) {
    if (isPublished(pidFile, living, serving)) return seen
    const claimed = await recordOf(context, living, pidFile)
    if (claimed === undefined) return seen
    // The PID of a leader that has gone may name a stranger tomorrow: `kill $(head -n1 P)` must reach the server.
    const record = serving === undefined ? claimed : { ...claimed, serving: { pid: serving.pid, start: serving.start } }
    await replaceFile(context, paths.pidFile, formatPidFile(record))
    return { ...seen, pidFile: { kind: 'record', record } }
  }
  // Another host's PID file is not this host's to judge.
  if (pidFile.kind !== 'record' || pidFile.record.host !== paths.hostName) return seen
  const restored = await restoreClaim(context, pidFile.record)
  if (restored === 'restored') return survey(context)
  if (restored === 'lives') return seen
  const now = await readPidFile(system, paths)
  if (now.kind !== 'record' || now.record.launch !== pidFile.record.launch) return { ...seen, pidFile: now }
  await system.remove(paths.pidFile)
  return { ...seen, pidFile: { kind: 'absent' } }
}

/**
 * Removes the PID file of a launch that this client has just seen dead: what is dead stays dead, so no look at all processes is needed to
 * show that it has not lost its claim. True: it was there. Under the lock.
 */
export const withdrawPidFile = async ({ system, paths }: Context, id: string): Promise<boolean> => {
  const pidFile = await readPidFile(system, paths)
  if (pidFile.kind !== 'record' || pidFile.record.launch !== id || pidFile.record.host !== paths.hostName) return false
  return system.remove(paths.pidFile)
}

/** Removes another tool's PID file, whose process has been seen to have gone. Under the lock. */
export const removeBarePidFile = async ({ system, paths }: Context): Promise<void> => {
  const { kind } = await readPidFile(system, paths)
  if (kind === 'bare') await system.remove(paths.pidFile)
}

/** `lives`: its claim is there. `finished`: no process of it lives. */
export type Restored = 'restored' | 'lives' | 'finished'

/** Gives its claim back to the launch of a record. Under the lock. */
export const restoreClaim = async (context: Context, record: LaunchRecord, isIdle = false): Promise<Restored> => {
  const { system } = context
  // Which process serves is the PID file's alone: the claim outlives that process.
  const { serving: _, launch: id, pid, start, group, ...rest } = record
  if (record.host !== context.paths.hostName) return 'finished'
  // Nothing shows any more that it was ready, and busy is not dead: it has as long to show it as a launch that begins now.
  const deadline = Math.max(record.deadline, system.now() + record.startupTimeout)
  const claim: LaunchRecord = { ...rest, launch: id, pid, start, group, deadline }
  return restore(context, { id, leader: { pid, start, group } }, JSON.stringify(claim), isIdle)
}

/**
 * Gives a claim to a launch that lives without one. A client may have been frozen since it listed the claims, and a newer launch may
 * have been published meanwhile, so only a listing after the look at the process shows that the claim is missing. `isIdle`: the
 * launch is restored only to be ended by the rule.
 */
export const restore = async (
  context: Context, { id, leader }: Pick<Launch, 'id' | 'leader'>, body: string, isIdle: boolean,
): Promise<Restored> => {
  const { system, paths } = context
  if ((await judgeLaunch(system, { id, leader })) === 'dead') return 'finished'
  if (!(await carriesLaunchId(context, { ...leader, launch: id }))) return 'finished'
  const listed = await findLaunch(context, id)
  if (listed !== undefined) return listed.ended ? 'finished' : 'lives'
  // A launch that is watched is not pinned (`pin.ts`), and its watchdogs object for as long as it is used. Of any other nothing shows
  // whether a client uses it, so it gets a pin. The pin comes first: a client that sees the claim may end what has no pin.
  const isPinned = !isIdle && (await system.watchdogs(id)).length === 0
  for (const folder of [paths.folder, paths.host]) await system.makeFolder(folder)
  if (isPinned) await createFile(context, markPath(paths, id, 'pin'), '')
  await createFile(context, claimPath(paths, id, leader), body)
  // The gate was certainly opened; a client must see again whether the server is ready.
  await createFile(context, markPath(paths, id, 'gate'), '\n')
  await createFile(context, markPath(paths, id, 'unattended'), '')
  return 'restored'
}

type Carrier = Pick<LaunchRecord, 'pid' | 'start' | 'group' | 'launch'>

/** Whether a process of this launch lives. A file can say anything; a process carries the launch id only if it was launched so. */
export const carriesLaunchId = async ({ system }: Context, { pid, start, group, launch }: Carrier): Promise<boolean> =>
  (await system.kin({ pid, start, group }, launch)).some((one) => one.carriesLaunchId)
