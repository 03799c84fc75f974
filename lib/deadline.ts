/**
 * One deadline for a whole call. Nested steps get what is left of it, so that no step outlives the
 * call, and an AbortSignal ends every wait. Time is the monotonic clock of the boot: a clock that is
 * set or a laptop that sleeps must not count.
 */
import { aborted } from './errors.js'

export interface Clock {
  /** Monotonic ms of this boot, comparable between the processes of one host. */
  now(): number
}

export class Deadline {
  /** The monotonic time at which the call is over, in ms. */
  readonly at: number
  /** When the call began, in ms. */
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

  /** ms that the call was given. */
  get total(): number {
    return Math.round(this.at - this.began)
  }

  /** Throws ABORTED when the caller has asked for it. */
  check(): void {
    if (this.signal?.aborted) throw aborted(this.signal.reason)
  }
}
