/**
 * The PID file P, the public face of the running server. Promise 3 rests on P being a copy: the living claim is the
 * truth, and a client that finds P disagreeing writes it again under the lock.
 *
 * Format 1: line 1 is the PID, alone, so that `kill $(head -n1 P)` and parseInt work. Line 2 is the launch record as one
 * line of JSON, without line breaks in it. A bare number is another tool's PID file, and only a hint. Any other content
 * belongs to somebody else, so no client touches the file.
 */
import { stateNewer, stateUnusable } from '../errors.js'
import type { Paths } from '../paths.js'
import type { System } from '../system/system.js'
import { parseRecord, type LaunchRecord } from './launch-record.js'

export type PidFile =
  | { readonly kind: 'absent' }
  /** A PID, and wall-clock ms at which the file was written. */
  | { readonly kind: 'bare'; readonly pid: number; readonly modified: number }
  | { readonly kind: 'record'; readonly record: LaunchRecord }

const HINT = 'Nothing in it was touched. Move it away if it is not needed, or choose another PID file (pidFile, --pid-file).'

let last: { readonly text: string; readonly file: PidFile } | undefined

/** A process that calls often reads the same record, so what the last one said is kept beside its text. */
export const parsePidFile = (path: string, text: string, modified: number): PidFile => {
  if (last?.text === text) return last.file
  const file = parse(path, text, modified)
  if (file.kind === 'record') last = { text, file }
  return file
}

const parse = (path: string, text: string, modified: number): PidFile => {
  if (text.trim() === '') return { kind: 'absent' }
  const [first = '', second = '', ...rest] = text.split('\n')
  if (!/^\s*\d{1,10}\s*$/.test(first) || rest.some((line) => line.trim() !== '')) {
    throw stateUnusable(path, 'is there and is not a PID file', HINT)
  }
  const bare = { kind: 'bare', pid: Number(first), modified } as const
  if (second.trim() === '') return bare
  const parsed = parseRecord(second)
  switch (parsed) {
    case 'newer':
      throw stateNewer(path)
    case 'cut-short':
      // A record of one-server that was cut short: the number is left.
      return bare
    case 'foreign':
      throw stateUnusable(path, 'is there and is not a PID file of one-server', HINT)
    default:
      return (parsed.serving ?? parsed).pid === bare.pid ? { kind: 'record', record: parsed } : bare
  }
}

export const readPidFile = async (system: System, { pidFile }: Paths): Promise<PidFile> => {
  const found = await system.read(pidFile)
  if (found.kind === 'absent') return found
  if (found.kind === 'foreign') throw stateUnusable(pidFile, found.what, HINT)
  return parsePidFile(pidFile, found.text, found.modified)
}

export const formatPidFile = (record: LaunchRecord): string => `${(record.serving ?? record).pid}\n${JSON.stringify(record)}\n`
