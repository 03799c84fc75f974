/**
 * The door to files that are not ours alone: a log in a shared folder, a config file above this folder, a PID file that
 * another process's environment names. A FIFO would hold this process for good, /dev/zero has no end, and some devices
 * act when they are opened. So a file is looked at before it is opened, opened without waiting, and looked at once more
 * through its descriptor, since its name may lead elsewhere in between. Nothing but a plain file is read.
 * The state folder's own files have stricter checks (system/files.ts).
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs'

/** Without O_NONBLOCK, a FIFO that takes the place of the file after the look would hold this process. */
export const WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/** In words, to stand after the name of a file. */
export const kindOfFile = (stats: Stats): string => {
  if (stats.isDirectory()) return 'is a folder'
  if (stats.isFIFO()) return 'is a FIFO'
  if (stats.isSymbolicLink()) return 'is a symbolic link'
  if (stats.isSocket()) return 'is a socket'
  return stats.isFile() ? 'is a file' : 'is a device'
}

/** What is there instead of a plain file, as `is a FIFO`. */
export const whatElse = (stats: Stats): string | undefined => (stats.isFile() ? undefined : kindOfFile(stats))

export interface Plain {
  readonly text: string
  readonly stats: Stats
}

/** Runs `use` with the open file, and closes it. `refused` says what is there instead of a plain file. Throws what the system says. */
export const withPlainFile = <T>(path: string, use: (file: number, stats: Stats) => T): T | { readonly refused: string } => {
  const before = whatElse(statSync(path))
  if (before !== undefined) return { refused: before }
  const file = openSync(path, WITHOUT_WAITING)
  try {
    const stats = fstatSync(file)
    const what = whatElse(stats)
    return what === undefined ? use(file, stats) : { refused: what }
  } finally {
    closeSync(file)
  }
}

/** The text of a file of at most `largest` bytes. */
export const readPlainFile = (path: string, largest: number): Plain | { readonly refused: string } =>
  withPlainFile(path, (file, stats) => {
    if (stats.size > largest) return { refused: `is ${stats.size} bytes long` }
    const bytes = Buffer.alloc(stats.size)
    let length = 0
    for (let read = 1; read > 0 && length < bytes.length; length += read) read = readSync(file, bytes, length, bytes.length - length, null)
    return { text: bytes.toString('utf8', 0, length), stats }
  })
