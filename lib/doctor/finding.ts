/**
 * What `doctor` says of one thing. A `note` explains something, or the next call repairs it; a `problem` needs
 * somebody's hand, and it alone makes the exit code 1.
 *
 * Each finding may end up in a public bug report. So neither `text` nor `data` holds a value that could be secret:
 * only the names of headers and variables, a URL without user, password and query, the name of a program without its
 * arguments, and no line of a log.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

export type Level = 'ok' | 'note' | 'problem'

export interface Finding {
  readonly topic: string
  readonly level: Level
  /** What was seen. */
  readonly text: string
  /** What it shows where `text` does not say so, and what to do. */
  readonly advice?: string
  /** The same for a program. */
  readonly data?: object
}

export const finding = (topic: string, level: Level, text: string, { advice, data }: Pick<Finding, 'advice' | 'data'> = {}): Finding =>
  ({ topic, level, text, ...(advice === undefined ? {} : { advice }), ...(data === undefined ? {} : { data }) })

/** A look that failed, as a finding. Only an error of one-server has a hint. */
export const failed = (topic: string, error: unknown): Finding => {
  const { message, hint } = error as { message?: string; hint?: string }
  // A second line could quote a log.
  return finding(topic, 'problem', (message ?? String(error)).split('\n', 1)[0]!, {
    advice: hint ?? 'This could not be looked at. If the text does not say why, please report it together with this output.',
  })
}

/** Runs one look. An error must not end the others, so it becomes a finding. */
export const examined = async (topic: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
  try {
    return await look()
  } catch (error) {
    return [failed(topic, error)]
  }
}

/** The program that a process runs, as ` (node)` to stand behind its PID; empty where the platform does not show it. */
export const programOf = (pid: number): string => {
  for (const look of [() => basename(readlinkSync(`/proc/${pid}/exe`)), () => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()]) {
    try {
      return ` (${look()})`
    } catch {
      // Only the owner may read `exe`; every user may read `comm`, the name that the process gave itself.
    }
  }
  return ''
}
