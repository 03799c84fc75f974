/**
 * The identity of a process on Windows. PowerShell knows when a process was created, and takes 0.3 to 1 s a question, in which an editor
 * would stand still. So one-server asks no program: each process that it has to recognize holds a file open that nobody else can open.
 * The kernel closes and deletes that file with its process, however the process ends; a clock that is set moves nothing.
 */
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { stateUnusable } from '../../errors.js'

/** FILETIME counts 100 ns since 1601. */
export const FILETIME_PER_MS = 10_000
export const MS_FROM_1601_TO_1970 = 11_644_473_600_000

/** Not imported: a warm call on other systems does without it. */
const os = (): typeof import('node:os') => process.getBuiltinModule('node:os')

/** The name tells machines apart that share a home. Each other character keeps its number, so that no two names become one. */
export const host = (): string => os().hostname().toLowerCase().replace(/[^a-z0-9]/g, (other) => `_${other.charCodeAt(0).toString(16)}`)

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

/** The words in the names of the files that a process holds, without its PID. Undefined: this system does not show them. */
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
