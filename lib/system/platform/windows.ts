/**
 * Windows' answers about processes. PowerShell knows when a process was created, and takes 0.3 to 1 s a question, in which an editor
 * would stand still. So one-server asks no program: each process that it has to recognize holds a file open that nobody else can open.
 * The kernel closes and deletes that file with its process, however the process ends; a clock that is set moves nothing.
 *
 * Windows has no process groups and no signals: a launch is its gate (windows-launching.ts), and to kill it ends the tree of
 * processes below the gate.
 */
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { stateUnusable } from '../../errors.js'
import type { Platform, ProcessLook, Run, Soon, Surroundings } from './platform.js'
import { exists } from './signal.js'

/** FILETIME counts 100 ns since 1601. */
export const FILETIME_PER_MS = 10_000
export const MS_FROM_1601_TO_1970 = 11_644_473_600_000

/** Not imported: a warm call on other systems does without it. */
const os = (): typeof import('node:os') => process.getBuiltinModule('node:os')

/** The name tells machines apart that share a home. Each other character keeps its number, so that no two names become one. */
const host = (): string => os().hostname().toLowerCase().replace(/[^a-z0-9]/g, (other) => `_${other.charCodeAt(0).toString(16)}`)

const PROFILE = 'Run this as a user who has a profile folder: a service account may need its profile to be loaded.'

/**
 * The files of the processes, `<pid>.<start>`. Two clients with different environments must see the same processes, so the folder
 * depends on the user alone; and it is not below AppData, since Windows gives a packaged program an AppData of its own.
 *
 * Source: CreateFileW, dwShareMode and FILE_FLAG_DELETE_ON_CLOSE; UV_FS_O_EXLOCK and UV_FS_O_TEMPORARY in libuv's fs.
 */
export const identities = (): string => {
  try {
    return join(os().userInfo().homedir, '.one-server', 'processes', host())
  } catch (error) {
    throw stateUnusable('the profile folder of this user', 'Windows does not name it', PROFILE, error)
  }
}

/** Whether a process holds the file. Undefined: something else keeps it from being opened (a scanner, a deletion under way). */
export const isHeld = (path: string): boolean | undefined => {
  try {
    closeSync(openSync(path, 'r'))
    return false
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EBUSY' ? true : code === 'ENOENT' ? false : undefined
  }
}

export const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The words in the names of the files that a process holds, without its PID. Undefined: that cannot be told. */
export const heldBy = (pid: number): string[][] | undefined => {
  const folder = identities()
  try {
    const own = namesIn(folder).filter((name) => name.startsWith(`${pid}.`)).sort()
    const held = own.map((name) => isHeld(join(folder, name)))
    return held.includes(undefined) ? undefined : own.filter((_, at) => held[at]).map((name) => name.split('.').slice(1))
  } catch {
    return undefined
  }
}

/** Looks at a file that cannot be opened; each pause is twice as long as the one before, about a second in all. */
const LOOKS = 8

/**
 * A leftover of a power failure is held by nobody, so its number belongs to a stranger: `0` is the start time of a process that is none
 * of one-server's. A process has as many start times as threads and copies of one-server in it.
 */
const look = (pid: number, looks = 1): Soon<ProcessLook> => {
  if (!exists(pid)) return { state: 'gone' }
  const held = heldBy(pid)
  if (held !== undefined) {
    const [start = '0', ...also] = held.map((words) => words[0]!)
    return { state: 'running', start, also, isThread: false }
  }
  if (looks >= LOOKS) return { state: 'hidden' }
  return new Promise((resolve) => { setTimeout(() => resolve(look(pid, looks + 1)), 5 * 2 ** looks) })
}

export const windows = (run: Run): Platform => ({
  look,
  self: async () => (await import('./windows-acts.js')).takeIdentity(identities()),
  kin: ({ pid, start }) =>
    (heldBy(pid) ?? []).some((words) => words[0] === start) ? [{ pid, start, inGroup: true, carriesLaunchId: true }] : [],
  groupOf: (pid) => pid,
  startedAt: (start) => Number(start) / FILETIME_PER_MS - MS_FROM_1601_TO_1970,
  /** The gate itself sees that its launch is marked as ended, and asks its server to end. So no program is run before it must be killed. */
  signalGroup: async (group, signal) => signal !== 'SIGKILL' || (await import('./windows-acts.js')).killTree(group, run),
  /** Start times are absolute, and no identity outlives a boot. */
  host,
  stateFolder: (env) => env['LOCALAPPDATA'],
  busy: ['EPERM', 'EACCES', 'EBUSY'],
})

export const windowsSurroundings: Surroundings = {
  isTested: false,
  launches: () => [],
  /** A console signals all its processes, and a signal that Node sends there ends a process without asking it. */
  isInForeground: () => true,
  box: () => undefined,
}
