/**
 * One deadline for a whole call. Each nested step gets what is left of it, so that no step outlives the call, and an
 * AbortSignal ends each wait. A clock that somebody sets, or a laptop that sleeps, must not end a call early: time is the
 * monotonic clock of the boot.
 */
import { aborted } from './errors.js'

export interface Clock {
  /** Monotonic ms of this boot, comparable between the processes of one host. */
  now(): number
}

export class Deadline {
  /** Monotonic time at which the call is over, in ms. */
  readonly at: number
  /** Monotonic time at which the call began, in ms. */
  readonly began: number
  readonly signal: AbortSignal | undefined
  readonly #clock: Clock

  constructor(clock: Clock, ms: number, signal?: AbortSignal) {
    this.#clock = clock
    this.began = clock.now()
    this.at = this.began + ms
    this.signal = signal
  }

  /** ms left, never negative. */
  get left(): number {
    return Math.max(0, this.at - this.#clock.now())
  }

  get passed(): boolean {
    return this.left === 0
  }

  /** ms that the call has from its beginning to its end. */
  get total(): number {
    return Math.round(this.at - this.began)
  }

  /** Throws ABORTED once the caller's signal has fired. */
  check(): void {
    if (this.signal?.aborted) throw aborted(this.signal.reason)
  }
}
