/**
 * How a command that failed says so: an exit code that scripts can switch on, text that says what
 * happened and what to do, and the same as data where JSON was asked for. Loaded on failure only.
 */
import { constants } from 'node:os'
import { OneServerError, type OneServerErrorCode } from '../errors.js'
import type { Output } from './output.js'
import { wrap } from './wrap.js'

const EXIT_CODES: Partial<Record<OneServerErrorCode, number>> = {
  INVALID_OPTION: 2,
  START_TIMEOUT: 4,
  SERVER_EXITED: 5,
  PORT_IN_USE: 6,
  LOCK_TIMEOUT: 7,
}

/** As a shell tells it: 128 and the signal's number. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

export const exitCodeOfSignal = ({ reason }: AbortSignal): number => exitCodeOf(Object.hasOwn(constants.signals, reason) ? reason : 'SIGINT')

/** The parts of an error that are for people. */
const explain = (error: unknown, interrupted: AbortSignal): OneServerError => {
  if (interrupted.aborted) {
    const how = `interrupted by ${String(interrupted.reason)}`
    return new OneServerError('ABORTED', how, 'one-server status tells what runs now.', {}, error)
  }
  if (error instanceof OneServerError) return error
  // What the system says about a write that failed is an answer; anything else is our mistake, and
  // then only the stack helps.
  const { code, message, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : new Error(String(error)) as NodeJS.ErrnoException
  if (code !== undefined) return new OneServerError('STATE_UNUSABLE', message, 'Correct that and call again.', {}, error)
  return new OneServerError('STATE_UNUSABLE', `unexpected: ${stack ?? message}`, 'This is a defect of one-server: please report it with the lines above.', {}, error)
}

const fitted = (message: string, width: number): string =>
  message
    .split('\n')
    // Lines that quote something (a log, a stack) stand as they are.
    .map((line, index) => (index > 0 && line.startsWith(' ') ? line : wrap(line, width, index === 0 ? 'one-server: ' : '  ', '  ')))
    .join('\n')

/** What happened, what it means, what to do. */
export const explained = ({ message, hint }: OneServerError, width: number): string => `${fitted(message, width)}\n${wrap(hint, width, '  hint: ', '        ')}`

/** `usage`: the call itself was wrong, and one line says what was expected. */
export const fail = async (error: unknown, output: Output, interrupted: AbortSignal, usage: boolean): Promise<number> => {
  const known = explain(error, interrupted)
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = known
  if (output.json) {
    const data = Object.entries({ exitCode, signal, logTail, logFile, pid, port }).filter(([, value]) => value !== undefined)
    // A stdout that cannot be written may be the very failure; the text below still tells it.
    await output.document({ error: { code, message, hint, ...Object.fromEntries(data) } }).catch(() => {})
  }
  if (!output.json || !output.quiet) {
    const text = usage ? `one-server: ${message}` : explained(known, output.width)
    output.complain(text)
  }
  return interrupted.aborted ? exitCodeOfSignal(interrupted) : (EXIT_CODES[code] ?? 1)
}
