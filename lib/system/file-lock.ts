/**
 * The lock on the PID file: proper-lockfile, one try at a time. It keeps a crowd orderly, so that one
 * client checks and decides while the others wait; it does not keep promise 1 (two processes that
 * find the same stale lock can both take it), the claim does.
 *
 * What is added is judging a lock that somebody left. proper-lockfile compares its mtime with the
 * wall clock: two seconds at least after a crash, and hours when the clock was set back. Here each
 * client leaves a note with its PID and start time before it makes the lock, so a lock without the
 * note of a live process is stale now; and one whose holder lives but does not refresh it ages on the
 * monotonic clock of the one who looks at it. The note comes before proper-lockfile is loaded, so that of
 * a crowd one client loads it, and the others need not.
 */
import { lstatSync, mkdir, rmdir, rmdirSync, Stats, utimes, writeFileSync, type NoParamCallback } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { stateUnusable } from '../errors.js'
import type { Paths } from '../paths.js'
import { list, remove } from './files.js'
import { lookAt } from './processes.js'
import { judge, type FileLock, type HeldLock, type ProcessId } from './system.js'

/** ms without a refresh after which a lock whose holder lives is taken over. proper-lockfile refreshes every 1000 ms. */
const STALE = 3000
const REFRESH = 1000

/** ms that another client has between its note and its lock, before it is no longer waited for. */
const TAKING = 500

type Lockfile = typeof import('proper-lockfile')

const NOTE = /^[0-9a-f]+\.(\d+)\.(\d+)\.locking$/

/**
 * Loads proper-lockfile and gives back the signal listeners that its signal-exit adds on loading,
 * unless the host application had loaded the same copy before: then they are the host's. Nothing is
 * lost by it, since a lock whose process has ended is stale at once.
 */
const load = async (): Promise<Lockfile> => {
  const before = process.listenerCount('SIGTERM')
  const { emit } = process
  const { reallyExit } = process as unknown as { reallyExit: unknown }
  const names = process.eventNames()
  const known = new Map(names.map((name) => [name, new Set(process.rawListeners(name as 'SIGTERM'))]))
  const lockfile = (await import('proper-lockfile')).default
  if (process.listenerCount('SIGTERM') === before) return lockfile
  try {
    const from = createRequire(createRequire(import.meta.url).resolve('proper-lockfile'))
    ;(from('signal-exit') as { unload(): void }).unload()
  } catch {
    // In a bundle the copy is nobody else's, and what it added can be taken away from outside.
    for (const name of process.eventNames()) {
      if (typeof name !== 'string' || !name.startsWith('SIG')) continue
      for (const listener of process.rawListeners(name as 'SIGTERM')) {
        if (!known.get(name)?.has(listener)) process.removeListener(name, listener as () => void)
      }
    }
    Object.assign(process, { emit, reallyExit })
  }
  return lockfile
}

let lockfile: Promise<Lockfile> | undefined

/** Inode and mtime may be those of the lock before (proper-lockfile rounds the mtime up to a second); the ctime is the kernel's own. */
const sameLock = (one: Stats, other: Stats): boolean => one.ino === other.ino && one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs

export const fileLock = (paths: Paths, self: ProcessId, now: () => number): FileLock => {
  /** The lock as this client last saw it, and since when it has not been refreshed. */
  let seen: { stats: Stats; since: number } | undefined

  /** The notes that this client has seen, and since when. */
  let taking = new Map<string, number>()

  const liveNotes = (own?: string): string[] => {
    const alive: string[] = []
    for (const name of list(paths.host)) {
      const match = NOTE.exec(name)
      if (match === null || name === own) continue
      const holder = { pid: Number(match[1]), start: match[2]! }
      const look = lookAt(holder.pid)
      if (judge(holder, look) === 'dead') remove(join(paths.host, name))
      // A stopped process may be stopped for hours; the claim covers it when it goes on.
      else if (look.state !== 'stopped') alive.push(name)
    }
    return alive
  }

  /** Whether somebody else is about to take the lock. Not for longer than a moment, whatever became of it. */
  const isBeingTaken = (): boolean => {
    taking = new Map(liveNotes().map((name) => [name, taking.get(name) ?? now()]))
    return [...taking.values()].some((since) => now() - since < TAKING)
  }

  /** ms since the lock was last refreshed, as far as this client could see. */
  const age = (stats: Stats, own: string | undefined): number => {
    if (seen === undefined || !sameLock(seen.stats, stats)) seen = { stats, since: now() }
    return liveNotes(own).length > 0 ? now() - seen.since : Number.POSITIVE_INFINITY
  }

  const isHeld = (): boolean => {
    try {
      return age(lstatSync(paths.lock), undefined) < STALE
    } catch {
      return isBeingTaken()
    }
  }

  /** Its notes are in a folder of ours, so another user's lock would look like one that was left. */
  const refuseAnothers = (): void => {
    let stats: Stats
    try {
      stats = lstatSync(paths.lock)
    } catch {
      return
    }
    if (process.getuid === undefined || stats.uid === process.getuid()) return
    throw stateUnusable(paths.lock, `belongs to another user (uid ${stats.uid})`, 'Nothing was touched. Remove it if it is a leftover, or choose another place (pidFile, --pid-file, ONE_SERVER_STATE_DIR).')
  }

  /** The file system as proper-lockfile sees it. Made anew for each try, since it keeps its probe of the clock's resolution on it. */
  const judging = (note: string) => {
    let held = false
    /** The lock as this client made or refreshed it last. */
    let mine: Stats | undefined
    return {
      mkdir: (path: string, callback: NoParamCallback) =>
        mkdir(path, { mode: 0o700 }, (error) => {
          held = error === null
          callback(error)
        }),
      stat: (path: string, callback: (error: Error | null, stats?: Stats) => void) => {
        try {
          const stats = lstatSync(path)
          if (held) return callback(null, stats)
          const judged = Object.assign(Object.create(Stats.prototype) as Stats, stats)
          Object.defineProperty(judged, 'mtime', { value: new Date(Math.max(0, Date.now() - age(stats, note))) })
          return callback(null, judged)
        } catch (error) {
          return callback(error as Error)
        }
      },
      utimes: (path: string, atime: Date, mtime: Date, callback: NoParamCallback) =>
        utimes(path, atime, mtime, (error) => {
          const stats = lstatSync(path, { throwIfNoEntry: false })
          if (error === null && stats !== undefined) mine = stats
          callback(error)
        }),
      rmdir: (path: string, callback: NoParamCallback) => {
        // Since the look at it, or while this client was frozen, another one may have taken the lock over: that one stays.
        const known = held ? mine : seen?.stats
        const stats = lstatSync(path, { throwIfNoEntry: false })
        if (stats === undefined || (known !== undefined && !sameLock(known, stats))) return callback(null)
        return rmdir(path, callback)
      },
      rmdirSync,
    }
  }

  return {
    async try(): Promise<HeldLock | undefined> {
      refuseAnothers()
      if (isHeld()) return undefined
      // Random, since a process may have two copies of this file; not from node:crypto, which costs a crowd more than the note.
      const note = `${Math.floor(Math.random() * 2 ** 52).toString(16)}.${self.pid}.${self.start}.locking`
      const removeNote = () => { remove(join(paths.host, note)) }
      const take = async (): Promise<() => Promise<void>> => {
        writeFileSync(join(paths.host, note), '', { flag: 'wx', mode: 0o600 })
        lockfile ??= load()
        const { lock } = await lockfile
        return lock(paths.pidFile, {
          fs: judging(note), realpath: false, retries: 0, stale: STALE, update: REFRESH,
          // The default would throw from a timer and end the host. The claim decides, so it only matters for the release.
          onCompromised: () => { compromised = true },
        })
      }
      let compromised = false
      let release: () => Promise<void>
      try {
        release = await take()
      } catch (error) {
        removeNote()
        const { code } = error as NodeJS.ErrnoException
        // Not there any more: another client released the folder just now, or, while this one was frozen, took its lock over. The next try makes it anew.
        if (code === 'ELOCKED' || code === 'ENOENT') return undefined
        throw stateUnusable(paths.lock, 'the lock cannot be taken', 'Make the folder writable for this user; if something else stands in the place of the lock, move it away.', error)
      }
      return {
        release: async () => {
          // What another client has taken over is not ours to remove.
          if (!compromised) await release().catch(() => {})
          removeNote()
        },
      }
    },
  }
}
