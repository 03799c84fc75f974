/**
 * How a launch failed, for those who did not launch it. Promise 5: every call that began before a
 * launch ended shares its outcome, the ones queued for the lock included, with the same text. A call
 * made later starts afresh, which is why the outcome carries the monotonic time at which it was
 * written, and is removed once nobody can be waiting for it any more.
 *
 * Format 1, one JSON object: `at` (monotonic ms), `code`, `message`, `hint`, `data`.
 */
import { OneServerError, type OneServerErrorCode, type OneServerErrorData } from '../errors.js'
import { createFile, markPath, type Place } from './directory.js'
import { FORMAT } from './launch-record.js'

/** ms. Whoever waits looks several times a second; only a client that was frozen for so long misses it, and starts afresh. */
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

/** What an `.ending` or `.ended` mark says to those who wait; empty when nobody needs to be told. */
export const outcomeBody = (error: OneServerError | undefined, at: number): string => {
  if (error === undefined) return ''
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = error
  const data = Object.fromEntries(Object.entries({ exitCode, signal, logTail, logFile, pid, port }).filter(([, value]) => value !== undefined))
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

/** What the one who ends a launch wants those who wait to be told, and when it said so. */
export const endedMark = (place: Place, id: string): Promise<{ error: OneServerError; at: number } | undefined> => readMark(place, id, 'ended')

export const endedBecause = async (place: Place, id: string): Promise<OneServerError | undefined> => (await endedMark(place, id))?.error

/** The outcome of one launch. */
export const outcomeOf = async (place: Place, id: string): Promise<OneServerError | undefined> => (await readMark(place, id, 'outcome'))?.error

/** Written exclusively: the first one stands, and is returned. Calls that began before `at` share it. */
export const writeOutcome = async (place: Place, id: string, error: OneServerError, at = place.system.now()): Promise<OneServerError> => {
  if (await createFile(place, markPath(place.paths, id, 'outcome'), outcomeBody(error, at))) return error
  return (await outcomeOf(place, id)) ?? error
}

/** The first outcome that was written after `began`, and the ones that nobody can be waiting for any more. */
export const readOutcomes = async (place: Place, outcomes: readonly string[], began: number): Promise<{ failed: OneServerError | undefined; old: string[] }> => {
  let failed: OneServerError | undefined
  const old: string[] = []
  for (const id of outcomes) {
    const told = await readMark(place, id, 'outcome')
    // One from the future was never told by anybody.
    const age = told === undefined ? Number.NaN : place.system.now() - told.at
    if (told !== undefined && age >= 0 && told.at > began) failed ??= told.error
    if (!(age >= 0 && age <= KEPT)) old.push(id)
  }
  return { failed, old }
}
