/**
 * The claim of this host: each write of it is a compare-and-swap on the version that this steward wrote last, so a write that arrives
 * late, twice or after another host has taken over changes nothing. A renewal extends the term only when the engine has confirmed it
 * *and* the fuse is armed for it: each of the two watches the other.
 *
 * A steward that dies or sleeps right before a renewal lets the term run on to its end; right after, others see a change, which only makes
 * them wait longer. A renewal that was sent before a sleep extends the term from its sending, which may be over.
 *
 * Two renewals at once would use one version twice, and one of them would find the claim lost: so all are sent by the one loop of own.ts.
 */
import { parseClaim, written, type Claim } from './claim.js'
import { Refused, Unreachable } from './coordinator.js'
import type { Place } from './place.js'
import { AGAIN, SHARE, Term, type Instant } from './term.js'

/** `renewed`: confirmed, and the term extended. `unsure`: nothing is known; ask again soon. `lost`: another host has it, or it is gone. */
export type Renewal = 'renewed' | 'unsure' | 'lost'

export class HeldClaim {
  readonly term: Term
  readonly #place: Place
  #claim: Claim
  #version: string
  #planned: Partial<Claim> = {}
  #isEnding = false
  /** Why the last renewal brought nothing, in words. */
  trouble: string | undefined
  /** Another host has it, or it is gone: nothing is written any more. */
  isLost = false

  constructor(place: Place, claim: Claim, version: string) {
    this.#place = place
    this.#claim = claim
    this.#version = version
    this.term = new Term(claim.ttl, () => place.local.instant())
  }

  get claim(): Claim {
    return this.#claim
  }

  /** The engine has confirmed a write that was sent at `sent`. */
  async confirm(sent: Instant): Promise<boolean> {
    const { local } = this.#place
    const { ttl } = this.term
    const isArmed = await Promise.race([
      local.arm(sent, SHARE.burn * ttl).then(() => true, () => false),
      local.sleep(SHARE.arm * ttl).then(() => false),
    ])
    if (isArmed) this.term.extend(sent)
    else this.trouble = 'the fuse does not answer'
    return isArmed
  }

  /** What the next renewals are to say. */
  plan(change: Partial<Claim>): void {
    this.#planned = { ...this.#planned, ...change }
  }

  /** The server ends: from now on each renewal says so, whatever else is planned. */
  end(): void {
    this.#isEnding = true
  }

  async renew(): Promise<Renewal> {
    const { engine, local, keys } = this.#place
    if (this.isLost) return 'lost'
    const next = { ...this.#claim, ...this.#planned, ...(this.#isEnding ? { state: 'ending' as const } : {}), beat: this.#claim.beat + 1 }
    const sent = local.instant()
    try {
      const version = await engine.write(keys.claim, written(next), this.#version)
      if (version === undefined) return await this.#isMine()
      this.#version = version
      this.#claim = next
    } catch (error) {
      return this.#unsure(error)
    }
    this.trouble = undefined
    return (await this.confirm(sent)) ? 'renewed' : 'unsure'
  }

  /**
   * An earlier write of ours may have been carried out without an answer. Its version is ours then, and nothing is extended. One that is
   * over was buried by another host, after a silence of `ttl`, or was given back.
   */
  async #isMine(): Promise<Renewal> {
    const { engine, keys } = this.#place
    try {
      const entry = await engine.read(keys.claim)
      const claim = entry === undefined ? undefined : parseClaim(entry.value)
      if (entry === undefined || typeof claim !== 'object' || claim.launch !== this.#claim.launch || claim.state === 'over') {
        this.isLost = true
        return 'lost'
      }
      this.#version = entry.version
      this.#claim = { ...this.#claim, beat: Math.max(this.#claim.beat, claim.beat) }
      return 'unsure'
    } catch (error) {
      return this.#unsure(error)
    }
  }

  #unsure(error: unknown): Renewal {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error
    this.trouble = error.message
    return 'unsure'
  }

  /**
   * Gives the claim back, once the server was seen dead. Where the engine gives no answer within some tries, other hosts wait for the rest
   * of `ttl`.
   */
  async giveBack(outcome: string | undefined, tries = 5): Promise<void> {
    if (this.isLost) return
    for (let left = tries; left > 0; left--) {
      const next = { ...this.#claim, state: 'over' as const, beat: this.#claim.beat + 1, ...(outcome === undefined ? {} : { outcome }) }
      if ((await this.#write(next)) !== 'unsure') return
      await this.#place.local.sleep(AGAIN)
    }
  }

  async #write(next: Claim): Promise<Renewal> {
    const { engine, keys } = this.#place
    try {
      return (await engine.write(keys.claim, written(next), this.#version)) === undefined ? await this.#isMine() : 'renewed'
    } catch (error) {
      return this.#unsure(error)
    }
  }
}
