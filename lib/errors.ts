/**
 * Every failure and its words: what was seen, what that shows, what to do. All wording is in this file (of several hosts in
 * across/errors.ts), so that one failure reads the same to the client that launched the server, to each client that waited for it, and on the command
 * line. Only mistakes in the arguments of the command line or in a config file are worded where they are read.
 */

import { systemReason } from './text/system-reason.js'
import { withoutSequences } from './text/terminal-text.js'

/** The machine-readable reason of a {@link OneServerError}. Stable: programs may switch on it. */
export type OneServerErrorCode =
  /**
   * The server did not pass its health check within `startupTimeout`. The last client that waits for it ends it; a client whose time
   * is over while another waits for longer only gives up.
   */
  | 'START_TIMEOUT'
  /** The server exited before it passed its health check. */
  | 'SERVER_EXITED'
  /** The server was ready once, lives, and fails its health check: it was left alone. From a stop: it has not ended, even by SIGKILL. */
  | 'SERVER_UNHEALTHY'
  /** Something else listens on the port. For a lease this includes a healthy server that one-server did not start. */
  | 'PORT_IN_USE'
  /**
   * The program, the script, the working directory or `tsx` does not exist or may not be run, or a limit on processes or
   * open files is reached.
   */
  | 'COMMAND_NOT_FOUND'
  /** One client held the lock for all the time that this call had: `startupTimeout`, in `stopServer()` plus `stopTimeout`. */
  | 'LOCK_TIMEOUT'
  /** A file or folder of the state cannot be used, or does not show whether a process is the server. */
  | 'STATE_UNUSABLE'
  /** A newer one-server wrote the state, and this one cannot tell what it says. */
  | 'STATE_NEWER'
  /** The running server was started by another command, working directory, `env` or `version` than this call asks for. */
  | 'CONFIG_MISMATCH'
  /** The launch that this call waited for was stopped on purpose. */
  | 'STOPPED'
  /** An option, or a combination of options, is not valid; or the call comes from within the server itself. */
  | 'INVALID_OPTION'
  /** The caller's `AbortSignal` fired. */
  | 'ABORTED'
  /** The program that calls runs under Deno, which cannot start a server as every other client does. */
  | 'RUNTIME_UNSUPPORTED'
  /** The engine of several hosts gave no answer; it answered that it will not: a password, a role, a certificate, no space left. */
  | 'COORDINATOR_UNREACHABLE' | 'COORDINATOR_REFUSED'
  /** The server is ready on another host, and its URL does not answer on this one; no host runs it, and this one may not (`mayHost`). */
  | 'HOST_UNREACHABLE' | 'NO_HOST'

/** The data that a {@link OneServerError} carries besides its text. A field that does not apply is absent. */
export interface OneServerErrorData {
  /** Exit code of the server. Absent when a signal ended it, or when no client saw the exit code. */
  exitCode?: number
  /** Signal that ended the server. */
  signal?: string
  /** The last 20 lines of the server's log, at most 64 KiB; empty when the log is empty or gone. */
  logTail?: string
  /** Path of the server's log. */
  logFile?: string
  /** PID of the process that the error is about. */
  pid?: number
  /** The port that the error is about. */
  port?: number
}

/** The one class of error that this package throws. */
export class OneServerError extends Error {
  override readonly name = 'OneServerError'
  readonly code: OneServerErrorCode
  /** What the reader can do about it. */
  readonly hint: string
  // Declared only: a field that does not apply is absent, not undefined.
  declare readonly exitCode?: number
  declare readonly signal?: string
  declare readonly logTail?: string
  declare readonly logFile?: string
  declare readonly pid?: number
  declare readonly port?: number

  constructor(code: OneServerErrorCode, message: string, hint: string, data: OneServerErrorData = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    Object.assign(this, data)
  }
}

const quoteLog = ({ logTail, logFile }: OneServerErrorData): string => {
  if (logFile === undefined) return ''
  // Also where the log is gone, so this does not say that nothing was printed.
  if (!logTail) return `\nIts log has no lines: ${logFile}`
  return `\nThe last lines of its log (${logFile}):\n${withoutSequences(logTail).replace(/^/gm, '  | ')}`
}

export const invalidOption = (option: string, expected: string, got: unknown): OneServerError =>
  new OneServerError('INVALID_OPTION', `${option} must be ${expected}, got ${show(got)}`, 'Correct the option and call again.')

export const invalidCombination = (message: string, hint: string): OneServerError =>
  new OneServerError('INVALID_OPTION', message, hint)

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return String(value)
  if (typeof value === 'function') return 'a function'
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

const LONGER = 'If it needs longer, raise startupTimeout (--timeout).'

export const startTimeout = (ms: number, doing: string, data: OneServerErrorData, hint = LONGER): OneServerError =>
  new OneServerError(
    'START_TIMEOUT',
    `Server failed to start within ${ms} ms: ${doing}.${quoteLog(data)}`,
    hint + ifSlow(doing),
    data,
  )

/** To stand behind a hint: a check that ran out of its own time shows no wrong address, and a longer wait for the start would not help. */
const ifSlow = (reason: string): string =>
  /did not answer within \d+ ms/.test(reason) ? ' If answers take longer than one check may, raise healthTimeout (--health-timeout).' : ''

const howItEnded = ({ exitCode, signal }: OneServerErrorData): string => {
  if (signal !== undefined) return `was ended by ${signal}`
  if (exitCode !== undefined) return `exited with code ${exitCode}`
  return 'exited (only the client that launched it can learn its exit code, and that client did not record one)'
}

const afterExit = ({ exitCode, logTail }: OneServerErrorData): string => {
  if (exitCode === 0) {
    return 'It ended by itself, and no process of it is seen any more. If it put itself into the background: drop the option that ' +
      'does it, since a server must stay in the foreground for as long as it serves. If a script started it: let the script wait ' +
      'for it (wait, or exec in its last line). If its command does some work and ends: name the command that serves.'
  }
  return logTail
    ? 'Find the reason in its log, correct it and call again. Nothing of the server was left running.'
    : 'Run its command by hand to see why it ends, correct that and call again. Nothing of the server was left running.'
}

export const serverExited = (data: OneServerErrorData, before = 'its health check answered'): OneServerError =>
  new OneServerError(
    'SERVER_EXITED',
    `Server ${howItEnded(data)} before ${before}.${quoteLog(data)}`,
    afterExit(data),
    data,
  )

export const serverUnhealthy = (url: string, waited: number, reason: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY',
    `Server at ${url} (PID ${data.pid ?? 'unknown'}) is alive but did not pass its health check for ${waited} ms: ${reason}.` +
      quoteLog(data),
    'A busy server can fail the check, so it was left alone. ' +
      `If it hangs: one-server restart, or stopServer() and ensureServerRunning().${ifSlow(reason)}`,
    data,
  )

export const portInUse = (port: number, what: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'PORT_IN_USE',
    `Port ${port} is in use ${what.trimStart()}.${quoteLog(data)}`,
    `Stop what listens on port ${port}, or choose another port: port: 'auto' (--port auto) takes a free one.${ifSlow(what)}`,
    { port, ...data },
  )

/** `what` passes the check of a server that has not been started, for a kind of readiness that does not ask at the port. */
export const readyBeforeStart = (what: string, hint: string): OneServerError =>
  new OneServerError('PORT_IN_USE', `${what} before the server was started, and would make a server look ready that is not.`, hint)

/** Differences that a mismatch names. Of a whole environment nobody reads more. */
const DIFFERENCES = 5
const NAMED_TOO_MUCH = 'Name in env only what this server needs, not what it inherits, and no value that differs at each call. '

/** `differences`: a line for each, the running server's value first. `why`: why it was not replaced, a sentence or nothing. */
export const configMismatch = (pidFile: string, differences: readonly string[], why: string, data: OneServerErrorData): OneServerError => {
  const more = differences.length > DIFFERENCES ? [`and ${differences.length - DIFFERENCES} more`] : []
  const lines = [...[...differences.slice(0, DIFFERENCES), ...more].map((line) => `  ${line}`), ...(why === '' ? [] : [why])].join('\n')
  return new OneServerError(
    'CONFIG_MISMATCH',
    `The server that runs for ${pidFile} (PID ${data.pid ?? 'unknown'}) is not the one that this call asks for:\n${lines}`,
    (differences.some((line) => line.startsWith('env ')) ? NAMED_TOO_MUCH : '') +
      'Call with the options that the server was started with, stop it first (one-server stop), choose another name, ' +
      "or use it as it is: onMismatch: 'reuse' (--on-mismatch reuse).",
    data,
  )
}

export const notOurs = (port: number, pid: number | undefined): OneServerError =>
  new OneServerError(
    'PORT_IN_USE',
    `Port ${port} is in use by a server that one-server did not start${pid === undefined ? '' : ` (PID ${pid})`}. ` +
      'one-server never stops such a server, so no lease can be held on it.',
    'Use it without a lease (ensureServerRunning(), one-server start), stop it, or choose another port.',
    { port, ...(pid === undefined ? {} : { pid }) },
  )

export const noPortFree = (ports: readonly number[]): OneServerError =>
  new OneServerError(
    'PORT_IN_USE',
    `None of the ports ${ports.join(', ')} is free.`,
    "Stop what listens on one of them, or let a free one be chosen: port: 'auto' (--port auto).",
    ports[0] === undefined ? {} : { port: ports[0] },
  )

export const commandNotFound = (what: string, hint: string, cause?: unknown): OneServerError =>
  new OneServerError('COMMAND_NOT_FOUND', what, hint, {}, cause)

/** `holders`: the clients that were at the lock for all of that time, where their notes tell. */
export const lockTimeout = (ms: number, lockPath: string, [pid]: readonly number[] = []): OneServerError =>
  new OneServerError(
    'LOCK_TIMEOUT',
    `${pid === undefined ? 'Other clients' : `Another client (PID ${pid})`} held the lock ${lockPath} ` +
      `for the ${ms} ms that this call had.`,
    'Call again. If it fails again, one-server doctor names the processes that hold the lock or wait for it.',
    pid === undefined ? {} : { pid },
  )

export const stateUnusable = (path: string, what: string, hint: string, cause?: unknown): OneServerError =>
  new OneServerError(
    'STATE_UNUSABLE',
    cause === undefined ? `${path}: ${what}` : `${path}: ${what}: ${systemReason(cause)}`,
    INSTEAD[String((cause as NodeJS.ErrnoException | undefined)?.code)] ?? hint,
    {},
    cause,
  )

const NO_DESCRIPTORS = 'Raise the limit on open files (ulimit -n), or close files that need not be open, and call again.'
const NO_ROOM = 'Free some space on the disk of that file (df shows it), and call again.'

/** Here nothing was learnt about the file, so advice about the file would be a guess. */
const INSTEAD: Readonly<Record<string, string>> = { EMFILE: NO_DESCRIPTORS, ENFILE: NO_DESCRIPTORS, ENOSPC: NO_ROOM, EDQUOT: NO_ROOM }

/** A failure that nothing foresaw. The system's word is an answer; without one it is a defect of ours, where only the stack helps. */
export const unforeseen = (error: unknown): OneServerError => {
  if (error instanceof OneServerError) return error
  const { code, stack } = error as NodeJS.ErrnoException
  if (code !== undefined) return stateUnusable('one-server', 'the call failed', 'Correct that and call again.', error)
  return new OneServerError('STATE_UNUSABLE', `unexpected: ${stack}`, 'This is a defect of one-server: please report it.', {}, error)
}

const LIMITS: Readonly<Record<string, string>> = {
  EMFILE: NO_DESCRIPTORS, ENFILE: NO_DESCRIPTORS,
  EAGAIN: 'Raise the limit on processes (ulimit -u), or end some.',
  E2BIG: 'Shorten its arguments and its environment (env, inheritEnv).',
  ENOENT: 'Check the working directory (cwd, --cwd).',
  EACCES: 'Check that this user may enter the working directory (cwd, --cwd).',
}

export const cannotStart = (cause: unknown): OneServerError =>
  commandNotFound(
    `The server cannot be started: ${systemReason(cause)}`,
    LIMITS[String((cause as NodeJS.ErrnoException | undefined)?.code)] ??
      (/\(ulimit -n\)/.test(systemReason(cause)) ? NO_DESCRIPTORS : 'Run its command by hand to see more.'),
    cause,
  )

export const noShell = (program: string, what: string, cause: unknown): OneServerError =>
  commandNotFound(`one-server needs ${program}, which ${what}`, 'Install a POSIX shell there (a distroless image has none).', cause)

export const notPermitted = (pid: number, cause: unknown): OneServerError =>
  new OneServerError(
    'STATE_UNUSABLE', `PID ${pid} may not be signalled: ${systemReason(cause)}`,
    `See whose it is (ps -o user,pid,args -p ${pid}), stop it as that user or as root, and call again.`, { pid }, cause,
  )

export const stateNewer = (path: string): OneServerError =>
  new OneServerError(
    'STATE_NEWER',
    `${path} was written by a newer version of one-server, and this version cannot tell what it says.`,
    'Upgrade one-server here, or stop the server with the program that started it.',
  )

export const stopped = (data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'STOPPED',
    'The server was stopped on purpose while this call waited for it to become ready.',
    'Call again to start it.',
    data,
  )

export const insideServer = (pidFile: string): OneServerError =>
  new OneServerError(
    'INVALID_OPTION',
    `This process runs inside the very server that ${pidFile} names, so the call would wait for itself.`,
    'Do not call one-server for the PID file of the server from within it: PORT and HOST in its environment say where it listens.',
  )

export const aborted = (cause: unknown): OneServerError =>
  new OneServerError('ABORTED', 'The call was aborted by its AbortSignal.', 'Nothing to do: the caller asked for it.', {}, cause)

/** Deno passes descriptors to a child otherwise, knows no `-e`, and asks for permissions that nobody grants to a watchdog. */
export const underDeno = (version: string): OneServerError =>
  new OneServerError(
    'RUNTIME_UNSUPPORTED',
    `one-server does not run under Deno (${version}), where it could start servers that it cannot end.`,
    'Call it by Node or Bun. A Deno program may be the server or the client: npx one-server run web --server "deno run …" -- deno test',
  )
