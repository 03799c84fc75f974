/**
 * The one seam between a steward and its machine: processes, sockets, clocks, and the local protocol, of which a steward is the leader.
 * The stewards of a simulation have another one behind it.
 */
import type { OneServerError } from '../errors.js'
import type { Claim } from './claim.js'
import type { Instant } from './term.js'
import type { Leader } from '../system/system.js'

/** Where callers reach the server. */
export interface At {
  readonly url: string
  readonly host: string
  readonly epoch: number
  /** On its host. */
  readonly pid: number
  /** It runs on this host. */
  readonly isOwn: boolean
}

/** The server that this steward has started. */
export interface Running {
  readonly pid: number
  /** Resolves when it has passed its health check, and with the reason when it has not within `startupTimeout`. */
  readonly ready: Promise<OneServerError | undefined>
  /** Resolves when no process of it lives, with the error that callers get. */
  readonly gone: Promise<OneServerError>
  /**
   * Opens the door to it, which passes bytes only while `serves` says so, and returns the URL that callers get. Rejects with what callers
   * get instead.
   */
  open(serves: () => boolean): Promise<string>
  /** Shuts the door. */
  shut(): void
  /**
   * Asks all of it to stop, kills what is left after `stopTimeout`, and returns when all of it is seen to be dead. It kills before
   * `within()` is 0, too, which says how many ms are left until the fuse burns: more again after each renewal.
   */
  stop(within: () => number): Promise<void>
}

/** A written wish to end this host's launch because nobody uses it. */
export interface Intention {
  /** Makes it final. False: a client of this host has come, and removed it. */
  carryOut(): Promise<boolean>
  takeBack(): Promise<void>
}

export interface Local {
  /** This host by its name, for people. */
  readonly host: string
  /** The same by boot and namespaces. */
  readonly where: string
  /** This process. */
  readonly self: Leader
  /** The launch of which this process is the leader. */
  readonly launch: string
  instant(): Instant
  today(): Date
  /** Resolves after `ms`, or as soon as `wake` settles. */
  sleep(ms: number, wake?: Promise<unknown>): Promise<void>
  /** Whether a steward of this very boot and namespaces is dead, with all of its launch. Nothing else is judged: unknown is not dead. */
  isDead(claim: Claim): Promise<boolean>

  /** Resolves when this process is asked to end: by a stop of this host, or since no client of this host uses it. */
  readonly asked: Promise<void>
  /** The reason as it is marked: STOPPED of an explicit stop, START_TIMEOUT of a launch past its deadline. Undefined: none is marked. */
  whyAsked(): Promise<OneServerError | undefined>

  /** Arms the fuse for a renewal that was sent at `sent`. Resolves when the fuse has said so. */
  arm(sent: Instant, burnsAfter: number): Promise<void>
  /** Resolves when there is no fuse any more. */
  readonly unguarded: Promise<void>
  /** Starts the server in the process group of this process. Rejects with what callers get. */
  start(epoch: number): Promise<Running>

  /** Tells the clients of this host where the server is; undefined: nowhere. */
  tell(at: At | undefined): void
  /** Tells the clients of this host that wait how the launch failed. */
  fail(error: OneServerError): Promise<void>
  /** Whether the clients of this host got an answer of the server at their last checks; undefined where none has asked. */
  isAnswering(): Promise<boolean | undefined>
  /** Whether the server answers at this URL: undefined where it does, or why not. */
  check(url: string): Promise<string | undefined>

  /** Holds this host's launch, so that no client of this host ends it as idle. */
  hold(): Promise<void>
  /** Whether a client of this host uses the server or waits for it: a pin, a lease or a watchdog beside the hold of this process. */
  isUsed(): Promise<boolean>
  intend(): Promise<Intention>

  /** A line in the log. */
  note(line: string): void
}
