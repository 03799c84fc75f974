/**
 * Every flag, once: what it is called, what its value looks like, what the help says and which option
 * of the library it becomes. The parser and the help read the same table, so they cannot disagree, and
 * a value is judged by the library's own rules under the name that the user typed, be it a variable's.
 */
import { invalidOption } from '../errors.js'
import { parseDuration, parseHealth, parseHost, parseOnMismatch, parsePort, parseReady, type ClientProcessManagerOptions } from '../options.js'
import { splitWords } from './words.js'

/** What flags add up to: options of the library, and what only the command line knows. */
export type Choices = ClientProcessManagerOptions & { lines?: number }

export interface Flag {
  readonly short?: string
  /** How the help calls the value. Absent: the flag takes none. */
  readonly value?: string
  /** A value that would be accepted, for the message when there is none. */
  readonly sample?: string
  readonly text: string
  /** What it means by itself, where it takes no value. */
  readonly sets?: Choices
  /** The environment variable that counts where the flag is not given. */
  readonly variable?: `ONE_SERVER_${string}`
  /** `flag` is the spelling that the user chose. */
  readonly read?: (flag: string, value: string) => Choices
}

const port = (flag: string, value: string): Choices => {
  const choice = parsePort(flag, value)
  if (choice.kind === 'fixed') return { port: choice.port }
  return { port: choice.kind === 'list' ? choice.ports : 'auto' }
}

const ready = (flag: string, value: string): Choices => {
  const choice = value.startsWith('log:') ? { log: value.slice('log:'.length) } : value
  parseReady(flag, choice)
  return { ready: choice }
}

const lines = (flag: string, value: string): Choices => {
  if (!/^\d{1,9}$/.test(value)) throw invalidOption(flag, 'a whole number of lines', value)
  return { lines: Number(value) }
}

const server = (flag: string, value: string): Choices => {
  const split = splitWords(value)
  if ('malformed' in split) throw invalidOption(flag, `a command in words and quotes as a shell has them (${split.malformed})`, value)
  if (!split.words[0]) throw invalidOption(flag, 'a command, such as "node server.js"', value)
  return { command: split.words }
}

export const FLAGS = {
  'pid-file': {
    value: 'PATH', sample: './web.pid', text: 'the PID file that says which server is meant, instead of a name',
    read: (_, pidFile) => ({ pidFile }),
  },
  script: {
    value: 'PATH', sample: 'server.js', variable: 'ONE_SERVER_SCRIPT', text: 'the script to run with this Node (.ts: with tsx)',
    read: (_, serverScript) => ({ serverScript }),
  },
  server: {
    value: 'COMMAND', sample: '"node server.js"', text: "the server's command as one word, split at blanks; quotes and backslashes as in a shell, but none is run",
    read: server,
  },
  port: { value: 'PORT', sample: '3000', variable: 'ONE_SERVER_PORT', text: "a port, a list such as 3000,3001, or 'auto' (default 3000)", read: port },
  host: {
    value: 'HOST', sample: 'localhost', variable: 'ONE_SERVER_HOST', text: 'the host to listen on (default localhost)',
    read: (flag, value) => ({ host: parseHost(flag, value) }),
  },
  health: {
    value: 'PATH|URL', sample: '/api/health', variable: 'ONE_SERVER_HEALTH', text: 'the health check: a path, or a whole URL with {port} filled in (default /api/health)',
    read: (flag, value) => ({ ...parseHealth(flag, value) }),
  },
  'health-match': {
    value: 'TEXT', sample: '"ok"', text: 'what the body of a healthy answer must hold',
    read: (_, healthMatch) => ({ healthMatch }),
  },
  ready: {
    value: 'WHEN', sample: 'tcp:5432', text: "ready when this answers, instead of the health check: tcp:5432, tcp:{port}, socket:/path, http-get://…, or log:TEXT, when its output holds that",
    read: ready,
  },
  'server-version': {
    value: 'VERSION', sample: '1.2.0', text: "the server's version that is wanted",
    read: (_, version) => ({ version }),
  },
  'on-mismatch': {
    value: 'WHAT', sample: 'restart', text: "when another command or version runs: 'error' (default), 'reuse' it, or 'restart' one of an older version or of none",
    read: (flag, value) => ({ onMismatch: parseOnMismatch(flag, value) }),
  },
  'no-reuse-existing': { text: 'do not use a healthy server that one-server did not start', sets: { reuseExisting: false } },
  timeout: {
    value: 'TIME', sample: '30s', variable: 'ONE_SERVER_TIMEOUT', text: 'how long the server may take until it is healthy (default 10s)',
    read: (flag, value) => ({ startupTimeout: parseDuration(flag, value, 1) }),
  },
  interval: {
    value: 'TIME', sample: '200ms', variable: 'ONE_SERVER_INTERVAL', text: 'longest pause between two health checks (default 200ms)',
    read: (flag, value) => ({ healthCheckInterval: parseDuration(flag, value, 1) }),
  },
  'stop-timeout': {
    value: 'TIME', sample: '5s', variable: 'ONE_SERVER_STOP_TIMEOUT', text: 'how long it may take to stop before it is killed (default 5s)',
    read: (flag, value) => ({ stopTimeout: parseDuration(flag, value) }),
  },
  'idle-timeout': {
    value: 'TIME', sample: '30s', variable: 'ONE_SERVER_IDLE_TIMEOUT', text: 'how long it lives on after its last lease (default 30s)',
    read: (flag, value) => ({ idleTimeout: parseDuration(flag, value) }),
  },
  'log-file': {
    value: 'PATH', sample: './web.log', variable: 'ONE_SERVER_LOG_FILE', text: "the server's output (default: beside the PID file, .log)",
    read: (_, logFile) => ({ logFile }),
  },
  cwd: { value: 'PATH', sample: '.', variable: 'ONE_SERVER_CWD', text: 'working directory of the server (default: this one)', read: (_, cwd) => ({ cwd }) },
  named: { text: 'only the default one and those with a name' },
  'if-idle': { text: 'leave it running while clients use it' },
  lines: { short: 'n', value: 'N', sample: '50', text: 'how many of the last lines (default 20)', read: lines },
  follow: { short: 'f', text: 'go on with what is written, across restarts, until Ctrl-C' },
  prev: { text: 'the log of the run before' },
  json: { text: 'print one JSON document on stdout' },
  quiet: { text: 'no progress on stderr; errors are still printed' },
  help: { short: 'h', text: 'print this help' },
} as const satisfies Readonly<Record<string, Flag>>

export type FlagName = keyof typeof FLAGS

export const flag = (name: FlagName): Flag => FLAGS[name]
