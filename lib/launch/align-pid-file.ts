/** The PID file set right: it is a copy of the living claim, or it is not there. Under the lock. */
import { formatPidFile, readPidFile } from '../state/pid-file.js'
import { replaceFile } from './claims.js'
import type { Context } from './context.js'
import { restoreClaim } from './restore.js'
import { recordOf, survey } from './survey.js'

/** Makes the PID file a true copy of the living claim, or removes it. Under the lock. */
export const alignPidFile = async (context: Context): Promise<void> => {
  const { system, paths } = context
  const { pidFile, living } = await survey(context, Number.POSITIVE_INFINITY)
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
