/** A check by what a server has said: a line of its log. */
import { connects } from './connect.js'
import { mismatch } from './match.js'
import type { HealthPlan, Probe } from './plan.js'

/** So much of a log is looked at, in bytes, at its beginning and at its end: it is looked at several times a second, and may be long. */
const LOG = 1024 * 1024

/** Undefined where it is not the log that is meant. */
const endsOf = (path: string, inode: string | undefined): string | undefined => {
  const { closeSync, constants, fstatSync, openSync, readSync } = process.getBuiltinModule('node:fs')
  // A FIFO in its place would hold the client for good.
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

/** Between two renames there is none of that name. */
const ownOf = (path: string, inode: string | undefined): string | undefined => {
  try {
    return endsOf(path, inode)
  } catch (error) {
    if (inode !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Ready by a line of the log. Where it is reached is the address that accepts connections, if one does. */
export const probeLog = async ({ urls, log }: HealthPlan, timeout: number): Promise<Probe> => {
  if (log === undefined) return { healthy: false, reason: 'there is no log to read' }
  let text: string | undefined
  try {
    // The next launch that is told the same log moves this one aside.
    text = ownOf(log.file, log.inode) ?? endsOf(`${log.file}.prev`, log.inode)
  } catch (error) {
    return { healthy: false, reason: `its log ${log.file} cannot be read: ${(error as Error).message}` }
  }
  if (text === undefined) return { healthy: false, reason: `${log.file} was replaced or moved aside` }
  const reason = mismatch(text, log.match, timeout, 'its log does not say so yet')
  if (reason !== undefined) return { healthy: false, reason }
  for (const url of urls) if ((await connects(new URL(url), timeout)).healthy) return { healthy: true, url }
  return { healthy: true, url: urls[0]! }
}
