/**
 * The one funnel for options: whatever a caller hands in becomes a frozen object in which nothing is
 * missing, or one INVALID_OPTION that names the option, what it expects and what it got. Below this
 * file nobody validates again, and nothing is clamped in silence.
 */
import { isAbsolute, join, resolve } from 'node:path'
import type { OneServerEvent } from './events.js'
import { invalidCombination, invalidOption } from './errors.js'
import { defaultPidFile, stateDir } from './paths.js'

/** A duration: a number of milliseconds, or a string such as `'500ms'`, `'30s'`, `'2m'`, `'1h'`. */
export type Duration = number | string

/** Options of {@link ClientProcessManager}. Each has a default: with none, the bundled session server on port 3000 is shared. */
export interface ClientProcessManagerOptions {
  /**
   * The PID file. It decides which server is meant: all clients with the same PID file share one server.
   * @default `~/.omega-session-server.pid` (HOME, else USERPROFILE, else the working directory)
   */
  pidFile?: string
  /** A name instead of `pidFile`: the PID file is then `<state folder>/<name>.pid`. Letters, digits, `.`, `_`, `-`. */
  name?: string
  /**
   * A script that is run by this Node. A missing `.js` falls back to the same name in `.ts`, and `.ts` is run
   * by `tsx`, which is looked up from the script.
   * @default the bundled session server
   */
  serverScript?: string
  /**
   * Any other server: `[program, ...args]`, run without a shell. `{port}` and `{host}` are filled in.
   * Needs `name` or `pidFile`, excludes `serverScript`.
   */
  command?: readonly string[]
  /** Working directory of the server. @default the client's */
  cwd?: string
  /** Environment variables for the server, merged over what it inherits. `undefined` removes one. */
  env?: Readonly<Record<string, string | undefined>>
  /**
   * What the server inherits of the launching client's environment: all of it, or the listed names.
   * The first client's environment becomes everyone's.
   * @default true
   */
  inheritEnv?: boolean | readonly string[]
  /**
   * The port that the server is told to listen on (`PORT`, `{port}`): a number, a list of candidates of which the
   * first free one is taken, or `'auto'` (or 0) for any free one. A running server's own port comes before it.
   * @default 3000; with `ready` the port that it names, or `'auto'` where it names none
   */
  port?: number | readonly number[] | 'auto'
  /**
   * The host that the server is told to listen on and is reached at. For `localhost` both 127.0.0.1 and [::1] are
   * tried, and the one that answers is in everyone's URL.
   * @default 'localhost'
   */
  host?: string
  /** Path of the health check. 2xx on GET is healthy; redirects are not followed. @default '/api/health' */
  healthPath?: string
  /** Whole URL of the health check, http or https, instead of `host` and `healthPath`. `{port}` is filled in. */
  healthUrl?: string
  /** Headers of the health check. They are kept in the PID file (mode 0600), since every client sends them. */
  healthHeaders?: Readonly<Record<string, string>>
  /**
   * What the body of a healthy answer must hold: a text, or what a regular expression matches. For a server that does not
   * give its launch id (header `x-one-server-launch`, or `launchId` in a JSON answer) where whose socket it is cannot be seen.
   */
  healthMatch?: string | RegExp
  /** Whether a healthy server that nobody recorded, because somebody ran it by hand, is used. False: PORT_IN_USE. @default true */
  reuseExisting?: boolean
  /**
   * Readiness other than HTTP, in wait-on's words: `'tcp:5432'`, `'tcp:{port}'`, `'socket:/run/x.sock'`, `'http-get://…'` (as `healthUrl`);
   * or `{ log: /ready to accept/ }`, a line of the server's output (`^` and `$` are its ends). With it nothing is used that nobody recorded.
   */
  ready?: string | { readonly log: string | RegExp }
  /** Version of the server that this client wants; compared as by Semantic Versioning. */
  version?: string
  /**
   * What happens when the running server was started by another command, working directory (if `cwd` is given), `env` or `version`:
   * `'error'` is CONFIG_MISMATCH, `'reuse'` takes it as it is, `'restart'` replaces one of an older version, or of none, and only that.
   * A client that says neither how to start it nor a version takes what runs.
   * @default 'error'
   */
  onMismatch?: 'error' | 'reuse' | 'restart'
  /** How long the server may take from claim to ready, and how long a call waits. ms. @default 10000 */
  startupTimeout?: Duration
  /** Longest pause between two health checks; a young launch may be checked more often. ms. @default 200 */
  healthCheckInterval?: Duration
  /** How long one health check may take. ms. @default 500 */
  healthTimeout?: Duration
  /** The signal that asks the server to stop. @default 'SIGTERM' */
  stopSignal?: NodeJS.Signals
  /** How long the server may take to stop before SIGKILL. ms. @default 5000 */
  stopTimeout?: Duration
  /** Where stdout and stderr of the server go. The previous run's is kept beside it as `.prev`. @default the PID file with `.log` for `.pid` */
  logFile?: string
  /** How long a server that was started for leases lives on after the last one. ms. @default 30000 */
  idleTimeout?: Duration
  /** Is told every step of the protocol. What it throws is dropped. */
  onEvent?: (event: OneServerEvent) => void
}

/** Which entry of a config file a server is, for `list` to tell. Not part of the public interface. */
export interface Configured {
  readonly configured?: { readonly name: string; readonly folder: string }
}

export type PortChoice =
  | { readonly kind: 'fixed'; readonly port: number }
  | { readonly kind: 'list'; readonly ports: readonly number[] }
  | { readonly kind: 'auto' }

/** What the body of a healthy answer must hold, or a log: a text, or what a regular expression matches. */
export type Match = { readonly text: string } | { readonly source: string; readonly flags: string }

/** Readiness other than by `healthPath`. A port of 0 is the server's own. */
export type Ready =
  | { readonly kind: 'tcp'; readonly host: string | undefined; readonly port: number }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'log'; readonly match: Match }

/** Options after the funnel. */
export interface Settings {
  /** Names of the options that the caller gave. */
  readonly given: ReadonlySet<string>
  readonly configured?: { readonly name: string; readonly folder: string }
  readonly pidFile: string
  readonly serverScript: string | undefined
  readonly command: readonly string[] | undefined
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly inheritEnv: boolean | readonly string[]
  readonly port: PortChoice
  readonly host: string
  readonly healthPath: string
  readonly healthUrl: string | undefined
  readonly healthHeaders: Readonly<Record<string, string>>
  readonly healthMatch: Match | undefined
  readonly reuseExisting: boolean
  readonly ready: Ready | undefined
  readonly version: string | undefined
  readonly onMismatch: 'error' | 'reuse' | 'restart'
  readonly startupTimeout: number
  readonly healthCheckInterval: number
  readonly healthTimeout: number
  readonly stopSignal: NodeJS.Signals
  readonly stopTimeout: number
  readonly logFile: string
  readonly idleTimeout: number
  readonly onEvent: ((event: OneServerEvent) => void) | undefined
}

const NAMES = [
  'pidFile', 'name', 'serverScript', 'command', 'cwd', 'env', 'inheritEnv', 'port', 'host', 'healthPath', 'healthUrl',
  'healthHeaders', 'healthMatch', 'reuseExisting', 'ready', 'version', 'onMismatch', 'startupTimeout', 'healthCheckInterval', 'healthTimeout', 'stopSignal', 'stopTimeout', 'logFile',
  'idleTimeout', 'onEvent',
] as const satisfies readonly (keyof ClientProcessManagerOptions)[]

/** What a server may be called. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** The longest that a timer of Node can wait, in ms; above it, it would fire at once. */
export const LONGEST = 2 ** 31 - 1

/** A duration in ms. `option` is the name that the message uses. */
export const parseDuration = (option: string, value: unknown, least = 0): number => {
  const expected = `a number of milliseconds${least > 0 ? ` of at least ${least}` : ''}, or a string such as '500ms', '30s' or '2m'`
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value.trim()) : null
  const ms = typeof value === 'number' ? value : match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? 'ms'] ?? 1)
  if (ms > LONGEST && Number.isFinite(ms)) throw invalidOption(option, `at most ${LONGEST} ms (24 days)`, value)
  if (!Number.isFinite(ms) || ms < least) throw invalidOption(option, expected, value)
  return Math.round(ms)
}

/** The choice of a port. Strings come from the command line: `3000`, `3000,3001`, `auto`. */
export const parsePort = (option: string, value: unknown): PortChoice => {
  const expected = "an integer from 1 to 65535, a list of such, or 'auto'"
  const one = (item: unknown): number => {
    const port = typeof item === 'string' && /^\d{1,5}$/.test(item) ? Number(item) : item
    if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) throw invalidOption(option, expected, value)
    return port as number
  }
  if (value === 'auto' || value === 0 || value === '0') return { kind: 'auto' }
  if (typeof value === 'string' && value.includes(',')) return parsePort(option, value.split(','))
  if (!Array.isArray(value)) return { kind: 'fixed', port: one(value) }
  if (value.length === 0) throw invalidOption(option, expected, value)
  return { kind: 'list', ports: Object.freeze(value.map(one)) }
}

const string = (option: string, value: unknown, expected = 'a non-empty string without NUL'): string => {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidOption(option, expected, value)
  return value
}

interface MapRules {
  readonly name: RegExp
  readonly expectedName: string
  readonly value: RegExp
  readonly expectedValue: string
  /** Whether undefined removes a name. */
  readonly removes: boolean
}

const ENVIRONMENT: MapRules = {
  name: /^[A-Za-z_][A-Za-z0-9_]*$/, expectedName: 'a letter or _, then letters, digits or _ (a POSIX shell drops any other)',
  value: /^[^\0]*$/, expectedValue: 'a string', removes: true,
}

/** Whether a header can be sent with a health check. */
export const isHeader = (name: string, value: unknown): boolean => HEADERS.name.test(name) && typeof value === 'string' && HEADERS.value.test(value)

/** Whether a signal of this name exists. The default need not be looked up, and mostly nobody asks for another. */
export const isSignal = (name: unknown): boolean =>
  name === 'SIGTERM' || (typeof name === 'string' && Object.hasOwn(process.getBuiltinModule('node:os').constants.signals, name))

/** RFC 9110, sections 5.1 and 5.5, as node:http checks them. */
const HEADERS: MapRules = {
  name: /^[\w!#$%&'*+.^`|~-]+$/, expectedName: 'the name of a header',
  value: /^[\t\x20-\x7e\x80-\xff]*$/, expectedValue: 'a string without line breaks that a header can hold', removes: false,
}

const stringMap = (option: string, value: unknown, { name, expectedName, value: allowed, expectedValue, removes }: MapRules): Record<string, string | undefined> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidOption(option, 'an object of strings', value)
  for (const [key, item] of Object.entries(value)) {
    if (!name.test(key)) throw invalidOption(`${option}: the name ${JSON.stringify(key)}`, expectedName, key)
    if (!(item === undefined && removes) && (typeof item !== 'string' || !allowed.test(item))) throw invalidOption(`${option}.${key}`, expectedValue, item)
  }
  return { ...value }
}

export const parseHost = (option: string, value: unknown): string => {
  const text = string(option, value).replace(/^\[(.*)\]$/, '$1')
  const inUrl = text.includes(':') ? `[${text}]` : text
  if (!/^[A-Za-z0-9._:-]+$/.test(text) || !URL.canParse(`http://${inUrl}/`)) throw invalidOption(option, "a host name or an IP address, such as 'localhost' or '::1'", value)
  return text
}

const parseHealthUrl = (option: string, value: unknown): string => {
  const text = string(option, value)
  const expected = "a URL with http or https, such as 'https://localhost:{port}/health'"
  let url: URL
  try {
    url = new URL(text.replaceAll('{port}', '1'))
  } catch {
    throw invalidOption(option, expected, value)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalidOption(option, expected, value)
  return text
}

const parseHealthPath = (option: string, value: unknown): string => {
  const text = string(option, value)
  if (!text.startsWith('/') || /\s/.test(text)) throw invalidOption(option, "a path that begins with '/'", value)
  return text
}

const parseMatch = (option: string, value: unknown): Match =>
  value instanceof RegExp ? { source: value.source, flags: value.flags.replace(/[gy]/g, '') } : { text: string(option, value, 'a non-empty text or a regular expression') }

/** What is looked for in a log is a line, so `^` and `$` are its ends and not those of all that was printed so far. */
const byLines = (match: Match): Match => ('text' in match || match.flags.includes('m') ? match : { ...match, flags: `${match.flags}m` })

/** Readiness in wait-on's words; one by HTTP is `healthUrl`. */
export const parseReady = (option: string, value: unknown): Ready | { readonly kind: 'url'; readonly url: string } => {
  const expected = "'tcp:5432', 'tcp:{port}', 'socket:/path', 'http-get://host/path' or { log: 'text' }"
  if (typeof value === 'object' && value !== null && Object.keys(value).join() === 'log') return { kind: 'log', match: byLines(parseMatch(`${option}.log`, (value as { log: unknown }).log)) }
  const text = string(option, value, expected)
  const tcp = /^tcp:(?:(.+):)?(\d{1,5}|\{port\})$/.exec(text)
  if (tcp !== null) {
    const port = tcp[2] === '{port}' ? 0 : Number(tcp[2])
    if (port > 65535 || tcp[2] === '0') throw invalidOption(option, 'a port from 1 to 65535', value)
    return { kind: 'tcp', host: tcp[1] === undefined ? undefined : parseHost(option, tcp[1]), port }
  }
  const path = /^socket:(.+)$/s.exec(text)?.[1]
  // The kernel's limit: sun_path holds 108 bytes with the NUL at its end.
  if (path !== undefined && Buffer.byteLength(resolve(path)) > 107) throw invalidOption(option, 'a socket whose whole path has at most 107 bytes', value)
  if (path !== undefined) return { kind: 'socket', path: resolve(path) }
  const url = /^(https?)(?:-get)?:(\/\/.+)$/.exec(text)
  if (url === null) throw invalidOption(option, expected, value)
  return { kind: 'url', url: parseHealthUrl(option, `${url[1]}:${url[2]}`) }
}

export const parseOnMismatch = (option: string, value: unknown): Settings['onMismatch'] => {
  if (value !== 'error' && value !== 'reuse' && value !== 'restart') throw invalidOption(option, "'error', 'reuse' or 'restart'", value)
  return value
}

/** Either of them, by its looks. */
export const parseHealth = (option: string, value: unknown): { healthPath: string } | { healthUrl: string } => {
  if (typeof value === 'string' && value.startsWith('/')) return { healthPath: parseHealthPath(option, value) }
  if (typeof value === 'string' && value.includes('://')) return { healthUrl: parseHealthUrl(option, value) }
  throw invalidOption(option, "a path that begins with '/', or a whole URL", value)
}

const inheritEnv = (value: unknown): boolean | readonly string[] => {
  if (typeof value === 'boolean') return value
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw invalidOption('inheritEnv', 'true, false or a list of names', value)
  }
  return Object.freeze([...value])
}

const command = (value: unknown): readonly string[] => {
  const expected = "a list such as ['node', 'server.js', '--port', '{port}']"
  if (!Array.isArray(value) || value.length === 0) throw invalidOption('command', expected, value)
  if (value.some((item) => typeof item !== 'string' || item.includes('\0')) || value[0] === '') throw invalidOption('command', expected, value)
  return Object.freeze([...value])
}

const pidFileOf = ({ pidFile, name }: ClientProcessManagerOptions, env: NodeJS.ProcessEnv): string => {
  if (name !== undefined) {
    if (pidFile !== undefined) throw invalidCombination('name and pidFile exclude each other', 'Give the one that says which server is meant.')
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw invalidOption('name', "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100", name)
    }
    return join(absolute('the folder of names (ONE_SERVER_STATE_DIR)', stateDir(env)), `${name}.pid`)
  }
  return pidFile === undefined ? absolute('pidFile', defaultPidFile(env)) : absolute('pidFile', pidFile)
}

/** A working directory that was removed has no name any more. One that nothing is resolved against need not have one. */
export const here = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/** The absolute path that is meant. */
const absolute = (option: string, value: unknown): string => {
  const path = string(option, value, 'a path')
  if (!isAbsolute(path) && here() === undefined) throw invalidOption(option, 'an absolute path, since the working directory (cwd) of this process was removed', path)
  return resolve(path)
}

/** Validates, fills in the defaults and freezes. */
export const settingsFrom = (all: ClientProcessManagerOptions & Configured = {}, env: NodeJS.ProcessEnv = process.env): Settings => {
  if (typeof all !== 'object' || all === null) throw invalidOption('options', 'an object', all)
  const { configured, ...options } = all
  for (const key of Object.keys(options)) {
    if (!(NAMES as readonly string[]).includes(key)) throw invalidCombination(`unknown option ${JSON.stringify(key)}`, `The options are ${NAMES.join(', ')}.`)
  }
  if (options.command !== undefined) {
    if (options.serverScript !== undefined) throw invalidCombination('command and serverScript exclude each other', 'Give the one that starts the server.')
    if (options.name === undefined && options.pidFile === undefined) {
      throw invalidCombination('command needs name or pidFile', 'Say which server this is, so that other clients can mean the same one.')
    }
  }
  const pidFile = pidFileOf(options, env)
  const stopSignal = options.stopSignal ?? 'SIGTERM'
  if (!isSignal(stopSignal)) throw invalidOption('stopSignal', "the name of a signal, such as 'SIGTERM'", stopSignal)
  if (options.onEvent !== undefined && typeof options.onEvent !== 'function') throw invalidOption('onEvent', 'a function', options.onEvent)
  const cwd = options.cwd === undefined ? here() ?? '(removed)' : absolute('cwd', options.cwd)
  if (options.reuseExisting !== undefined && typeof options.reuseExisting !== 'boolean') throw invalidOption('reuseExisting', 'true or false', options.reuseExisting)
  if (options.ready !== undefined && options.healthUrl !== undefined) throw invalidCombination('ready and healthUrl exclude each other', 'Give the one that tells when the server is ready.')
  const ready = options.ready === undefined ? undefined : parseReady('ready', options.ready)
  // A socket or a line of the log says nothing about a port, and a port of TCP is the server's.
  const port = options.port ?? (ready?.kind === 'tcp' && ready.port > 0 ? ready.port : ready?.kind === 'socket' || ready?.kind === 'log' ? 'auto' : 3000)
  const healthUrl = ready?.kind === 'url' ? ready.url : options.healthUrl
  const script = options.serverScript === undefined ? undefined : string('serverScript', options.serverScript, 'a path')
  return Object.freeze({
    given: new Set(Object.entries(options).filter(([, value]) => value !== undefined).map(([key]) => key)),
    ...(configured === undefined ? {} : { configured }),
    pidFile,
    serverScript: script === undefined ? undefined : absolute('serverScript', script),
    command: options.command === undefined ? undefined : command(options.command),
    cwd,
    env: Object.freeze(stringMap('env', options.env ?? {}, ENVIRONMENT)),
    inheritEnv: inheritEnv(options.inheritEnv ?? true),
    port: Object.freeze(parsePort('port', port)),
    host: parseHost('host', options.host ?? 'localhost'),
    healthPath: parseHealthPath('healthPath', options.healthPath ?? '/api/health'),
    healthUrl: healthUrl === undefined ? undefined : parseHealthUrl('healthUrl', healthUrl),
    healthHeaders: Object.freeze(stringMap('healthHeaders', options.healthHeaders ?? {}, HEADERS)) as Readonly<Record<string, string>>,
    healthMatch: options.healthMatch === undefined ? undefined : parseMatch('healthMatch', options.healthMatch),
    reuseExisting: options.reuseExisting ?? true,
    ready: ready?.kind === 'url' ? undefined : ready,
    version: options.version === undefined ? undefined : string('version', options.version),
    onMismatch: parseOnMismatch('onMismatch', options.onMismatch ?? 'error'),
    startupTimeout: parseDuration('startupTimeout', options.startupTimeout ?? 10_000, 1),
    healthCheckInterval: parseDuration('healthCheckInterval', options.healthCheckInterval ?? 200, 1),
    healthTimeout: parseDuration('healthTimeout', options.healthTimeout ?? 500, 1),
    stopSignal,
    stopTimeout: parseDuration('stopTimeout', options.stopTimeout ?? 5000),
    logFile: options.logFile === undefined ? pidFile.replace(/(\.pid)?$/, '.log') : absolute('logFile', options.logFile),
    idleTimeout: parseDuration('idleTimeout', options.idleTimeout ?? 30_000),
    onEvent: options.onEvent,
  })
}
