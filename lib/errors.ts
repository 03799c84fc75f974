/**
 * Everything that can go wrong, and what the reader is told about it: what happened, what it means, what to
 * do. The wording lives here, so that one failure reads the same to the client that launched, to the ones that
 * waited for it and on the command line; what only the command line or a config file can get wrong is worded there.
 */

/** The machine-readable reason of a {@link OneServerError}. Stable: programs may switch on it. */
export type OneServerErrorCode =
  /** The server did not answer its health check within `startupTimeout`; it has been ended. */
  | 'START_TIMEOUT'
  /** The server exited before it answered its health check. */
  | 'SERVER_EXITED'
  /** The server was ready once and does not answer any more, and was left alone; or it has not ended, even by SIGKILL. */
  | 'SERVER_UNHEALTHY'
  /** Something else listens on the port; for a lease also a server that somebody ran by hand. */
  | 'PORT_IN_USE'
  /** The program, the script, the working directory or `tsx` does not exist or may not be run, or a limit on processes or open files is reached. */
  | 'COMMAND_NOT_FOUND'
  /** Other clients held the lock for the whole time that this call had. */
  | 'LOCK_TIMEOUT'
  /** A file or folder that the state lives in cannot be used, or its content cannot be judged. */
  | 'STATE_UNUSABLE'
  /** The state was written by a newer one-server, which this one must not judge. */
  | 'STATE_NEWER'
  /** The running server was started with other options than this call asks for. */
  | 'CONFIG_MISMATCH'
  /** The launch that this call waited for was stopped on purpose. */
  | 'STOPPED'
  /** An option, or a combination of options, is not valid. */
  | 'INVALID_OPTION'
  /** The caller's `AbortSignal` fired. */
  | 'ABORTED'

/** The data that a {@link OneServerError} carries besides its text; what does not apply is absent. */
export interface OneServerErrorData {
  /** Exit code of the server. Absent when it was ended by a signal, or when nobody could see it. */
  exitCode?: number
  /** Signal that ended the server. */
  signal?: string
  /** The last 20 lines of the server's log. */
  logTail?: string
  /** Where the server's output went. */
  logFile?: string
  /** The process that the error is about. */
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
  if (!logTail) return `\nIt printed nothing. Its log is ${logFile}`
  return `\nThe last lines of its log (${logFile}):\n${logTail.replace(/^/gm, '  | ')}`
}

const systemReason = (cause: unknown): string => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left on the device',
    EDQUOT: 'the disk quota is used up',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    ELOOP: 'it is a symbolic link',
    ENOENT: 'it does not exist',
    ENAMETOOLONG: 'the path is too long',
    EMFILE: 'too many open files',
    ENFILE: 'too many open files on this machine',
    EAGAIN: 'no more processes may be started',
    ENOTEMPTY: 'it is not empty',
    EEXIST: 'something else is in its place',
  }
  if (code !== undefined && reasons[code] !== undefined) return `${reasons[code]} (${code})`
  return cause instanceof Error ? cause.message : String(cause)
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

export const startTimeout = (ms: number, doing: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'START_TIMEOUT',
    `Server failed to start within ${ms} ms: ${doing}.${quoteLog(data)}`,
    'If it needs longer, raise startupTimeout (--timeout). If it is up under another address, check port, host and healthPath (--port, --host, --health).',
    data,
  )

const howItEnded = ({ exitCode, signal }: OneServerErrorData): string => {
  if (signal !== undefined) return `was ended by ${signal}`
  if (exitCode !== undefined) return `exited with code ${exitCode}`
  return 'exited (its exit code is known only to the client that launched it, which has not told it)'
}

export const serverExited = (data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'SERVER_EXITED',
    `Server ${howItEnded(data)} before its health check answered.${quoteLog(data)}`,
    data.exitCode === 0
      ? 'The command must stay in the foreground for as long as it serves; drop the option that puts it into the background.'
      : 'Its log says why. Correct that and call again; nothing of it was left running.',
    data,
  )

export const serverUnhealthy = (url: string, waited: number, reason: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY',
    `Server at ${url} (PID ${data.pid ?? 'unknown'}) is alive but did not answer its health check for ${waited} ms: ${reason}.${quoteLog(data)}`,
    'It may only be busy, so it was left alone. If it hangs: one-server restart, or stopServer() and ensureServerRunning().',
    data,
  )

export const portInUse = (port: number, what: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'PORT_IN_USE',
    `Port ${port} is in use ${what}.${quoteLog(data)}`,
    `Stop what listens on port ${port}, or choose another port: port: 'auto' (--port auto) takes a free one.`,
    { port, ...data },
  )

/** `what` passes the check of a server that has not been started, for a kind of readiness that does not ask at the port. */
export const readyBeforeStart = (what: string, hint: string): OneServerError =>
  new OneServerError('PORT_IN_USE', `${what} before the server was started, and would make a server look ready that is not.`, hint)

/** `differences`: a line each, the running server's first. */
export const configMismatch = (pidFile: string, differences: readonly string[], why: string, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'CONFIG_MISMATCH',
    `The server that runs for ${pidFile} (PID ${data.pid ?? 'unknown'}) is not the one that this call means:\n${differences.map((line) => `  ${line}`).join('\n')}${why === '' ? '' : `\n${why}`}`,
    "Ask with the options that it was started with, stop it first (one-server stop), choose another name, or take it as it is: onMismatch: 'reuse' (--on-mismatch reuse).",
    data,
  )

export const notOurs = (port: number, pid: number | undefined): OneServerError =>
  new OneServerError(
    'PORT_IN_USE',
    `Port ${port} is in use by a server that one-server did not start${pid === undefined ? '' : ` (PID ${pid})`}, so no lease can be held on it: it will never be stopped for being idle.`,
    'Use it without a lease: ensureServerRunning(), one-server start. Or stop it, or choose another port.',
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

export const lockTimeout = (ms: number, lockPath: string): OneServerError =>
  new OneServerError(
    'LOCK_TIMEOUT',
    `Other clients held the lock ${lockPath} for the ${ms} ms that this call had.`,
    'Call again. If it stays like this, see which client hangs: one-server status --json names the launcher.',
  )

export const stateUnusable = (path: string, what: string, hint: string, cause?: unknown): OneServerError =>
  new OneServerError(
    'STATE_UNUSABLE',
    cause === undefined ? `${path}: ${what}` : `${path}: ${what}: ${systemReason(cause)}`,
    // Whatever is wrong with the file cannot be told, and need not be anything.
    ['EMFILE', 'ENFILE'].includes(String((cause as NodeJS.ErrnoException | undefined)?.code)) ? NO_DESCRIPTORS : hint,
    {},
    cause,
  )

const NO_DESCRIPTORS = 'Raise the limit on open files (ulimit -n), or close what need not be open, and call again.'

export const cannotStart = (cause: unknown): OneServerError =>
  commandNotFound(
    `The server cannot be started: ${systemReason(cause)}`,
    'Check the working directory (cwd, --cwd) and the limits on processes and open files (ulimit -u, ulimit -n).',
    cause,
  )

export const notPermitted = (pid: number, cause: unknown): OneServerError =>
  new OneServerError(
    'STATE_UNUSABLE', `PID ${pid} may not be signalled: ${systemReason(cause)}`,
    'It runs as another user by now. Stop it as that user, or as root, and call again.', { pid }, cause,
  )

export const stateNewer = (path: string): OneServerError =>
  new OneServerError(
    'STATE_NEWER',
    `${path} was written by a newer version of one-server, which this version must not judge.`,
    'Upgrade one-server here, or stop the server with the program that started it.',
  )

export const stopped = (data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'STOPPED',
    'The server was stopped on purpose while this call waited for it to become ready.',
    'Call again if it is wanted after all.',
    data,
  )

export const insideServer = (pidFile: string): OneServerError =>
  new OneServerError(
    'INVALID_OPTION',
    `This process runs inside the very server that ${pidFile} names, so it would wait for itself.`,
    'Do not call one-server for its own PID file from within the server; it has PORT and HOST in its environment.',
  )

export const aborted = (cause: unknown): OneServerError =>
  new OneServerError('ABORTED', 'The call was aborted by its AbortSignal.', 'Nothing to do: this was asked for.', {}, cause)
