/**
 * Files of the state folder. Three truths are guarded here. A file appears as a whole or not at all, and is 0600 in
 * 0700 whatever the umask. A read follows no symbolic link and never blocks, also on a FIFO in the place
 * of a PID file. And in a shared /tmp another user may have made the folder first, so a folder that another
 * user owns or may write to is refused.
 *
 * The calls are synchronous: a warm call makes five of them, each of some µs, and a round trip to
 * the thread pool costs more than the work.
 */
import {
  accessSync, chmodSync, closeSync, constants, fchmodSync, fstatSync, linkSync, lstatSync, mkdirSync, openSync, readdirSync, readSync,
  realpathSync, renameSync, rmdirSync, statSync, unlinkSync, watch as watchFolder, writeSync, type Stats,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { stateUnusable } from '../errors.js'
import { kindOfFile } from '../plain-file.js'
import { platform } from './platform/current.js'
import { LARGEST, type Found } from './system.js'

const OTHERS = 0o077
const OTHERS_WRITE = 0o022

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code

const USABLE = 'Make the folder usable for this user, or choose another one (pidFile, --pid-file, ONE_SERVER_STATE_DIR).'

const unusable = (path: string, what: string, error: unknown): Error => stateUnusable(path, what, USABLE, error)

const isOurs = ({ uid }: Stats): boolean => process.getuid === undefined || uid === process.getuid()

/** Windows has access lists in place of owners and modes, and Node shows none of them. */
const hasModes = process.getuid !== undefined

export const realpath = (path: string): string | undefined => {
  try {
    return realpathSync.native(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unusable(path, 'cannot be resolved', error)
  }
}

/** What an open file contains, if it is a plain, small file of this user. */
export const contentOf = (file: number): Found => {
  const stats = fstatSync(file)
  if (!stats.isFile()) return { kind: 'foreign', what: kindOfFile(stats) }
  if (!isOurs(stats)) return { kind: 'foreign', what: `belongs to another user (uid ${stats.uid})` }
  if (stats.size > LARGEST) return { kind: 'foreign', what: `is ${stats.size} bytes long` }
  const bytes = Buffer.allocUnsafe(stats.size)
  let length = 0
  for (let read = 1; read > 0 && length < bytes.length; length += read) read = readSync(file, bytes, length, bytes.length - length, null)
  return { kind: 'file', text: bytes.toString('utf8', 0, length), modified: stats.mtimeMs }
}

/** What a command could name. A symbolic link is followed: many programs are links. */
export const kindAt = (path: string): 'absent' | 'folder' | 'file' | 'executable' => {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) return stats.isDirectory() ? 'folder' : 'absent'
    accessSync(path, constants.X_OK)
    return 'executable'
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'file' : 'absent'
  }
}

export const read = (path: string): Found => {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENOENT':
        return { kind: 'absent' }
      case 'ELOOP':
        return { kind: 'foreign', what: 'is a symbolic link' }
      case 'ENXIO':
        return { kind: 'foreign', what: 'is a socket' }
      case 'EACCES':
        return { kind: 'foreign', what: 'may not be read (EACCES)' }
      default:
        throw unusable(path, 'cannot be read', error)
    }
  }
  try {
    return contentOf(file)
  } finally {
    closeSync(file)
  }
}

const ELSEWHERE =
  'Nothing in it was touched. Remove it if it is a leftover, or choose another place (pidFile, --pid-file, ONE_SERVER_STATE_DIR).'

/** Refuses a folder into which other users could write. */
export const inspect = (folder: string): void => {
  let stats: Stats
  try {
    stats = lstatSync(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw unusable(folder, 'cannot be used', error)
  }
  if (!stats.isDirectory()) throw stateUnusable(folder, `${kindOfFile(stats)}, where the state folder should be`, ELSEWHERE)
  if (!isOurs(stats)) throw stateUnusable(folder, `belongs to another user (uid ${stats.uid})`, ELSEWHERE)
  if (hasModes && (stats.mode & OTHERS_WRITE) !== 0) throw stateUnusable(folder, 'may be written to by other users', ELSEWHERE)
}

/** The next launch moves the log aside, and a folder or /dev/null must not suffer that: refuses a log that is not a plain file. */
export const inspectLog = (path: string): void => {
  let stats: Stats
  try {
    stats = lstatSync(path)
  } catch {
    // Not there, or not to be seen: the attempt to open a log there shows whether it can be.
    return
  }
  if (stats.isFile()) return
  const hint = 'Nothing in it was touched. Choose another logFile (--log-file).'
  throw stateUnusable(path, `${kindOfFile(stats)}, where the log should be`, hint)
}

export const list = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw unusable(folder, 'cannot be listed', error)
  }
}

/**
 * Keeps a file or folder of this user from others, whatever the umask. FAT and some network shares have no modes and refuse to
 * change them: there a mount that shows everything to its owner alone is as good, and one that does not is refused.
 */
export const hide = (at: number | string, mode: number): void => {
  const isOpen = typeof at === 'number'
  try {
    if (isOpen) fchmodSync(at, mode)
    else chmodSync(at, mode)
  } catch (error) {
    if (((isOpen ? fstatSync(at) : lstatSync(at)).mode & OTHERS) !== 0) throw error
  }
}

const writeNew = (path: string, body: string): void => {
  const file = openSync(path, 'wx', 0o600)
  try {
    hide(file, 0o600)
    const bytes = Buffer.from(body)
    for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written)
  } finally {
    closeSync(file)
  }
}

/**
 * Gives a file its name unless something has that name. FAT, exFAT, most network shares and folders of the host in a container have no
 * hard links, and each says so by another code. There the file gets its name by rename: it is whole, too, and a client that dies
 * before or after leaves what it would leave otherwise. Of two clients that see in the same instant that nothing has the name, the
 * second one's file stays. That cannot harm: claims, leases and watchdogs have names of their own, and each mark of a launch is
 * true whatever client wrote it. An empty file that is written afterwards would be there for ever if its writer died before it wrote.
 */
const nameOnce = (temp: string, path: string): boolean => {
  try {
    linkSync(temp, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false
    // Refused for a moment: that says nothing about hard links, and a rename could replace what another client writes meanwhile.
    if (platform.busy.includes(codeOf(error) ?? '')) throw error
    renameSync(temp, path)
  }
  return true
}

export const create = (path: string, body: string, temp: string): boolean => {
  try {
    writeNew(temp, body)
    return nameOnce(temp, path)
  } catch (error) {
    throw unusable(path, 'cannot be written', error)
  } finally {
    remove(temp)
  }
}

export const replace = (path: string, body: string, temp: string): void => {
  try {
    writeNew(temp, body)
    renameSync(temp, path)
  } catch (error) {
    remove(temp)
    throw unusable(path, 'cannot be written', error)
  }
}

export const rename = (from: string, to: string): boolean => {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw unusable(from, `cannot be renamed to ${basename(to)}`, error)
  }
}

export const remove = (path: string): boolean => {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw unusable(path, 'cannot be removed', error)
  }
}

/**
 * How often a parent is made again. Each client removes a folder that it leaves empty, so the parent may vanish under a
 * client that is about to make a folder in it.
 */
const TRIES = 20

/** Makes the folder and what is missing above it, each 0700. */
export const makeFolder = (folder: string, tries = TRIES): void => {
  try {
    mkdirSync(folder, 0o700)
    hide(folder, 0o700)
  } catch (error) {
    // What is above may be a symbolic link to nowhere, which would be tried for ever: it exists and is no folder.
    if (codeOf(error) === 'ENOENT' && tries > 0 && dirname(folder) !== folder) {
      makeFolder(dirname(folder), tries - 1)
      return makeFolder(folder, tries - 1)
    }
    if (codeOf(error) !== 'EEXIST') throw unusable(folder, 'cannot be made', error)
  }
}

/** The folder has gone, or other clients use it. */
const MAY_STAY = ['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY']

export const removeFolder = (folder: string): void => {
  try {
    rmdirSync(folder)
  } catch (error) {
    // A FAT says EPERM of a folder that is not empty.
    const isInUse = codeOf(error) === 'EPERM' && list(folder).length > 0
    if (!isInUse && !MAY_STAY.includes(codeOf(error) ?? '')) throw unusable(folder, 'cannot be removed', error)
  }
}

/** A number that another file does not have which later gets this name. */
export const inodeOf = (path: string): string | undefined => lstatSync(path, { throwIfNoEntry: false, bigint: true })?.ino.toString()

/** The last lines of a file, read from its end: a log may be large. */
export const tail = (path: string, lines: number): string => {
  const BLOCK = 64 * 1024
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch {
    return ''
  }
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) return ''
    const { size } = stats
    const bytes = Buffer.alloc(Math.min(size, BLOCK))
    const length = readSync(file, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString('utf8', 0, length).trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  } finally {
    closeSync(file)
  }
}

export const watch = (folder: string, onChange: (name: string | undefined) => void): (() => void) | undefined => {
  try {
    const watcher = watchFolder(folder, { persistent: false }, (_, name) => onChange(name ?? undefined))
    // The folder may be deleted, or inotify exhausted: callers poll slowly besides.
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return undefined
  }
}
