/**
 * What changes something on Windows: a process makes itself known, and a tree of processes is killed. Apart from windows.ts, since a call
 * that finds a ready server does neither.
 */
import { constants, mkdirSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { stateUnusable } from '../../errors.js'
import type { ProcessId, Run } from './platform.js'
import { exists, send } from './signal.js'
import { FILETIME_PER_MS, heldBy, isHeld, MS_FROM_1601_TO_1970, namesIn } from './windows-identity.js'

/** UV_FS_O_EXLOCK: nobody else may open it. UV_FS_O_TEMPORARY: the kernel deletes it with its last handle. */
export const HELD = 0x1000_0000 | 0x40

/** Attempts to take an identity whose name something else has. */
const TRIES = 8

const WRITABLE = 'One-server keeps a file there for each process that it has to recognize. Make the folder writable for this user.'

/** A power failure leaves files that nobody holds. Nobody can remove one that is held, so a mistake here does no harm. */
const sweep = (folder: string): void => {
  for (const name of namesIn(folder)) {
    const pid = Number.parseInt(name, 10)
    if (pid > 0 && exists(pid) && (pid !== process.pid || isHeld(join(folder, name)) !== false)) continue
    try {
      unlinkSync(join(folder, name))
    } catch {
      // Held, or removed by another client.
    }
  }
}

/**
 * Takes an identity. Each thread and each copy of one-server has one of its own: Node closes what a thread has opened when the thread
 * ends, and the others in its process must be known all the same.
 */
export const takeIdentity = (folder: string, tries = 1): ProcessId => {
  const { O_CREAT, O_EXCL, O_RDWR } = constants
  // The last four digits keep apart two that are taken within one ms.
  const start = `${Date.now() + MS_FROM_1601_TO_1970}${String(Math.floor(Math.random() * FILETIME_PER_MS)).padStart(4, '0')}`
  try {
    mkdirSync(folder, { recursive: true })
    sweep(folder)
    openSync(join(folder, `${process.pid}.${start}`), O_CREAT | O_EXCL | O_RDWR | HELD, 0o600)
  } catch (error) {
    if (tries < TRIES && ['EEXIST', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) return takeIdentity(folder, tries + 1)
    throw stateUnusable(folder, 'this process cannot be made known there', WRITABLE, error)
  }
  return { pid: process.pid, start }
}

/** What comes with Windows, by its whole path: PATH may lack it, or have something else first. */
export const inSystem = (...path: string[]): string => join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', ...path)

export const wholeTree = (pid: number | string): string[] => ['/pid', String(pid), '/T', '/F']

export const killTree = async (pid: number, run: Run): Promise<boolean> => {
  // A watchdog runs nothing that must end with it.
  if (heldBy(pid)?.some((words) => words.length > 1)) return send(pid, 'SIGKILL')
  // Where taskkill cannot be run, the server still ends with its gate, by the gate's job.
  return run(inSystem('taskkill.exe'), wholeTree(pid)).then(() => true, () => send(pid, 'SIGKILL'))
}
