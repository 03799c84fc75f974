/**
 * Which watchdogs a launch has, and the end of one whose launch has gone: stop means that nothing of the launch is left. Apart from
 * `watchdog.ts`, because the reaper runs this file as well, and the source of a reaper is not in a reaper.
 *
 * A client that dies right before or after the kill leaves a watchdog, which sees within half a minute that its launch has no claim.
 */
import { launching } from './platform/current.js'
import { groupOf, lookAt, signalGroup } from './processes.js'
import { judge, type ProcessId } from './system.js'

/** The watchdogs of a launch that still hold it. A holder whose files something deleted is known by its watchdog alone. */
export const watchdogsOf = (launchId: string): ProcessId[] => launching.watchdogs(launchId)

/**
 * Kills a watchdog with what it runs, its process group. A file can name any process, so the process itself must show
 * that it is a watchdog of this launch, and the group must be its own.
 */
export const endWatchdog = async (id: ProcessId, launchId: string): Promise<void> => {
  if (judge(id, await lookAt(id.pid)) !== 'alive' || !(await launching.isWatchdog(id.pid, launchId))) return
  const group = await groupOf(id.pid)
  // A reaper is a member of its watchdog's group, and must not kill itself.
  if (group !== undefined && group !== (await groupOf(process.pid))) await signalGroup(group, 'SIGKILL')
}
