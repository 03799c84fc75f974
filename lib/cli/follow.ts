/**
 * Prints a log as the server writes it. Each launch renames the log away and begins a new one, and no line must be lost
 * between the two: so it compares the path with the open file, prints the rest of the old one, then the new one from its
 * beginning.
 */
import { watch, type FSWatcher } from 'node:fs'
import { stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { openLog } from './open-log.js'
import { copy } from './tail.js'

/** Some file systems report no change (network folders; all watches in use): then it looks this often. ms. */
const SAFETY_NET = 500

const NEWLINE = 0x0a

export interface Follower {
  readonly write: (data: Uint8Array) => Promise<void>
  /** Called when another launch has begun its log. */
  readonly onNewLog: () => void
  readonly signal: AbortSignal
}

/** Resolves at each change near `path`; a change before the call counts, too. */
const changesOf = (path: string, signal: AbortSignal): { next(): Promise<void>; close(): void } => {
  let changed = false
  let wake = (): void => {}
  const mark = (): void => {
    changed = true
    wake()
  }
  let watcher: FSWatcher | undefined
  try {
    // A watch on the file would stay with the old log after a rename: watch its folder.
    watcher = watch(dirname(path), (_, file) => {
      if (file === null || file === basename(path)) mark()
    })
    watcher.on('error', () => watcher?.close())
  } catch {
    // The safety net alone, then.
  }
  const timer = setInterval(mark, SAFETY_NET)
  signal.addEventListener('abort', mark, { once: true })
  const next = async (): Promise<void> => {
    if (!changed && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
    changed = false
  }
  const close = (): void => {
    clearInterval(timer)
    watcher?.close()
    signal.removeEventListener('abort', mark)
  }
  return { next, close }
}

/** Undefined between the rename of the old log and the birth of the new one. */
const successorOf = async (path: string, file: FileHandle): Promise<FileHandle | undefined> => {
  try {
    const [current, opened] = [await stat(path), await file.stat()]
    return current.ino === opened.ino && current.dev === opened.dev ? undefined : await openLog(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Follows until the signal fires, from `from` of `file`, which is open at `path`; `last` was the last byte printed. Closes every file. */
export const follow = async (
  path: string, file: FileHandle, from: number, last: number | undefined, { write, onNewLog, signal }: Follower,
): Promise<void> => {
  let position = from
  const changes = changesOf(path, signal)
  const drain = async (): Promise<void> => {
    // A file shorter than what was printed has been emptied in place: begin again.
    if ((await file.stat()).size < position) position = 0
    const copied = await copy(file, position, write, { signal })
    position = copied.end
    last = copied.last ?? last
  }
  try {
    while (!signal.aborted) {
      const successor = await successorOf(path, file)
      // The old server may write until its log is renamed: drain after the look at the path, not before.
      await drain()
      if (successor !== undefined) {
        if (last !== undefined && last !== NEWLINE) await write(Buffer.from('\n'))
        await file.close()
        file = successor
        position = 0
        last = undefined
        onNewLog()
        continue
      }
      await changes.next()
    }
  } finally {
    changes.close()
    await file.close()
  }
}
