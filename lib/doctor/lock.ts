/**
 * The lock: whether it is held, by whom, and since when it was refreshed. Who holds it or is about to has left
 * a note in the host's folder; a lock without the note of a live process is taken over by the next call.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs'
import type { Listing } from '../state/directory.js'
import type { Context } from '../context.js'
import { formatDuration } from '../text/duration.js'
import { judge } from '../system/system.js'
import { finding, type Finding } from './finding.js'

/** ms without a refresh after which others take it over. */
const STALE = 3000

export const lock = async ({ system, paths }: Context, listing: Listing | undefined): Promise<Finding[]> => {
  const at: { pid: number; state: string }[] = []
  for (const { name, process } of listing?.traces ?? []) {
    if (!name.endsWith('.locking')) continue
    const look = await system.look(process.pid)
    if (judge(process, look) !== 'dead') at.push({ pid: process.pid, state: look.state })
  }
  let stats: Stats
  try {
    stats = lstatSync(paths.lock)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return [finding('lock', 'ok', `free${at.length === 0 ? '' : `; PID ${at.map(({ pid }) => pid).join(', ')} is about to take it`}`, { data: { path: paths.lock, held: false } })]
  }
  const age = Date.now() - stats.mtimeMs
  const data = { path: paths.lock, held: true, ageMs: Math.round(age), uid: stats.uid, at }
  if (!stats.isDirectory()) return [finding('lock', 'problem', `${paths.lock} is there and is no folder, so no call can take the lock`, { advice: 'Move it away. one-server has not made it.', data })]
  if (process.getuid !== undefined && stats.uid !== process.getuid()) return [finding('lock', 'problem', `${paths.lock} belongs to another user (uid ${stats.uid})`, { advice: 'Every call that has to decide something is refused. Remove it if it is a leftover, or choose another place (ONE_SERVER_STATE_DIR, --pid-file).', data })]
  const refreshed = age < 0 ? 'refreshed in the future (the clock was set back)' : `refreshed ${formatDuration(age)} ago`
  if (at.length === 0) {
    const isFull = readdirSync(paths.lock).length > 0
    return [finding('lock', isFull ? 'problem' : 'note', `left by a client that has ended, ${refreshed}${isFull ? ', with something in it' : ''}`, { advice: isFull ? `Nothing of ours lies in there, so it is not removed: see what it is, and remove ${paths.lock}` : 'The next call takes it over at once.', data })]
  }
  const stopped = at.filter(({ state }) => state === 'stopped').map(({ pid }) => pid)
  const by = `held or waited for by PID ${at.map(({ pid }) => pid).join(', ')}, ${refreshed}`
  if (stopped.length > 0) return [finding('lock', 'note', `${by}; PID ${stopped.join(', ')} is stopped, as by SIGSTOP`, { advice: `Others take it over after ${STALE / 1000} s. kill -CONT lets it go on; the claims keep it from doing harm.`, data })]
  return [finding('lock', age > STALE ? 'note' : 'ok', by, { ...(age > STALE ? { advice: `A lock that is not refreshed for ${STALE / 1000} s is taken over. If calls fail with LOCK_TIMEOUT, see what that process does.` } : {}), data })]
}
