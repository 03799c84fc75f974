/**
 * The check of a server that says by its output that it is ready. Another server may write to a log of the same name, so
 * only the log of this launch counts, which its inode tells.
 */
import { connects } from './connect.js'
import { mismatch } from './match.js'
import type { HealthPlan, Probe } from './plan.js'

/** Bytes that are read at the beginning of a log, and as many at its end: a log may be long, and is read several times a second. */
const LOG = 1024 * 1024

/** The text of the log. Undefined where the file at `path` is another one. */
const endsOf = (path: string, inode: string | undefined): string | undefined => {
  const { closeSync, constants, fstatSync, openSync, readSync } = process.getBuiltinModule('node:fs')
  // Without O_NONBLOCK, a FIFO in the place of the log would block this client for good.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    if (inode !== undefined && inode !== fstatSync(file, { bigint: true }).ino.toString()) return undefined
    const { size } = fstatSync(file)
    const part = (from: number): string => {
      const bytes = Buffer.alloc(Math.min(LOG, size - from))
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, from))
    }
    return size <= LOG ? part(0) : `${part(0)}\n${part(size - LOG)}`
  } finally {
    closeSync(file)
  }
}

/** As `endsOf`. Between the two renames by which a launch takes the log's name, no file has it. */
const ownOf = (path: string, inode: string | undefined): string | undefined => {
  try {
    return endsOf(path, inode)
  } catch (error) {
    if (inode !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Healthy is a server whose log has the line. Its address is the first one that accepts connections, else the first. */
export const probeLog = async ({ urls, log }: HealthPlan, timeout: number): Promise<Probe> => {
  if (log === undefined) return { healthy: false, reason: 'there is no log to read' }
  let text: string | undefined
  try {
    // Another launch with the same log file moves this log aside.
    text = ownOf(log.file, log.inode) ?? endsOf(`${log.file}.prev`, log.inode)
  } catch (error) {
    return { healthy: false, reason: `its log ${log.file} cannot be read: ${(error as Error).message}` }
  }
  if (text === undefined) return { healthy: false, reason: `its log ${log.file} was replaced or moved aside` }
  const reason = mismatch(text, log.match, timeout, 'the awaited text is not in its log yet')
  if (reason !== undefined) return { healthy: false, reason }
  for (const url of urls) if ((await connects(new URL(url), timeout)).healthy) return { healthy: true, url }
  return { healthy: true, url: urls[0]! }
}
