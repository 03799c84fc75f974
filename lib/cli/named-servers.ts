/**
 * Which servers have state here: the PID files of the folder of names, and what a record says of its server. It only reads, and never
 * a file that another user put there to act when it is opened.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { stateUnusable } from '../errors.js'
import { parseRecord } from '../state/launch-record.js'
import { read } from '../system/files.js'

export const isClaimed = (pidFile: string, host: string): boolean => {
  try {
    return readdirSync(join(`${pidFile}.d`, host)).some((name) => name.endsWith('.claim'))
  } catch {
    return false
  }
}

/** PID files, and those that somebody deleted while their launch still has its claim. */
export const namesIn = (folder: string, host: string): string[] => {
  try {
    const files = new Set(readdirSync(folder))
    const folders = [...files].filter((file) => file.endsWith('.pid.d')).map((file) => file.slice(0, -'.d'.length))
    const lost = folders.filter((file) => !files.has(file) && isClaimed(join(folder, file), host))
    return [...[...files].filter((file) => file.endsWith('.pid')), ...lost].sort()
  } catch (error) {
    // The first server with a name makes the folder.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    const hint = 'Make it readable for you, or set ONE_SERVER_STATE_DIR.'
    throw stateUnusable(folder, 'the folder of named servers cannot be read', hint, error)
  }
}

/** None of what is no plain file of this user. The look comes first: an environment may name a device that acts when it is opened. */
export const linesOf = (file: string): string[] => {
  try {
    const found = lstatSync(file).isFile() ? read(file) : undefined
    return found?.kind === 'file' ? found.text.split('\n') : []
  } catch {
    return []
  }
}

export interface Listed {
  readonly name: string
  readonly folder: string | undefined
  readonly pidFile: string
  /** Without a name here: only looked at. */
  readonly isElsewhere: boolean
}

/** A server of a config file has its name from there, and only its own record knows the file. */
export const named = (pidFile: string): Listed => {
  const record = parseRecord(linesOf(pidFile)[1] ?? '')
  const configured = typeof record === 'object' ? record.configured : undefined
  return { name: configured?.name ?? basename(pidFile, '.pid'), folder: configured?.folder, pidFile, isElsewhere: false }
}
