/**
 * Whose a process is, and what it runs: asked before a lease is taken in its name. A lease in the name of another user's process would
 * let that user decide how long this user's server lives, and a lease on what cannot be seen would never end.
 */
import { launching } from './platform/current.js'
import type { Described } from './platform/platform.js'

/**
 * `unknown`: this system shows only processes of one-server, as Windows does, so no watchdog could notice the end of another program's.
 * What has ended between two questions is not there.
 */
export const describe = async (pid: number): Promise<Described | 'unknown' | undefined> => {
  // No kernel gives such a number, and what asks by a path or a list would ask for something else.
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid >= 2 ** 31) return undefined
  if (launching.describe === undefined) return 'unknown'
  const described = await launching.describe(pid)
  if (described === undefined) return undefined
  const { isOwn, command } = described
  return { isOwn, command: command.trim() }
}
