/**
 * The log that a person asks to see. Its place may be a folder in which others write, so it is opened as `plain-file.ts`
 * opens: a FIFO there would hold `logs` for good, deaf to Ctrl-C, and a device has no end.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { stateUnusable } from '../errors.js'
import { whatElse, WITHOUT_WAITING } from '../plain-file.js'

const NAME_IT = 'Name the log itself: --log-file PATH.'

const refused = (path: string, what: string): Error =>
  stateUnusable(path, `this ${what}, not a log`, NAME_IT)

/** Throws what the system says, and STATE_UNUSABLE for what is no plain file. */
export const openLog = async (path: string): Promise<FileHandle> => {
  const before = whatElse(await stat(path))
  if (before !== undefined) throw refused(path, before)
  const file = await open(path, WITHOUT_WAITING)
  const what = whatElse(await file.stat())
  if (what === undefined) return file
  await file.close()
  throw refused(path, what)
}
