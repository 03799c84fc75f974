/**
 * What a client that launches a steward tells it. It goes through one environment variable, which no server inherits: the options of the
 * server, since each host resolves them for itself, and the engine, whose password must be in no argument.
 */
import type { Settings } from '../options/settings.js'
import type { Coordination } from '../options/options.js'

export interface Errand {
  readonly engine: Coordination
  readonly name: string
  /**
   * What other hosts get: a host, and a port or 0 for any free one. Undefined host: the address by which this host reaches the
   * engine.
   */
  readonly advertise: { readonly host: string | undefined; readonly port: number }
  /** Where the door listens, if that is another address. */
  readonly listen: string | undefined
  readonly mayHost: boolean
  /** ms */
  readonly ttl: number
  /** Of the server, as its client gave them. */
  readonly settings: Settings
  /** NODE_OPTIONS for the server. The steward must not be debugged, or preload anything. */
  readonly nodeOptions: string | undefined
  /** The path of the bundled server. A steward is a text, and has no folder beside which it lies. */
  readonly bundledServer: string
}

/** Its variables are this one, and more with a number behind it. */
export const ERRAND = 'ONE_SERVER_STEWARD'
export const CODE = 'ONE_SERVER_STEWARD_CODE'

/** Bytes. Linux takes 128 KiB in one variable, name and all. */
const PART = 100_000

/** Those of an environment that a steward alone has. */
export const isErrand = (name: string): boolean => name.startsWith(ERRAND)

/**
 * Base64, since `{port}` in an environment variable would be filled in. JSON leaves out what is undefined, which in `env` says that the
 * server does not get that variable.
 */
export const packErrand = (errand: Errand): Record<string, string> => {
  const plain = JSON.stringify(errand, (_, value: unknown) => (value instanceof Set ? [...(value as Set<string>)] : value))
  const { env } = errand.settings
  const without = Object.keys(env).filter((name) => env[name] === undefined)
  const text = Buffer.from(JSON.stringify([plain, without])).toString('base64')
  const parts = Array.from({ length: Math.ceil(text.length / PART) }, (_, at) => text.slice(at * PART, (at + 1) * PART))
  return Object.fromEntries(parts.map((part, at) => [at === 0 ? ERRAND : `${ERRAND}_${at}`, part]))
}

export const unpackErrand = (variables: NodeJS.ProcessEnv): Errand => {
  let text = ''
  for (let at = 0, part = variables[ERRAND]; part !== undefined; part = variables[`${ERRAND}_${++at}`]) text += part
  const [plain, without] = JSON.parse(Buffer.from(text, 'base64').toString()) as [string, string[]]
  const { settings, ...rest } = JSON.parse(plain) as Errand
  const { given, spread } = settings as unknown as Record<string, string[]>
  const env = { ...settings.env, ...Object.fromEntries(without.map((name) => [name, undefined])) }
  return { ...rest, settings: { ...settings, env, given: new Set(given), spread: new Set(spread) } }
}
