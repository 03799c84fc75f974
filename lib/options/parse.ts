/**
 * One value of an option each: what it may be, and what it becomes. The library, the command line and a config file
 * judge a value here and nowhere else, so that they accept the same; `option` is the name that the caller used, which may
 * be a flag or a variable, since an error under another name would not be found.
 */
import { isAbsolute, resolve } from 'node:path'
import { invalidOption } from '../errors.js'
import { isUrl } from '../text/is-url.js'
import type { ClientProcessManagerOptions } from './options.js'

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
  | { readonly kind: 'command'; readonly words: readonly string[] }

/** Statuses of HTTP, from and to. */
export type Statuses = readonly (readonly [from: number, to: number])[]

/**
 * The names that a server may have. On Windows `con.pid` is the console, so the names of its devices are names nowhere: a config file is
 * shared. A schema has no flag for case.
 */
export const NAME =
  /^(?!(?:[Cc][Oo][Nn]|[Nn][Uu][Ll]|[Aa][Uu][Xx]|[Pp][Rr][Nn]|(?:[Cc][Oo][Mm]|[Ll][Pp][Tt])[1-9])(?:\.|$))[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

export const EXPECTED_NAME =
  "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100, and no device of Windows (con, nul, com1, …)"

/** The longest that a timer of Node can wait, in ms; above it, it would fire at once. */
export const LONGEST = 2 ** 31 - 1

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration in ms. Not the package `ms`: it also takes years, signs and blanks, and returns undefined for the rest. */
export const parseDuration = (option: string, value: unknown, least = 0): number => {
  const expected = `a number of milliseconds${least > 0 ? ` of at least ${least}` : ''}, or a string such as '500ms', '30s' or '2m'`
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value.trim()) : null
  const ms = typeof value === 'number' ? value : match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? 'ms'] ?? 1)
  if (ms > LONGEST && Number.isFinite(ms)) throw invalidOption(option, `at most ${LONGEST} ms (24 days)`, value)
  if (!Number.isFinite(ms) || ms < least) throw invalidOption(option, expected, value)
  return Math.round(ms)
}

const readPort = (option: string, value: unknown): PortChoice => {
  const expected = "an integer from 1 to 65535, a list of such, or 'auto'"
  const one = (item: unknown): number => {
    const port = typeof item === 'string' && /^\d{1,5}$/.test(item) ? Number(item) : item
    if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) throw invalidOption(option, expected, value)
    return port as number
  }
  if (value === 'auto' || value === 0 || value === '0') return { kind: 'auto' }
  if (typeof value === 'string' && value.includes(',')) return readPort(option, value.split(','))
  if (!Array.isArray(value)) return { kind: 'fixed', port: one(value) }
  if (value.length === 0) throw invalidOption(option, expected, value)
  return { kind: 'list', ports: Object.freeze(value.map(one)) }
}

/** The choice of a port. Strings come from the command line: `3000`, `3000,3001`, `auto`. */
export const parsePort = (option: string, value: unknown): PortChoice => Object.freeze(readPort(option, value))

const string = (option: string, value: unknown, expected = 'a non-empty string without NUL'): string => {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalidOption(option, expected, value)
  return value
}

/** Undefined where somebody removed the working directory: it has no name then. A path that needs none is still good. */
export const workingDirectory = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/** A path, made absolute. */
export const parsePath = (option: string, value: unknown): string => {
  const path = string(option, value, 'a path')
  if (!isAbsolute(path) && workingDirectory() === undefined) {
    throw invalidOption(option, 'an absolute path, since the working directory (cwd) of this process was removed', path)
  }
  return resolve(path)
}

const parseName = (option: string, value: unknown): string => {
  if (typeof value !== 'string' || !NAME.test(value)) {
    throw invalidOption(option, EXPECTED_NAME, value)
  }
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

const VARIABLES: MapRules = {
  name: /^[A-Za-z_][A-Za-z0-9_]*$/, expectedName: 'a letter or _, then letters, digits or _ (a POSIX shell drops any other)',
  value: /^[^\0]*$/, expectedValue: 'a string', removes: true,
}

/** RFC 9110, sections 5.1 and 5.5, as node:http checks them. */
const HEADERS: MapRules = {
  name: /^[\w!#$%&'*+.^`|~-]+$/, expectedName: 'the name of a header',
  value: /^[\t\x20-\x7e\x80-\xff]*$/, expectedValue: 'a string without line breaks that a header can hold', removes: false,
}

/** Whether a health check can send a header. */
export const isHeader = (name: string, value: unknown): boolean =>
  HEADERS.name.test(name) && typeof value === 'string' && HEADERS.value.test(value)

const stringMap = (option: string, value: unknown, rules: MapRules): Readonly<Record<string, string | undefined>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidOption(option, 'an object of strings', value)
  for (const [key, item] of Object.entries(value)) {
    if (!rules.name.test(key)) throw invalidOption(`${option}: the name ${JSON.stringify(key)}`, rules.expectedName, key)
    if (item === undefined && rules.removes) continue
    if (typeof item !== 'string' || !rules.value.test(item)) throw invalidOption(`${option}.${key}`, rules.expectedValue, item)
  }
  return Object.freeze({ ...value })
}

/** Whether a signal of this name exists. Nobody need look up the default, and mostly nobody asks for another. */
export const isSignal = (name: unknown): boolean =>
  name === 'SIGTERM' || (typeof name === 'string' && Object.hasOwn(process.getBuiltinModule('node:os').constants.signals, name))

const parseSignal = (option: string, value: unknown): NodeJS.Signals => {
  if (!isSignal(value)) throw invalidOption(option, "the name of a signal, such as 'SIGTERM'", value)
  return value as NodeJS.Signals
}

export const parseHost = (option: string, value: unknown): string => {
  const text = string(option, value).replace(/^\[(.*)\]$/, '$1')
  const inUrl = text.includes(':') ? `[${text}]` : text
  if (!/^[A-Za-z0-9._:-]+$/.test(text) || !isUrl(`http://${inUrl}/`)) {
    throw invalidOption(option, "a host name or an IP address, such as 'localhost' or '::1'", value)
  }
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

/** A health check as a flag or a key gives it: a path or a whole URL, by its looks. */
export const parseHealth = (option: string, value: unknown): { healthPath: string } | { healthUrl: string } => {
  if (typeof value === 'string' && value.startsWith('/')) return { healthPath: parseHealthPath(option, value) }
  if (typeof value === 'string' && value.includes('://')) return { healthUrl: parseHealthUrl(option, value) }
  throw invalidOption(option, "a path that begins with '/', or a whole URL", value)
}

const parseMatch = (option: string, value: unknown): Match => {
  if (value instanceof RegExp) return { source: value.source, flags: value.flags.replace(/[gy]/g, '') }
  return { text: string(option, value, 'a non-empty text or a regular expression') }
}

/** A log is searched line by line: `^` and `$` must not be the ends of all that the server has printed. */
const byLines = (match: Match): Match => ('text' in match || match.flags.includes('m') ? match : { ...match, flags: `${match.flags}m` })

const parseCommand = (option: string, value: unknown): readonly string[] => {
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0'))
  // Arguments may be empty, the program may not.
  if (!isList || !value[0]) throw invalidOption(option, "a list such as ['node', 'server.js', '--port', '{port}']", value)
  return Object.freeze([...value])
}

/** Readiness in wait-on's words; one by HTTP is `healthUrl`. */
export const parseReady = (option: string, value: unknown): Ready | { readonly kind: 'url'; readonly url: string } => {
  const expected = "'tcp:5432', 'tcp:{port}', 'socket:/path', 'http-get://host/path', { log: 'text' } or { command: ['program'] }"
  const key = Object.keys(Object(value)).join()
  const item: unknown = Object(value)[key]
  if (key === 'log') return { kind: 'log', match: byLines(parseMatch(`${option}.log`, item)) }
  if (key === 'command') return { kind: 'command', words: parseCommand(`${option}.command`, item) }
  const text = string(option, value, expected)
  const tcp = /^tcp:(?:(.+):)?(\d{1,5}|\{port\})$/.exec(text)
  if (tcp !== null) {
    const port = tcp[2] === '{port}' ? 0 : Number(tcp[2])
    if (port > 65535 || tcp[2] === '0') throw invalidOption(option, 'a port from 1 to 65535', value)
    return { kind: 'tcp', host: tcp[1] === undefined ? undefined : parseHost(option, tcp[1]), port }
  }
  const path = /^socket:(.+)$/s.exec(text)?.[1]
  // The kernel's limit: sun_path holds 108 bytes with the NUL at its end.
  if (path !== undefined && Buffer.byteLength(resolve(path)) > 107) {
    throw invalidOption(option, 'a socket whose whole path has at most 107 bytes', value)
  }
  if (path !== undefined) return { kind: 'socket', path: resolve(path) }
  const url = /^(https?)(?:-get)?:(\/\/.+)$/.exec(text)
  if (url === null) throw invalidOption(option, expected, value)
  return { kind: 'url', url: parseHealthUrl(option, `${url[1]}:${url[2]}`) }
}

export const parseOnMismatch = (option: string, value: unknown): 'error' | 'reuse' | 'restart' => {
  if (value !== 'error' && value !== 'reuse' && value !== 'restart') throw invalidOption(option, "'error', 'reuse' or 'restart'", value)
  return value
}

/** A status, a range or a list of these, of the answers by which a server says that it is well. */
export const parseStatuses = (option: string, value: unknown): Statuses => {
  const statuses = [value].flat().join().split(',').map((item) => {
    const [, from, to = from] = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(item.trim()) ?? []
    return [Number(from), Number(to)] as const
  })
  if (statuses.every(([from, to]) => from <= to)) return statuses
  throw invalidOption(option, "a status such as 401, a range such as '200-399', or a list of these", value)
}

const parseBoolean = (option: string, value: unknown): boolean => {
  if (typeof value !== 'boolean') throw invalidOption(option, 'true or false', value)
  return value
}

const parseInherit = (option: string, value: unknown): boolean | readonly string[] => {
  if (typeof value === 'boolean') return value
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string')
  if (!isList) throw invalidOption(option, 'true, false or a list of names', value)
  return Object.freeze([...value])
}

const parseListener = (option: string, value: unknown): NonNullable<ClientProcessManagerOptions['onEvent']> => {
  if (typeof value !== 'function') throw invalidOption(option, 'a function', value)
  return value as NonNullable<ClientProcessManagerOptions['onEvent']>
}

/** A call that starts the server judges it (across/as-steward.ts): any other has no use for what that takes. */
const parseCoordinator = (option: string, value: unknown) =>
  (value !== null && typeof value === 'object' ? value : string(option, value)) as NonNullable<ClientProcessManagerOptions['coordinator']>

/** Every kind of value that an option can have. */
export const KINDS = {
  path: parsePath, name: parseName, text: (option: string, value: unknown) => string(option, value), match: parseMatch,
  command: parseCommand, inherit: parseInherit, boolean: parseBoolean, duration: parseDuration, signal: parseSignal,
  variables: (option: string, value: unknown) => stringMap(option, value, VARIABLES),
  headers: (option: string, value: unknown) => stringMap(option, value, HEADERS) as Readonly<Record<string, string>>,
  port: parsePort, host: parseHost, healthPath: parseHealthPath, healthUrl: parseHealthUrl, ready: parseReady,
  paths: (option: string, value: unknown) => [value].flat().map((path) => parsePath(option, path)), statuses: parseStatuses,
  mismatch: parseOnMismatch, coordinator: parseCoordinator, listener: parseListener,
} as const

export type Kind = keyof typeof KINDS
