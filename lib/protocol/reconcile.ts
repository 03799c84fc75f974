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
import { claimPath, createFile, markPath, replaceFile, type Listing } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { formatPidFile, readPidFile } from '../state/pid-file.js'
import { judgeLaunch, recordOf, survey, type Survey } from './survey.js'

/** Makes the PID file a true copy of the living claim, or removes it. Under the lock. Returns what is there afterwards. */
export const alignPidFile = async (context: Context, seen: Survey): Promise<Survey> => {
  const { system, paths } = context
  const { pidFile, living, listing } = seen
  if (living !== undefined) {
    const record = await recordOf(context, living, pidFile)
    if (record === undefined || (pidFile.kind === 'record' && pidFile.record.launch === living.id)) return seen
    await replaceFile(context, paths.pidFile, formatPidFile(record))
    return { ...seen, pidFile: { kind: 'record', record } }
  }
  // Another host's PID file is not this host's to judge.
  if (pidFile.kind !== 'record' || pidFile.record.host !== system.host()) return seen
  if (await restoreClaim(context, pidFile.record, listing)) return survey(context)
  const now = await readPidFile(system, paths)
  if (now.kind !== 'record' || now.record.launch !== pidFile.record.launch) return { ...seen, pidFile: now }
  await system.remove(paths.pidFile)
  return { ...seen, pidFile: { kind: 'absent' } }
}

/** Removes another tool's PID file, whose process has been seen to have gone. Under the lock. */
export const removeBarePidFile = async ({ system, paths }: Context): Promise<void> => {
  const { kind } = await readPidFile(system, paths)
  if (kind === 'bare') await system.remove(paths.pidFile)
}

/**
 * Gives its claim back to a launch that lives and that `listing` does not show. Under the lock. True: the launch
 * lives and has its claim.
 */
export const restoreClaim = async (context: Context, record: LaunchRecord, { launches }: Listing): Promise<boolean> => {
  const { system, paths } = context
  const { launch: id, pid, start, group } = record
  const leader = { pid, start, group }
  if (record.host !== system.host() || launches.some((launch) => launch.id === id)) return false
  if ((await judgeLaunch(system, { id, leader })) === 'dead' || !(await carriesLaunchId(context, record))) return false
  for (const folder of [paths.folder, paths.host]) await system.makeFolder(folder)
  await createFile(context, claimPath(paths, id, leader), JSON.stringify(record))
  // The marks are lost. The gate was certainly opened; a client must see again whether the server is ready.
  await createFile(context, markPath(paths, id, 'gate'), '\n')
  await createFile(context, markPath(paths, id, 'unattended'), '')
  // The leases are lost, too. A server that a client may still use is not ended for being idle, so it gets a pin.
  await createFile(context, markPath(paths, id, 'pin'), '')
  return true
}

/** Whether the process was launched as this launch. A file can say anything; the process carries the launch id only if it was. */
export const carriesLaunchId = async ({ system }: Context, { pid, start, group, launch }: LaunchRecord): Promise<boolean> =>
  (await system.kin({ pid, start, group }, launch)).some((one) => one.pid === pid && one.start === start && one.carriesLaunchId)
