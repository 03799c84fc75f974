/**
 * What a client that launches a steward tells it. It goes through one environment variable, which no server inherits: the options of the
 * server, since each host resolves them for itself, and the engine, whose password must be in no argument.
 */
import type { Settings } from '../options/settings.js'
import type { Coordination } from '../options/options.js'

export interface Errand {
  readonly engine: Coordination
  readonly name: string
  /** What other hosts are told: a host, and a port or 0 for any free one. Undefined host: the address by which this host reaches the engine. */
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
}

/** Base64, since `{port}` in an environment variable would be filled in. */
export const packErrand = (errand: Errand): string =>
  Buffer.from(JSON.stringify(errand, (_, value: unknown) => (value instanceof Set ? [...(value as Set<string>)] : value))).toString('base64')

export const unpackErrand = (text: string): Errand => {
  const { settings, ...rest } = JSON.parse(Buffer.from(text, 'base64').toString()) as Errand
  const { given, spread } = settings as unknown as Record<string, string[]>
  return { ...rest, settings: { ...settings, given: new Set(given), spread: new Set(spread) } }
}

export const ERRAND = 'ONE_SERVER_STEWARD'
export const CODE = 'ONE_SERVER_STEWARD_CODE'
