/**
 * Bringing back a claim that was deleted from outside (a cleaner of temporary files). Only a launch
 * that has won is published, and its claim goes only after its death was seen; so a PID file that
 * names a live process without a claim shows that something else removed it. To start beside that
 * process would make two servers, to remove the PID file would make it an orphan.
 */
import type { Context } from '../context.js'
import { claimPath, createFile, listClaims, markPath, replaceFile } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { formatPidFile, readPidFile } from '../state/pid-file.js'
import { judgeLaunch, recordOf, survey } from './survey.js'

/** A file can say anything; that the process carries the id of the launch shows that it was launched as this. */
export const carriesLaunchId = async ({ system }: Context, { pid, start, group, launch }: LaunchRecord): Promise<boolean> =>
  (await system.kin({ pid, start, group }, launch)).some((one) => one.pid === pid && one.start === start && one.carriesLaunchId)

/** `lives`: its claim was there all along, or has been made since this client looked. */
export type Restored = 'restored' | 'lives' | 'over'

/** Gives a launch that lives its claim back, if it is missing. Under the lock. */
export const restoreClaim = async (context: Context, record: LaunchRecord): Promise<Restored> => {
  const { system, paths } = context
  if (record.host !== system.host()) return 'over'
  const leader = { pid: record.pid, start: record.start, group: record.group }
  const { launches } = await listClaims(system, paths)
  const listed = launches.find(({ id }) => id === record.launch)
  const verdict = await judgeLaunch(system, { id: record.launch, leader })
  if (listed !== undefined) return verdict === 'alive' && !listed.ended ? 'lives' : 'over'
  if (verdict === 'dead') return 'over'
  if (!(await carriesLaunchId(context, record))) return 'over'
  for (const folder of [paths.folder, paths.host]) await system.makeFolder(folder)
  await createFile(context, claimPath(paths, record.launch, leader), JSON.stringify(record))
  // What its marks said is lost: that its gate was opened is certain, whether it is ready somebody has to see anew.
  await createFile(context, markPath(paths, record.launch, 'gate'), '\n')
  await createFile(context, markPath(paths, record.launch, 'unattended'), '')
  // Who used it is lost with them; a server that somebody may use is not ended for being idle.
  await createFile(context, markPath(paths, record.launch, 'pin'), '')
  return 'restored'
}

/** The PID file set right: it is a copy of the living claim, or it is not there. Under the lock. */
/** Makes the PID file a true copy of the living claim, or removes it. Under the lock. */
export const alignPidFile = async (context: Context): Promise<void> => {
  const { system, paths } = context
  const { pidFile, living } = await survey(context)
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
