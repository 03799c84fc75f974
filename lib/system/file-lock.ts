/**
 * The lock on the PID file: proper-lockfile, one try at a time. It keeps a crowd orderly, so that one
 * client checks and decides while the others wait. It does not keep promise 1, since two processes that
 * find the same stale lock can both take it; the claim does.
 *
 * proper-lockfile judges a lock by comparing its mtime with the wall clock, which takes two seconds at least after a
 * crash, and hours when the clock was set back. So each client leaves a note with its PID and start time before it
 * makes the lock. A lock without the note of a live process is stale at once, and a lock whose holder lives but does
 * not refresh it ages on the monotonic clock of the client that looks, and no more between two looks than they are apart by rule: a
 * client that was frozen, or had no processor, has not seen the lock stand still. The note is there before its writer loads
 * proper-lockfile, so of a crowd one client loads it.
 */
import { lstatSync, mkdir, rmdir, rmdirSync, Stats, utimesSync, writeFileSync, type NoParamCallback } from 'node:fs'
import { join } from 'node:path'
import { stateUnusable } from '../errors.js'
import type { Paths } from '../paths.js'
import { list, remove } from './files.js'
import { busy, lookAt } from './processes.js'
import { judge, type FileLock, type HeldLock, type ProcessId } from './system.js'

/** ms without a refresh after which a lock whose holder lives is taken over. proper-lockfile refreshes every 1000 ms. */
const STALE = 3000
const REFRESH = 1000

/** ms that count between two looks at most. A client in the queue looks more often. */
const LOOKED = 250

/** ms between the note and the lock of another client, after which this client does not wait for it any longer. */
const TAKING = 500

/** Tries in a row that Windows may refuse before that counts as a folder that cannot be used. */
const REFUSALS = 40

const ELSEWHERE =
  'Nothing was touched. Remove it if it is a leftover, or choose another place (pidFile, --pid-file, ONE_SERVER_STATE_DIR).'

const WRITABLE = 'Make the folder writable for this user; if something else stands in the place of the lock, move it away.'

const LOADABLE =
  'A bundle in ESM format needs a `require` for it: createRequire(import.meta.url) in a banner; or bundle into CommonJS.'

type Lockfile = typeof import('proper-lockfile')

const NOTE = /^[0-9a-f]+\.(\d+)\.(\d+)\.locking$/

/**
 * Loads proper-lockfile and removes the signal listeners that its signal-exit adds on loading, since a library must not
 * change how its host ends. A host that had loaded the same copy before keeps them. Nothing is lost:
 * a lock whose process has ended is stale at once.
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
    const { createRequire } = process.getBuiltinModule('node:module')
    const from = createRequire(createRequire(import.meta.url).resolve('proper-lockfile'))
    ;(from('signal-exit') as { unload(): void }).unload()
  } catch {
    // In a bundle no other module has this copy, and what it added can be removed from outside.
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

/**
 * Locks that a call of this process has, or tries to take. Hundreds of calls at once would write hundreds of notes, and each client looks
 * at each note. So one call tries, and the others find the lock taken, as they would a moment later. A call whose lock another client has
 * taken over, for instance after a freeze, does not hold up the others.
 */
const own = new Set<string>()

/**
 * A new lock can have the inode and the mtime of the one before (proper-lockfile rounds the mtime up to a second),
 * so the kernel's ctime counts, too.
 */
const sameLock = (one: Stats, other: Stats): boolean =>
  one.ino === other.ino && one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs

export const fileLock = (paths: Paths, self: ProcessId, now: () => number): FileLock => {
  /** The lock as this client last saw it, when that was, and for how long it had not been refreshed then. */
  let seen: { stats: Stats; at: number; age: number } | undefined

  /** The notes that this client has seen, and since when. */
  let taking = new Map<string, number>()

  const liveNotes = async (own?: string): Promise<string[]> => {
    const alive: string[] = []
    for (const name of list(paths.host)) {
      const match = NOTE.exec(name)
      if (match === null || name === own) continue
      const holder = { pid: Number(match[1]), start: match[2]! }
      const look = await lookAt(holder.pid)
      if (judge(holder, look) === 'dead') remove(join(paths.host, name))
      // A process may be stopped for hours. When it goes on, the claim keeps it from doing harm.
      else if (look.state !== 'stopped') alive.push(name)
    }
    return alive
  }

  /** Whether another client is about to take the lock. It may have failed, so this holds for a moment only. */
  const isBeingTaken = async (): Promise<boolean> => {
    taking = new Map((await liveNotes()).map((name) => [name, taking.get(name) ?? now()]))
    return [...taking.values()].some((since) => now() - since < TAKING)
  }

  /** ms since the lock was last refreshed, as far as this client could see. */
  const age = async (stats: Stats, own: string | undefined): Promise<number> => {
    const at = now()
    const known = seen !== undefined && sameLock(seen.stats, stats) ? seen : { age: 0, at }
    const unrefreshed = known.age + Math.min(at - known.at, LOOKED)
    seen = { stats, at, age: unrefreshed }
    return (await liveNotes(own)).length > 0 ? unrefreshed : Number.POSITIVE_INFINITY
  }

  const isHeld = async (): Promise<boolean> => {
    let stats: Stats
    try {
      stats = lstatSync(paths.lock)
    } catch {
      return isBeingTaken()
    }
    return (await age(stats, undefined)) < STALE
  }

  /** The notes of another user's clients are in another folder, so their lock would look like one that a crash left. */
  const refuseForeign = (): void => {
    let stats: Stats
    try {
      stats = lstatSync(paths.lock)
    } catch {
      return
    }
    if (process.getuid === undefined || stats.uid === process.getuid()) return
    throw stateUnusable(paths.lock, `belongs to another user (uid ${stats.uid})`, ELSEWHERE)
  }

  /** The file system as proper-lockfile sees it. A new one for each try: proper-lockfile keeps on it how finely it resolves time. */
  const judging = (note: string) => {
    let held = false
    /** The lock as this client made or refreshed it last. */
    let mine: Stats | undefined
    let written: Date | undefined
    /** A disk may round times, FAT to two seconds: proper-lockfile would miss what it wrote, and take its own lock for another's. */
    const showing = (stats: Stats, mtime: Date): Stats =>
      Object.defineProperty(Object.assign(Object.create(Stats.prototype) as Stats, stats), 'mtime', { value: mtime })
    return {
      mkdir: (path: string, callback: NoParamCallback) =>
        mkdir(path, { mode: 0o700 }, (error) => {
          held = error === null
          callback(error)
        }),
      stat: (path: string, callback: (error: Error | null, stats?: Stats) => void) => {
        const judged = async (): Promise<Stats> => {
          const stats = lstatSync(path)
          if (held) return written !== undefined && mine !== undefined && sameLock(mine, stats) ? showing(stats, written) : stats
          const unrefreshed = await age(stats, note)
          return showing(stats, new Date(Math.max(0, Date.now() - unrefreshed)))
        }
        judged().then((stats) => callback(null, stats), (error: Error) => callback(error))
      },
      utimes: (path: string, atime: Date, mtime: Date, callback: NoParamCallback) => {
        // A release between the change and its callback would take the own lock for another client's, and leave it behind.
        try {
          utimesSync(path, atime, mtime)
          mine = lstatSync(path, { throwIfNoEntry: false }) ?? mine
          written = mtime
        } catch (error) {
          return callback(error as NodeJS.ErrnoException)
        }
        return callback(null)
      },
      rmdir: (path: string, callback: NoParamCallback) => {
        // Another client may have taken the lock over since the look at it, or while this client was frozen: its lock stays.
        const known = held ? mine : seen?.stats
        const stats = lstatSync(path, { throwIfNoEntry: false })
        if (stats === undefined || (known !== undefined && !sameLock(known, stats))) return callback(null)
        return rmdir(path, callback)
      },
      rmdirSync,
    }
  }

  let refusals = 0

  return {
    async try(): Promise<HeldLock | undefined> {
      refuseForeign()
      if (own.has(paths.lock) || (await isHeld()) || own.has(paths.lock)) return undefined
      own.add(paths.lock)
      // A process may have two copies of this file, so the name is random. node:crypto would cost a crowd more than the note.
      const note = `${Math.floor(Math.random() * 2 ** 52).toString(16)}.${self.pid}.${self.start}.locking`
      const removeNote = () => { remove(join(paths.host, note)) }
      const take = async (): Promise<() => Promise<void>> => {
        writeFileSync(join(paths.host, note), '', { flag: 'wx', mode: 0o600 })
        lockfile ??= load()
        const { lock } = await lockfile
        return lock(paths.pidFile, {
          fs: judging(note), realpath: false, retries: 0, stale: STALE, update: REFRESH,
          // The default would throw from a timer and end the host. The claim decides, so only the release has to know.
          onCompromised: () => {
            compromised = true
            own.delete(paths.lock)
          },
        })
      }
      let compromised = false
      let release: () => Promise<void>
      try {
        release = await take()
        refusals = 0
      } catch (error) {
        own.delete(paths.lock)
        removeNote()
        const { code } = error as NodeJS.ErrnoException
        // ENOENT: another client removed the folder just now, or took the lock over while this one was frozen. The next try makes both.
        if (code === 'ELOCKED' || code === 'ENOENT') return undefined
        // Windows refuses to make a folder that is being deleted, as the lock is at the end of each turn.
        if (busy.includes(code ?? '') && ++refusals < REFUSALS) return undefined
        // The file system refused: that is about the lock. Anything else (a bundle that cannot load a module) is about this program.
        const isAboutFiles = typeof (error as NodeJS.ErrnoException).syscall === 'string'
        if (isAboutFiles) throw stateUnusable(paths.lock, 'the lock cannot be taken', WRITABLE, error)
        throw stateUnusable('proper-lockfile', 'this module of the lock cannot be loaded', LOADABLE, error)
      }
      return {
        release: async () => {
          // Another client has taken a compromised lock over: it is not ours to remove.
          if (!compromised) {
            await release().catch(() => {})
            own.delete(paths.lock)
          }
          removeNote()
        },
      }
    },
  }
}
