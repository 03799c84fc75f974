/**
 * How a command reports a failure: an exit code that scripts can switch on, a text that says what happened and what to
 * do, and the same as data with --json. Only a call that fails loads it.
 */
import { constants } from 'node:os'
import { OneServerError, unforeseen, type OneServerErrorCode } from '../errors.js'
import type { Output } from './output.js'
import { onOneLine, printable } from '../text/terminal-text.js'
import { wrap } from '../text/wrap.js'

const EXIT_CODES: Partial<Record<OneServerErrorCode, number>> = {
  INVALID_OPTION: 2,
  START_TIMEOUT: 4,
  SERVER_EXITED: 5,
  PORT_IN_USE: 6,
  LOCK_TIMEOUT: 7,
  COORDINATOR_UNREACHABLE: 8,
  COORDINATOR_REFUSED: 8,
  HOST_UNREACHABLE: 8,
  NO_HOST: 8,
}

/** As a shell counts: 128 and the signal's number. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

export const exitCodeOfSignal = ({ reason }: AbortSignal): number =>
  exitCodeOf(Object.hasOwn(constants.signals, reason) ? reason : 'SIGINT')

/** The parts of an error that are for people. */
const explain = (error: unknown, interrupted: AbortSignal): OneServerError => {
  if (interrupted.aborted) {
    const how = `interrupted by ${String(interrupted.reason)}`
    return new OneServerError('ABORTED', how, 'one-server status shows what runs now.', {}, error)
  }
  if (error instanceof OneServerError) return error
  const known: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error))
  const { code, message } = known
  // A write that failed says by itself what was written where.
  return code === undefined ? unforeseen(known) : new OneServerError('STATE_UNUSABLE', message, 'Correct that and call again.', {}, error)
}

const fitted = (message: string, width: number): string =>
  message
    .split('\n')
    // A quoted log or stack must stay as it is.
    .map((line, index) => (index > 0 && line.startsWith(' ') ? line : wrap(line, width, index === 0 ? 'one-server: ' : '  ', '  ')))
    .join('\n')

/** What happened, what it means, what to do. */
export const explained = ({ message, hint }: OneServerError, width: number): string =>
  // Cleaned before it is wrapped: wrap-ansi would give a sequence a meaning.
  `${fitted(printable(message), width)}\n${wrap(onOneLine(hint), width, '  hint: ', '        ')}`

/** `usage`: nothing has begun yet. */
export const fail = async (error: unknown, output: Output, interrupted: AbortSignal, usage: boolean): Promise<number> => {
  const known = explain(error, interrupted)
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = known
  if (output.json) {
    const data = Object.entries({ exitCode, signal, logTail, logFile, pid, port }).filter(([, value]) => value !== undefined)
    // A stdout that refuses the document may be the failure itself; the text below still reports it.
    await output.document({ error: { code, message, hint, ...Object.fromEntries(data) } }).catch(() => {})
  }
  if (!output.json || !output.quiet) {
    // Where the call itself is wrong, the message says what is right.
    const text = usage && code === 'INVALID_OPTION' ? `one-server: ${message}` : explained(known, output.width)
    output.complain(text)
  }
  return interrupted.aborted ? exitCodeOfSignal(interrupted) : (EXIT_CODES[code] ?? 1)
}
