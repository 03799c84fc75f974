/**
 * What hosts write down for one another, and how long a writer has been silent. Below `<prefix>/<name>/`:
 *
 *     claim             who has the server. Written by compare-and-swap alone, renewals included
 *     users/<launch>    one for each host that uses the server of another; its steward writes it again each quarter of its `ttl`
 *     stop              an explicit stop from another host
 *
 * A claim is its owner's for as long as it is seen to change. No clock of another host is ever read or compared (client-go's leader
 * election has the same rule): a host that has seen one version for the `ttl` that its writer wrote into it, by its own monotonic clock,
 * may take it, by compare-and-swap on that version.
 */
import type { Leader } from '../system/system.js'
import { isUrl } from '../text/is-url.js'
import type { Entry } from './coordinator.js'

const FORMAT = 1

/** How many failures a claim passes on. */
const LEFT = 5

export type ClaimState = 'starting' | 'ready' | 'ending' | 'over'

/** Which server it is, without what may differ between hosts. Values may be secret, so there are hashes of them. */
export interface Identity {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
  readonly version?: string
}

export interface Claim {
  readonly format: typeof FORMAT
  /** The launch of the owner's steward, which is that of its host as well. */
  readonly launch: string
  /** The owner's host by its name, for people. */
  readonly host: string
  /** The same by boot and namespaces: where it is this host's, the steward is judged by its process, and not by its silence. */
  readonly where: string
  readonly steward: Leader
  /** ms of silence after which another host may take the claim. The owner's counts, whatever another host's own options say. */
  readonly ttl: number
  readonly state: ClaimState
  /** The URL that callers get, once the server is ready. */
  readonly url?: string
  /** PID of the server, on its host. */
  readonly pid?: number
  /** Grows with each launch: the version of the write that claimed. The server has it in ONE_SERVER_EPOCH. */
  readonly epoch?: number
  /** ISO 8601, for people. */
  readonly since: string
  /** Counts renewals, so that each one changes the value. */
  readonly beat: number
  readonly identity: Identity
  /** How the launch failed, for the hosts that waited for it: the body of a local outcome. */
  readonly outcome?: string
  /**
   * How the launches before it failed, until this one is ready. A host that waited for one of them may look only after another host has
   * claimed again, and would start a server that has just failed.
   */
  readonly failed?: readonly Failed[] | undefined
}

export interface Failed {
  readonly launch: string
  readonly outcome: string
}

/** The failures that a claim leaves to the next one. */
export const failuresUntil = ({ launch, outcome, failed = [] }: Claim): readonly Failed[] =>
  [...failed, ...(outcome === undefined ? [] : [{ launch, outcome }])].slice(-LEFT)

export interface Use {
  readonly format: typeof FORMAT
  /** The launch that is used. */
  readonly of: string
  readonly host: string
  readonly since: string
  /** ms of silence after which it counts no more. */
  readonly ttl: number
  readonly beat: number
}

export interface Stop {
  readonly format: typeof FORMAT
  readonly of: string
  /** The host whose user asked for it. */
  readonly host: string
}

export const keysOf = (prefix: string, name: string) => {
  const under = `${prefix}/${name}/`
  return { under, claim: `${under}claim`, users: `${under}users/`, stop: `${under}stop` }
}

export type Keys = ReturnType<typeof keysOf>

type Unformatted<T> = T extends unknown ? Omit<T, 'format'> : never

export const written = (value: Unformatted<Claim | Use | Stop>): string => JSON.stringify({ format: FORMAT, ...value })

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTtl = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 1000 && (value as number) <= 600_000
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isOptional = (check: (value: unknown) => boolean) => (value: unknown): boolean => value === undefined || check(value)

const isLeader = (value: unknown): boolean =>
  isObject(value) && isCount(value['pid']) && (value['pid'] as number) > 1 && isText(value['start']) && isCount(value['group'])

const isIdentity = (value: unknown): boolean =>
  isObject(value) && isText(value['command']) && isObject(value['env']) && Object.values(value['env']).every(isText) &&
  isOptional(isText)(value['version'])

const isLaunch = (value: unknown): boolean => isText(value) && /^[0-9a-f]{16}$/.test(value)

const isFailed = (value: unknown): boolean =>
  Array.isArray(value) && value.every((one) => isObject(one) && isLaunch(one['launch']) && typeof one['outcome'] === 'string')

/** Only these are ever connected to: who may write below the prefix sends clients where it likes, but to nothing but a server. */
const isServerUrl = (value: unknown): boolean => isText(value) && /^(https?|tcp):\/\//.test(value) && isUrl(value)

type Checks = Readonly<Record<string, (value: unknown) => boolean>>

const CLAIM: Checks = {
  launch: isLaunch, host: isText, where: isText, steward: isLeader, ttl: isTtl, since: isText, beat: isCount, identity: isIdentity,
  state: (value) => ['starting', 'ready', 'ending', 'over'].includes(value as string),
  url: isOptional(isServerUrl), pid: isOptional(isCount), epoch: isOptional(isCount),
  outcome: isOptional((value) => typeof value === 'string'),
  failed: isOptional(isFailed),
}
const USE: Checks = { of: isLaunch, host: isText, since: isText, ttl: isTtl, beat: isCount }
const STOP: Checks = { of: isLaunch, host: isText }

/** A value that another host wrote. `newer`: by a newer one-server. `foreign`: by none. */
const parse = <T>(text: string, checks: Checks): T | 'newer' | 'foreign' => {
  try {
    const value: unknown = JSON.parse(text)
    if (!isObject(value) || typeof value['format'] !== 'number') return 'foreign'
    if (value['format'] > FORMAT) return 'newer'
    return Object.entries(checks).every(([name, check]) => check(value[name])) ? (value as T) : 'foreign'
  } catch {
    return 'foreign'
  }
}

export const parseClaim = (text: string): Claim | 'newer' | 'foreign' => parse(text, CLAIM)
export const parseUse = (text: string): Use | 'newer' | 'foreign' => parse(text, USE)
export const parseStop = (text: string): Stop | 'newer' | 'foreign' => parse(text, STOP)

/** When a question was sent, and when its answer came: monotonic ms of this host. */
export interface Asked {
  readonly asked: number
  readonly received: number
}

/**
 * How long entries have been seen not to change. The time counts from the receipt of the first answer that showed a version: to count
 * from the question would shorten the wait by the time that the answer took (the model finds two servers then). It counts until the
 * sending of the last question: an answer that a frozen steward reads an hour late shows what was there an hour ago, and no silence since.
 */
export class Silence {
  readonly #seen = new Map<string, { readonly version: string; readonly since: number }>()

  /** Returns for how many ms the entry has surely shown this version. */
  of({ key, version }: Pick<Entry, 'key' | 'version'>, { asked, received }: Asked): number {
    const seen = this.#seen.get(key)
    if (seen?.version === version) return Math.max(0, asked - seen.since)
    this.#seen.set(key, { version, since: received })
    return 0
  }

  isNew({ key, version }: Pick<Entry, 'key' | 'version'>): boolean {
    return this.#seen.get(key)?.version !== version
  }

  /** Forgets all entries but these. */
  keep(entries: readonly Entry[]): void {
    const keys = new Set(entries.map(({ key }) => key))
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key)
  }
}
