/**
 * What a steward knows of the server that hosts share, for people: the clients of its host ask it at `/status` of its loopback address, so
 * that no client ever asks the engine. It is what the steward's own requests bring along; nothing is asked for it, and nothing is decided
 * by it. The words name hosts, addresses and keys, and no password.
 */
import { formatDuration } from '../text/duration.js'
import type { Told, UsingHost } from './ask.js'
import { parseClaim, parseUse, Silence, type Claim, type Keys } from './claim.js'
import type { Coordinator, Entry } from './coordinator.js'
import { doesNot } from './errors.js'

/** ms by which a renewal may be late that nobody needs to hear of. */
const LATE = 1000

export class Knowledge {
  readonly #engine: string
  readonly #keys: Keys
  readonly #launch: string
  readonly #now: () => number
  readonly #silence = new Silence()
  #claim: Claim | undefined
  /** Monotonic ms at which the owner was last heard of. */
  #heard = 0
  #users: readonly UsingHost[] | undefined
  /** Monotonic ms at which an owner last asked for them, which it does after each renewal. */
  #looked: number | undefined
  #trouble: { readonly reason: string; readonly since: number } | undefined
  #unanswered: string | undefined
  #awaited: string | undefined

  /** `launch`: that of this host. `now`: monotonic ms. */
  constructor(engine: string, keys: Keys, launch: string, now: () => number) {
    this.#engine = engine
    this.#keys = keys
    this.#launch = launch
    this.#now = now
  }

  /** The engine, whose answers are noted on the way. */
  watching(engine: Coordinator): Coordinator {
    const noted = async <T>(asked: Promise<T>): Promise<T> => {
      try {
        const answer = await asked
        this.#trouble = undefined
        return answer
      } catch (error) {
        this.#trouble = { reason: (error as Error).message, since: this.#trouble?.since ?? this.#now() }
        throw error
      }
    }
    return {
      ...engine,
      read: async (key) => {
        const entry = await noted(engine.read(key))
        if (key === this.#keys.claim) this.#sawClaim(entry)
        return entry
      },
      list: async (under) => {
        const asked = this.#now()
        const entries = await noted(engine.list(under))
        if (under === this.#keys.under) {
          this.#looked = asked
          this.#sawClaim(entries.find(({ key }) => key === this.#keys.claim))
          this.#sawUsers(entries.filter(({ key }) => key.startsWith(this.#keys.users)))
        }
        return entries
      },
      write: async (key, value, expected) => {
        const sent = this.#now()
        const version = await noted(engine.write(key, value, expected))
        if (version !== undefined && key === this.#keys.claim) {
          const claim = parseClaim(value)
          if (typeof claim === 'object') [this.#claim, this.#heard] = [claim, sent]
        }
        return version
      },
      remove: (key, expected) => noted(engine.remove(key, expected)),
    }
  }

  /** Whether the server answered at the last check, and why not. */
  checked(unanswered: string | undefined): void {
    this.#unanswered = unanswered
  }

  /** What a server of this host that boots is waited for by, and why it is not ready. */
  awaits(why: string | undefined): void {
    this.#awaited = why
  }

  #sawClaim(entry: Entry | undefined): void {
    const now = this.#now()
    const claim = entry && parseClaim(entry.value)
    this.#claim = typeof claim === 'object' ? claim : undefined
    // Of its own claim an owner counts from the sending of its writes.
    if (entry === undefined || this.#claim?.launch === this.#launch) return
    this.#heard = now - this.#silence.of(entry, { asked: now, received: now })
  }

  #sawUsers(entries: readonly Entry[]): void {
    const now = this.#now()
    this.#users = entries.flatMap((entry): UsingHost[] => {
      const use = parseUse(entry.value)
      if (use === 'newer') return [{ host: 'a host with a newer one-server' }]
      const silent = this.#silence.of(entry, { asked: now, received: now })
      const counts = use !== 'foreign' && use.of === this.#claim?.launch && silent < use.ttl
      return counts ? [{ host: use.host, since: use.since }] : []
    })
  }

  get #role(): 'owner' | 'follower' | undefined {
    if (this.#claim === undefined || this.#claim.state === 'over') return undefined
    return this.#claim.launch === this.#launch ? 'owner' : 'follower'
  }

  told(jumped: number): Told {
    const role = this.#role
    const { host, state, url, epoch, pid, ttl } = this.#claim ?? {}
    // What an owner says of its users is as old as its last look at them.
    const heard = role === 'owner' ? Math.min(this.#looked ?? this.#heard, this.#heard) : this.#heard
    return {
      ...(role === undefined ? {} : { role, host, state, url, epoch, pid, ttl, silentFor: Math.round(this.#now() - heard) }),
      users: role === 'owner' ? (this.#users ?? []) : undefined,
      engine: this.#engine, under: this.#keys.under, jumped: Math.round(jumped), trouble: this.#inTrouble(), why: this.why(),
    }
  }

  #inTrouble(): string | undefined {
    if (this.#trouble === undefined) return undefined
    const { reason, since } = this.#trouble
    return `${this.#engine} has not answered for ${formatDuration(this.#now() - since)}: ${reason}`
  }

  /** Why this steward points to no server, as far as something is amiss. */
  why(): string | undefined {
    const { host, url, ttl = 0 } = this.#claim ?? {}
    const isElsewhere = this.#role === 'follower'
    const silent = this.#now() - this.#heard
    const trouble = this.#inTrouble()
    const parts: string[] = []
    if (this.#unanswered !== undefined && url !== undefined) {
      parts.push(`the server${isElsewhere ? ` on ${host}` : ''} ${doesNot(this.#unanswered)} this host at ${url}: ${this.#unanswered}`)
    }
    if (this.#role === 'owner' && url === undefined && this.#awaited !== undefined) parts.push(this.#awaited)
    if (trouble !== undefined) parts.push(trouble)
    else if (isElsewhere && silent > ttl / 2 + LATE) {
      const [soFar, all] = [formatDuration(silent), formatDuration(ttl)]
      parts.push(`${host} has not been heard of for ${soFar}, and after ${all} another host may start the server`)
    } else if (isElsewhere && url === undefined) parts.push(`${host} starts the server, which is not ready yet`)
    return parts.length === 0 ? undefined : parts.join('; ')
  }
}
