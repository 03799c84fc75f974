/**
 * The check of a server that says by its output that it is ready, read as a person reads it, without colours. Another server may
 * write to a log of the same name, so only the log of this launch counts, which its inode tells.
 */
import { connects } from './connect.js'
import { withPlainFile } from '../plain-file.js'
import type { Match } from '../options/parse.js'
import { withoutSequences } from '../text/terminal-text.js'
import { mismatch } from './match.js'
import type { HealthPlan, Probe } from './plan.js'

/** Bytes that are read at the beginning of a log, and as many at its end: a log may be long, and is read several times a second. */
const LOG = 1024 * 1024

/** The text of the log. Undefined where the file at `path` is another one. */
const endsOf = (path: string, inode: string | undefined): string | undefined => {
  const { fstatSync, readSync } = process.getBuiltinModule('node:fs')
  const found = withPlainFile(path, (file, { size }) => {
    if (inode !== undefined && inode !== fstatSync(file, { bigint: true }).ino.toString()) return undefined
    const part = (from: number): string => {
      const bytes = Buffer.alloc(Math.min(LOG, size - from))
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, from))
    }
    return size <= LOG ? part(0) : `${part(0)}\n${part(size - LOG)}`
  })
  if (typeof found === 'object') throw new Error(`it ${found.refused}`)
  return found
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

/** A pattern that names an escape or a carriage return is about the bytes of the log; any other is about its words. */
const namesControls = (match: Match): boolean =>
  // oxlint-disable-next-line no-control-regex -- it looks for them
  /[\x1b\r]|\\(?:x1b|u001b|u\{1b\}|c\[|r)/i.test('text' in match ? match.text : match.source)

/** A program may colour its words, also within the awaited text, and end a line by a carriage return. */
const mismatchIn = (text: string, match: Match, timeout: number): string | undefined => {
  const reason = mismatch(withoutSequences(text), match, timeout, 'the awaited text is not in its log yet')
  return reason === undefined || !namesControls(match) ? reason : mismatch(text, match, timeout, reason)
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
  const reason = mismatchIn(text, log.match, timeout)
  if (reason !== undefined) return { healthy: false, reason }
  for (const url of urls) if ((await connects(new URL(url), timeout)).healthy) return { healthy: true, url }
  return { healthy: true, url: urls[0]! }
}
