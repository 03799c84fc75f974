/**
 * The lock: whether it is held, by which process, and when it was last refreshed. A client that holds the lock or is
 * about to take it leaves a note in the host's folder first. So a lock without the note of a live process belongs to
 * nobody, and the next call takes it over.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs'
import type { Listing } from '../state/directory.js'
import type { Context } from '../context.js'
import { formatDuration } from '../text/duration.js'
import { judge } from '../system/system.js'
import { finding, type Finding } from './finding.js'

/** ms without a refresh after which another client takes the lock over. */
const STALE = 3000

interface Client {
  readonly pid: number
  readonly state: string
}

const listed = (clients: readonly Client[]): string => `PID ${clients.map(({ pid }) => pid).join(', ')}`

/** The live clients that have left a note. */
const clientsAt = async ({ system }: Context, listing: Listing | undefined): Promise<Client[]> => {
  const at: Client[] = []
  for (const { name, process } of listing?.traces ?? []) {
    if (!name.endsWith('.locking')) continue
    const look = await system.look(process.pid)
    if (judge(process, look) !== 'dead') at.push({ pid: process.pid, state: look.state })
  }
  return at
}

/** A lock that no live client holds. */
const leftover = (path: string, refreshed: string, data: object): Finding => {
  if (readdirSync(path).length === 0) {
    return finding('lock', 'note', `left over: no live client holds it; ${refreshed}`, {
      advice: 'The next call takes it over at once.', data,
    })
  }
  return finding('lock', 'problem', `left over: no live client holds it; ${refreshed}, with something in it`, {
    advice: `one-server puts nothing into it, and does not remove what is there. See what it is, and remove ${path}`, data,
  })
}

export const lock = async (context: Context, listing: Listing | undefined): Promise<Finding[]> => {
  const path = context.paths.lock
  const at = await clientsAt(context, listing)
  let stats: Stats
  try {
    stats = lstatSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const next = at.length === 0 ? '' : `; ${listed(at)} is about to take it`
    return [finding('lock', 'ok', `free${next}`, { data: { path, held: false } })]
  }
  const age = Date.now() - stats.mtimeMs
  const data = { path, held: true, ageMs: Math.round(age), uid: stats.uid, at }
  if (!stats.isDirectory()) {
    return [finding('lock', 'problem', `${path} is not a folder, so no call can take the lock`, {
      advice: 'one-server did not make it. Move it away.', data,
    })]
  }
  if (process.getuid !== undefined && stats.uid !== process.getuid()) {
    return [finding('lock', 'problem', `${path} belongs to another user (uid ${stats.uid})`, {
      advice: 'Calls of this user cannot take the lock. Remove it if no process of that user needs it, or choose another place ' +
        '(ONE_SERVER_STATE_DIR, --pid-file).',
      data,
    })]
  }
  const refreshed = age < 0 ? 'refreshed in the future (the clock was set back)' : `refreshed ${formatDuration(age)} ago`
  if (at.length === 0) return [leftover(path, refreshed, data)]
  const stopped = at.filter(({ state }) => state === 'stopped')
  const by = `held or waited for by ${listed(at)}, ${refreshed}`
  const seconds = STALE / 1000
  if (stopped.length > 0) {
    return [finding('lock', 'note', `${by}; ${listed(stopped)} is stopped, as by SIGSTOP`, {
      advice: `Other calls take the lock over ${seconds} s after its last refresh, and the claims keep a second server from starting. ` +
        `To let the process go on: kill -CONT ${stopped.map(({ pid }) => pid).join(' ')}`,
      data,
    })]
  }
  if (age <= STALE) return [finding('lock', 'ok', by, { data })]
  return [finding('lock', 'note', by, {
    advice: `Another call takes over a lock that is not refreshed for ${seconds} s. ` +
      'If calls fail with LOCK_TIMEOUT, see what that process does.',
    data,
  })]
}
