/**
 * What `etcd://` URLs and their options say, checked once and frozen into a plan; below nobody looks at a URL again. Pure, but for
 * `fromEnvironment`, which reads the files that variables name. A URL may hold a password, and so may what somebody took for one: no
 * message has user, password or query, nor a port that is no number.
 */
import { isIPv6 } from 'node:net'
import { invalidCombination, invalidOption } from '../errors.js'
import type { Coordination } from '../options/options.js'
import { readPlainFile } from '../plain-file.js'
import { systemReason } from '../text/system-reason.js'

/** Which etcd, and as whom. It survives JSON: a steward gets it in its environment. */
export type EtcdPlan = Coordination

export type EtcdEndpoint = Coordination['endpoints'][number]

/** What a URL leaves out. What the URL says itself counts more. */
export interface EtcdOptions {
  /** The user, where etcd asks for one; with `password`. */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Contents of a PEM file: what the certificate of etcd must be signed by. @default the authorities that Node knows */
  readonly ca?: string | Uint8Array | undefined
  /** Contents of a PEM file: the certificate that this client shows; with `key`. */
  readonly cert?: string | Uint8Array | undefined
  readonly key?: string | Uint8Array | undefined
}

const PORT = 2379
const PREFIX = 'one-server'

/** Of each scheme whether it is TLS. */
export const ENGINE_SCHEMES: Readonly<Record<string, boolean>> = { etcd: false, etcds: true }
/** The schemes that etcd's own tools take. Only where the engine is named beside the URL. */
export const ALL_SCHEMES: Readonly<Record<string, boolean>> = { ...ENGINE_SCHEMES, http: false, https: true }

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/u
const ENCODED = ', without ? and #; in user and password ?, #, / and @ are percent-encoded'
const FORM = 'etcd://HOST[:PORT][,HOST…][/PREFIX], or etcds:// with TLS'

// A password with a slash in it looks like the path, so all before the last @ is left out. And user:password without a host is a port.
const redacted = (url: string): string =>
  url
    .replace(/:\/\/.*@/s, '://…@')
    .replace(/[?#].*$/s, '?…')
    .replace(/((?:^|[,@/])(?:\[[^\]]*\]|[^:,/[\]]*)):(?!\/\/|\d+(?=[,/]|$))[^,/]*/g, '$1:…')

/** `more`: what of the form the URL lacks, in words that go on after it. */
const refuse = (url: string, more = ''): never => {
  throw invalidOption('coordinator', FORM + more, redacted(url))
}

/** The fields of an object that have a value. An empty variable is none: CI systems cannot unset one. */
const said = <T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== '')) as never

/** Of a host, as far as a name or an IPv4 address. */
export const NAME = /^[\p{L}\p{N}_](?:[\p{L}\p{N}._-]*[\p{L}\p{N}_.])?$/u

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535

const endpointOf = (url: string, text: string): EtcdEndpoint => {
  const [, literal, name, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ?? refuse(url, ', with IPv6 addresses in brackets')
  if (literal === undefined ? isIPv6(text) : !isIPv6(literal)) refuse(url, ', with IPv6 addresses in brackets')
  if (name === '') refuse(url, ', with a host before and after each comma')
  if (name !== undefined && !NAME.test(name)) refuse(url, ', with names or addresses as hosts')
  if (port !== undefined && !isPort(port)) refuse(url, ', with ports from 1 to 65535')
  return { host: (literal ?? name)!.toLowerCase(), port: port === undefined ? PORT : Number(port) }
}

const prefixOf = (url: string, path: string): string => {
  const prefix = path.replace(/^\/+|\/+$/g, '')
  if (prefix === '') return PREFIX
  if (prefix.split('/').some((part) => ['', '.', '..'].includes(part))) refuse(url, ', with no empty part, . or .. in the prefix')
  return prefix
}

const decoded = (url: string, text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse(url, ', with user and password percent-encoded')
  }
}

/** The value itself may be a secret. */
const kindOf = (value: unknown): string => (value === null ? 'null' : `a value of type ${typeof value}`)

/** Contents of a PEM file. A path in its place would fail at the first connection only, with words that do not say so. */
const pem = (option: string, value: unknown): string | undefined => {
  if (value === undefined || value === '') return undefined
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value
  if (typeof text === 'string' && text.includes('-----BEGIN ')) return text
  throw invalidOption(option, 'the contents of a PEM file, and not its path', typeof text === 'string' ? 'something else' : kindOf(value))
}

const text = (option: string, value: unknown): string | undefined => {
  if (value === undefined || typeof value === 'string') return value
  throw invalidOption(option, 'a string', kindOf(value))
}

const OPTIONS = ['user', 'password', 'ca', 'cert', 'key']

/** Throws INVALID_OPTION. The prefix is taken as it is written. */
export const etcdPlan = (url: unknown, options: EtcdOptions = {}, schemes = ENGINE_SCHEMES): EtcdPlan => {
  if (typeof url !== 'string') throw invalidOption('coordinator', FORM, kindOf(url))
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) throw invalidOption('the options of etcd()', OPTIONS.join(', '), unknown)
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(url) ?? []
  const secure = Object.hasOwn(schemes, scheme.toLowerCase()) ? schemes[scheme.toLowerCase()] : undefined
  if (secure === undefined) return refuse(url)
  // Control characters would reach terminals and logs, and white space is a slip of the pen.
  if (UNSEEN.test(rest)) refuse(url.replace(UNSEEN, '…'), ', without white space and control characters')
  const [, own, hosts = '', path = ''] = /^(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?$/s.exec(rest) ?? refuse(url, ENCODED)
  // What follows a slash in a password that is not encoded would become the prefix, which is written down and shown.
  if (own === undefined ? /[^/]@/.test(path) : path.includes('@')) refuse(url, ENCODED)
  const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(own ?? '') ?? []
  const credentials = {
    ...said({ user: text('user', options.user), password: text('password', options.password) }),
    ...said({ user: decoded(url, user), password: decoded(url, password) }),
  }
  const files = said({ ca: pem('ca', options.ca), cert: pem('cert', options.cert), key: pem('key', options.key) })
  const endpoints = hosts.split(',').map((host) => endpointOf(url, host))
  const texts = endpoints.map(endpointText)
  const plan: EtcdPlan = {
    engine: 'etcd', endpoints: endpoints.filter((_, at) => texts.indexOf(texts[at]!) === at), secure, prefix: prefixOf(url, path),
    ...credentials, ...files,
  }
  checkTogether(plan)
  for (const endpoint of plan.endpoints) Object.freeze(endpoint)
  Object.freeze(plan.endpoints)
  return Object.freeze(plan)
}

const checkTogether = ({ secure, user, password, ca, cert, key }: EtcdPlan): void => {
  if ((user === undefined) !== (password === undefined)) {
    const [has, lacks] = user === undefined ? ['password', 'user'] : ['user', 'password']
    const hint = `Give both or none: ONE_SERVER_COORDINATOR_${lacks!.toUpperCase()}, or in the URL, percent-encoded.`
    throw invalidCombination(`The coordinator has a ${has} and no ${lacks}.`, hint)
  }
  if ((cert === undefined) !== (key === undefined)) {
    const hint = 'Give both or none: cert and key, or ONE_SERVER_COORDINATOR_CERT and ONE_SERVER_COORDINATOR_KEY.'
    throw invalidCombination('A certificate for the coordinator needs its key, and a key its certificate.', hint)
  }
  if (!secure && (ca !== undefined || cert !== undefined)) {
    const hint = 'Write etcds:// (or https://), or leave out ca, cert and key.'
    throw invalidCombination('The coordinator has a certificate, and its URL is one without TLS.', hint)
  }
}

/** Bytes of a PEM file. Bundles of all public authorities have a quarter of it. */
const LARGEST = 1024 * 1024

/** What the environment says besides the URL; certificates by their paths. Throws INVALID_OPTION that names the variable. */
export const fromEnvironment = (env: Readonly<Record<string, string | undefined>>): EtcdOptions => {
  const contents = (name: string): string | undefined => {
    const variable = `ONE_SERVER_COORDINATOR_${name}`
    const path = env[variable]
    if (path === undefined || path === '') return undefined
    const fail = (why: string): never => { throw invalidOption(variable, `the path of a PEM file (${why})`, path) }
    // Contents in place of a path may be a private key.
    if (path.includes('-----BEGIN')) throw invalidOption(variable, 'the path of a PEM file', 'its contents')
    const read = (): ReturnType<typeof readPlainFile> => {
      try {
        return readPlainFile(path, LARGEST)
      } catch (error) {
        return fail(systemReason(error))
      }
    }
    const file = read()
    if ('refused' in file) return fail(`it ${file.refused}`)
    return file.text.includes('-----BEGIN ') ? file.text : fail('it holds no PEM')
  }
  const own = { user: env['ONE_SERVER_COORDINATOR_USER'], password: env['ONE_SERVER_COORDINATOR_PASSWORD'] }
  return said({ ...own, ca: contents('CA'), cert: contents('CERT'), key: contents('KEY') })
}

/** One endpoint in words. */
export const endpointText = ({ host, port }: EtcdEndpoint): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** The engine in words, without secrets: `etcd at a:2379, b:2379`. */
export const describe = ({ endpoints }: Pick<EtcdPlan, 'endpoints'>): string => `etcd at ${endpoints.map(endpointText).join(', ')}`

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const isEndpoint = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { host, port } = value as Partial<EtcdEndpoint>
  return isText(host) && isPort(String(port)) && typeof port === 'number'
}

/** Whether a value is what `etcd()` returns, or what JSON made of it. */
export const isEtcdPlan = (value: unknown): value is EtcdPlan => {
  if (typeof value !== 'object' || value === null) return false
  const { engine, endpoints, secure, prefix, ...rest } = value as Record<string, unknown>
  return (
    engine === 'etcd' && typeof secure === 'boolean' && isText(prefix) && Array.isArray(endpoints) && endpoints.length > 0 &&
    endpoints.every(isEndpoint) &&
    Object.entries(rest).every(([name, field]) => OPTIONS.includes(name) && isText(field))
  )
}
