/**
 * Whether somebody looks after a launch. Its launcher is the only one who learns the exit code, so
 * others let it speak first (promise 5: the same error for all); a launcher that is dead, stopped or
 * has left is not waited for.
 */
import type { LaunchRecord } from '../state/launch-record.js'
import { judge } from '../system/system.js'
import { listClaims, type Launch } from './claims.js'
import type { Context } from './context.js'

/** ms that the launcher has for writing the outcome of a server that has exited. */
export const LAUNCHER_SILENCE = 150

/** ms between two looks whether it has. */
const PAUSE = 10

export const isAttended = async ({ system }: Context, launch: Launch, { launcher }: Pick<LaunchRecord, 'launcher'>): Promise<boolean> => {
  if (launch.unattended) return false
  const look = await system.look(launcher.pid)
  return look.state !== 'stopped' && judge(launcher, look) !== 'dead'
}

/** Gives the launcher of a launch that died while it booted the time to say how: it has released the lock, so whoever queued may notice first. */
export const hearLauncher = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system, paths } = context
  const until = system.now() + LAUNCHER_SILENCE
  while (system.now() < until && (await isAttended(context, launch, record))) {
    if (!(await listClaims(system, paths)).launches.some(({ id }) => id === launch.id)) return
    await system.sleep(PAUSE)
  }
}
