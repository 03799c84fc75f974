/**
 * What other clients do about the launcher of a launch: it alone learns the exit code (promise 5), so they leave it the time to write the
 * outcome. Apart from `survey.ts`, since a call that finds a ready server asks none of this.
 */
import type { Context } from '../context.js'
import { stateUnusable, type OneServerError } from '../errors.js'
import { claimPath, findLaunch, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge } from '../system/system.js'

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

export const unreadableClaim = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), 'does not say where its server listens',
    `It was damaged. PID ${launch.leader.pid} runs; end it with one-server stop, or stopServer(), and call again.`,
  )
