/**
 * The term of an owner: for how long after its last confirmed renewal it may let its server be reached. Nobody tells an owner that is
 * frozen or cut off that another host has taken over, so it must stop by itself before another host may begin.
 *
 * Shares of `ttl`: the owner renews each 0.2; its door passes bytes until 0.6; its fuse burns at 0.8; others take the claim at 1.0. So
 * the clocks of two hosts may run at rates that differ by a tenth, and a tenth is left for SIGKILL to be carried out. The model in
 * test/models/term.mjs goes through every order of steps.
 */

/** Instants of both clocks. The monotonic clock of a host that is suspended stands still; the wall clock can be set. The longer counts. */
export interface Instant {
  readonly monotonic: number
  readonly wall: number
}

export const SHARE = { renew: 0.2, request: 0.1, arm: 0.1, serve: 0.6, burn: 0.8 } as const

/**
 * ms after which a renewal that brought no answer is sent again. To wait for the next one would lose the term in an election of the
 * engine.
 */
export const AGAIN = 200

export class Term {
  readonly ttl: number
  readonly #instant: () => Instant
  #renewed: Instant | undefined

  constructor(ttl: number, instant: () => Instant) {
    this.ttl = ttl
    this.#instant = instant
  }

  /**
   * The engine has confirmed a write, and the fuse is armed for it. `sent`: the instant before the write was sent. To count from the
   * answer would lengthen the term by the time that the answer took (the model finds two servers then).
   */
  extend(sent: Instant): void {
    if (this.#renewed === undefined || sent.monotonic > this.#renewed.monotonic) this.#renewed = sent
  }

  /** ms since the sending of the last confirmed renewal; infinite before the first. */
  get age(): number {
    if (this.#renewed === undefined) return Number.POSITIVE_INFINITY
    const { monotonic, wall } = this.#instant()
    return Math.max(monotonic - this.#renewed.monotonic, wall - this.#renewed.wall)
  }

  /** Whether the server may be reached now. */
  get serves(): boolean {
    return this.age < SHARE.serve * this.ttl
  }

  /** ms until the server may be reached no more; 0 where it may not be. */
  get left(): number {
    return Math.max(0, SHARE.serve * this.ttl - this.age)
  }

  /** ms until the fuse burns. */
  get untilBurnt(): number {
    return Math.max(0, SHARE.burn * this.ttl - this.age)
  }
}
