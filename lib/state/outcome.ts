/**
 * How a launch failed, for the clients that did not launch it. Promise 5: every call that began before a launch ended
 * shares its outcome, with the same text; a call in the queue for the lock does, too. A later call starts afresh, so the
 * outcome carries the monotonic time at which it was written, and is removed when no call can be waiting for it.
 *
 * Format 1, one JSON object: `at` (monotonic ms), `kept` (ms), `code`, `message`, `hint`, `data`.
 */
import { MARGIN, type Span } from '../deadline.js'
import { OneServerError, type OneServerErrorCode, type OneServerErrorData } from '../errors.js'
import { createFile, markPath, type Place } from './directory.js'
import { FORMAT } from './launch-record.js'

/**
 * ms that an outcome is kept at least, and at most. A waiting client looks several times a second, but one that has no processor may
 * not look for as long as it may wait, and would start a server a second time that has just failed. So an outcome is kept for as
 * long as a client of the launch may wait; a client that was frozen for longer starts afresh.
 */
const KEPT = 5000
const LONGEST_KEPT = 600_000

/** How many lines of the log an error quotes. */
export const LOG_LINES = 20

interface OutcomeBody {
  readonly format: number
  readonly at: number
  /** ms */
  readonly kept?: number
  readonly code: OneServerErrorCode
  readonly message: string
  readonly hint: string
  readonly data: OneServerErrorData
}

/** The body of an `.ending` or `.ended` mark or of an outcome: what the waiting clients get. Empty: they look again. */
export const outcomeBody = (error: OneServerError | undefined, at: number, kept = KEPT): string => {
  if (error === undefined) return ''
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = error
  const fields = Object.entries({ exitCode, signal, logTail, logFile, pid, port })
  const data = Object.fromEntries(fields.filter(([, value]) => value !== undefined))
  return JSON.stringify({ format: FORMAT, at, kept, code, message, hint, data } satisfies OutcomeBody)
}

const FULL = ['ENOSPC', 'EDQUOT']

/**
 * Creates a file that counts by its name, as marks and leases do. On a full disk it stays empty, which still fits: else a server
 * could be neither stopped nor used there, and the reaper of the last lease would leave it for as long as the disk is full.
 */
export const createNamed = async (place: Place, path: string, body: string): Promise<boolean> => {
  try {
    return await createFile(place, path, body)
  } catch (error) {
    if (!FULL.includes(String(((error as Error).cause as NodeJS.ErrnoException | undefined)?.code))) throw error
    return createFile(place, path, '')
  }
}

/** A failure, and when it was written. */
interface Shared {
  readonly error: OneServerError
  readonly at: number
  readonly kept: number
}

const parse = (text: string): Shared | undefined => {
  try {
    const { format, at, kept = KEPT, code, message, hint, data } = JSON.parse(text) as OutcomeBody
    if (format !== FORMAT || typeof at !== 'number' || typeof message !== 'string') return undefined
    return { error: new OneServerError(code, message, hint, data), at, kept: Math.min(Math.max(KEPT, Number(kept)), LONGEST_KEPT) }
  } catch {
    return undefined
  }
}

/** The failure in the body of an outcome that another host wrote. */
export const failureIn = (body: string): OneServerError | undefined => parse(body)?.error

const readMark = async ({ system, paths }: Place, id: string, mark: 'ended' | 'outcome') => {
  const found = await system.read(markPath(paths, id, mark))
  return found.kind === 'file' ? parse(found.text) : undefined
}

/** What the client that ended the launch wrote for the waiting clients, and when. */
export const endedMark = (place: Place, id: string): Promise<Shared | undefined> => readMark(place, id, 'ended')

export const endedBecause = async (place: Place, id: string): Promise<OneServerError | undefined> => (await endedMark(place, id))?.error

/** The outcome of one launch. */
export const outcomeOf = (place: Place, id: string): Promise<Shared | undefined> => readMark(place, id, 'outcome')

/**
 * What a failure means for one call. START_TIMEOUT says that other clients have waited for as long as they would, and not that
 * the server failed: a call that has time left shares none, and another reads its own time in it.
 */
export const sharedBy = ({ at: until, total }: Span, { error, at }: Pick<Shared, 'error' | 'at'>): OneServerError | undefined => {
  const { code, message, hint } = error
  if (code !== 'START_TIMEOUT') return error
  return until > at + MARGIN ? undefined : new OneServerError(code, message.replace(/within \d+ ms/, `within ${total} ms`), hint, error)
}

/** Writes an outcome. Of several clients the first one's stands, and each gets that one. Calls that began before `at` share it. */
export const writeOutcome = async (
  place: Place, id: string, error: OneServerError, at = place.system.now(), kept?: number,
): Promise<OneServerError> => {
  if (await createFile(place, markPath(place.paths, id, 'outcome'), outcomeBody(error, at, kept))) return error
  return (await outcomeOf(place, id))?.error ?? error
}

/** The first failure that this call shares, and the ids of the outcomes for which no call can be waiting. */
export const readOutcomes = async (
  place: Place, outcomes: readonly string[], call: Span | undefined,
): Promise<{ failed: OneServerError | undefined; old: string[] }> => {
  let failed: OneServerError | undefined
  const old: string[] = []
  for (const id of outcomes) {
    const shared = await readMark(place, id, 'outcome')
    // No client of this boot wrote an outcome from the future.
    const age = shared === undefined ? Number.NaN : place.system.now() - shared.at
    if (shared !== undefined && call !== undefined && age >= 0 && shared.at > call.began) failed ??= sharedBy(call, shared)
    if (!(age >= 0 && age <= shared!.kept)) old.push(id)
  }
  return { failed, old }
}
