/**
 * How a launch failed, for the clients that did not launch it. Promise 5: every call that began before a launch ended
 * shares its outcome, with the same text; a call in the queue for the lock does, too. A later call starts afresh, so the
 * outcome carries the monotonic time at which it was written, and is removed when no call can be waiting for it.
 *
 * Format 1, one JSON object: `at` (monotonic ms), `code`, `message`, `hint`, `data`.
 */
import { OneServerError, type OneServerErrorCode, type OneServerErrorData } from '../errors.js'
import { createFile, markPath, type Place } from './directory.js'
import { FORMAT } from './launch-record.js'

/**
 * ms that an outcome is kept. A waiting client looks several times a second; a client that was frozen for longer
 * misses it and starts afresh.
 */
const KEPT = 5000

/** How many lines of the log an error quotes. */
export const LOG_LINES = 20

interface OutcomeBody {
  readonly format: number
  readonly at: number
  readonly code: OneServerErrorCode
  readonly message: string
  readonly hint: string
  readonly data: OneServerErrorData
}

/** The body of an `.ending` or `.ended` mark or of an outcome: what the waiting clients get. Empty: they look again. */
export const outcomeBody = (error: OneServerError | undefined, at: number): string => {
  if (error === undefined) return ''
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = error
  const fields = Object.entries({ exitCode, signal, logTail, logFile, pid, port })
  const data = Object.fromEntries(fields.filter(([, value]) => value !== undefined))
  return JSON.stringify({ format: FORMAT, at, code, message, hint, data } satisfies OutcomeBody)
}

const parse = (text: string): { error: OneServerError; at: number } | undefined => {
  try {
    const { format, at, code, message, hint, data } = JSON.parse(text) as OutcomeBody
    if (format !== FORMAT || typeof at !== 'number' || typeof message !== 'string') return undefined
    return { error: new OneServerError(code, message, hint, data), at }
  } catch {
    return undefined
  }
}

const readMark = async ({ system, paths }: Place, id: string, mark: 'ended' | 'outcome') => {
  const found = await system.read(markPath(paths, id, mark))
  return found.kind === 'file' ? parse(found.text) : undefined
}

/** What the client that ended the launch wrote for the waiting clients, and when. */
export const endedMark = (
  place: Place, id: string,
): Promise<{ error: OneServerError; at: number } | undefined> => readMark(place, id, 'ended')

export const endedBecause = async (place: Place, id: string): Promise<OneServerError | undefined> => (await endedMark(place, id))?.error

/** The outcome of one launch. */
export const outcomeOf = async (
  place: Place, id: string,
): Promise<OneServerError | undefined> => (await readMark(place, id, 'outcome'))?.error

/** Writes an outcome. Of several clients the first one's stands, and each gets that one. Calls that began before `at` share it. */
export const writeOutcome = async (place: Place, id: string, error: OneServerError, at = place.system.now()): Promise<OneServerError> => {
  if (await createFile(place, markPath(place.paths, id, 'outcome'), outcomeBody(error, at))) return error
  return (await outcomeOf(place, id)) ?? error
}

/** The first outcome that was written after `began`, and the ids of those for which no call can be waiting. */
export const readOutcomes = async (
  place: Place, outcomes: readonly string[], began: number,
): Promise<{ failed: OneServerError | undefined; old: string[] }> => {
  let failed: OneServerError | undefined
  const old: string[] = []
  for (const id of outcomes) {
    const shared = await readMark(place, id, 'outcome')
    // No client of this boot wrote an outcome from the future.
    const age = shared === undefined ? Number.NaN : place.system.now() - shared.at
    if (shared !== undefined && age >= 0 && shared.at > began) failed ??= shared.error
    if (!(age >= 0 && age <= KEPT)) old.push(id)
  }
  return { failed, old }
}
