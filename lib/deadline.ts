/**
 * One deadline for a whole call. Each nested step gets what is left of it, so that no step outlives the call, and an
 * AbortSignal ends each wait. Time in a queue that moves does not count, and calls that share an attempt wait for as long as the
 * most patient of them. A clock that somebody sets, or a laptop that sleeps, must not end a call early: time is the
 * monotonic clock of the boot.
 */
import { aborted } from './errors.js'

export interface Clock {
  /** Monotonic ms of this boot, comparable between the processes of one host. */
  now(): number
}

/** What of a call decides which failures of others are its own. */
export type Span = Pick<Deadline, 'began' | 'at' | 'total'>

/** ms by which one client must be more patient than another before that makes a difference: a crowd never begins at one instant. */
export const MARGIN = 1000

export class Deadline {
  /** Monotonic time at which the call is over, in ms. */
  at: number
  /** Monotonic time at which the call began, in ms. */
  readonly began: number
  /** ms that the caller granted: its `startupTimeout`, whatever did not count. */
  total: number
  /** ms that did not count. */
  credit = 0
  readonly signal: AbortSignal | undefined
  readonly #clock: Clock
  #longer: { readonly promise: Promise<void>; resolve(): void } | undefined

  constructor(clock: Clock, ms: number, signal?: AbortSignal, total = ms) {
    this.#clock = clock
    this.began = clock.now()
    this.at = this.began + ms
    this.total = Math.round(total)
    this.signal = signal
  }

  /** Adds time that does not count: a queue has moved. */
  prolong(ms: number): void {
    this.at += ms
    this.credit += ms
  }

  /** Waits for as long as another caller does, where that is longer. */
  join({ at, total }: Deadline): void {
    if (at <= this.at) return
    this.at = at
    this.total = total
    this.#longer?.resolve()
    this.#longer = undefined
  }

  /** Resolves when another caller has joined that waits for longer. */
  get longer(): Promise<void> {
    if (this.#longer === undefined) {
      let resolve!: () => void
      const promise = new Promise<void>((done) => { resolve = done })
      this.#longer = { promise, resolve }
    }
    return this.#longer.promise
  }

  /** ms left, never negative. */
  get left(): number {
    return Math.max(0, this.at - this.#clock.now())
  }

  get passed(): boolean {
    return this.left === 0
  }

  /** Throws ABORTED once the caller's signal has fired. */
  check(): void {
    if (this.signal?.aborted) throw aborted(this.signal.reason)
  }
}
