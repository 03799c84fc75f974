/**
 * The public face: each method says what it returns and which errors it throws. Most calls find a server that is ready, so
 * this file imports only what such a call needs. A method that needs more loads it when it is called.
 */
import { Deadline } from './deadline.js'
import { contextOf, type Context } from './context.js'
import { unforeseen } from './errors.js'
import { singleFlight } from './protocol/single-flight.js'
import type { Lease, ServerInfo, ServerStatus } from './server-info.js'
import type { LeaseTerms, LeaseToKeep } from './protocol/lease.js'
import { pin, type Hold } from './protocol/pin.js'
import { reuseReady } from './protocol/reuse.js'
import { nodeSystem } from './node-system.js'
import type { ClientProcessManagerOptions } from './options/options.js'
import { settingsFrom, type Configured, type Settings } from './options/settings.js'
import type { System } from './system/system.js'

/** Options of one call. */
export interface CallOptions {
  /**
   * Ends the waits of the call, which then rejects with ABORTED. A health check that has begun takes its time
   * (`healthTimeout`), and a server that was started stays. @default none
   */
  signal?: AbortSignal
}

/** Options of a call of `acquire()`. */
export interface AcquireOptions extends CallOptions {
  /**
   * The process of this user in whose name the lease is: a shell, an editor or an agent, which need not know of it. The lease ends with
   * that process, and outlives this one. Not on Windows. @default this process
   */
  pid?: number
}

/** Options of a call of `stopServer()`. */
export interface StopOptions extends CallOptions {
  /** Leaves the server running while a client holds a lease. @default false */
  ifIdle?: boolean
  /**
   * Stops this launch and no other (`ServerInfo.launchId`). Two clients that restart a server at once then restart it once:
   * the launch that one of them made goes on. Present and undefined, as that of an adopted server, it stops nothing.
   * @default any launch
   */
  launchId?: string
}

/** @internal What only the command line says of a lease. */
export type OwnTerms = Pick<LeaseTerms, 'command' | 'handsOver' | 'kept'>

const ensure = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo> =>
  (await reuseReady(context, deadline, hold)) ??
  (await import('./protocol/ensure.js')).ensureRunning(await toLaunch(context), deadline, hold)

/** What is launched where several hosts share the server is a steward in its place. */
const toLaunch = async (context: Context): Promise<Context> =>
  context.settings.coordinator ? (await import('./across/as-steward.js')).withSteward(context) : context

/**
 * A client's view of the one server that its PID file names: finds the server, starts it when there is none, waits until
 * it is ready, and stops it. Any number of managers, in any number of processes, share that server.
 */
export class ClientProcessManager {
  readonly #settings: Settings
  readonly #system: System

  /**
   * @param options Which server it is and how it is started; see {@link ClientProcessManagerOptions}.
   * @throws OneServerError `INVALID_OPTION`: the message names the option, what it expects and what it got.
   */
  constructor(options?: ClientProcessManagerOptions)
  /**
   * @internal
   * @param system The machine. The simulation passes one of its own.
   */
  constructor(options?: ClientProcessManagerOptions & Configured, system?: System)
  constructor(options: ClientProcessManagerOptions & Configured = {}, system: System = nodeSystem) {
    this.#settings = settingsFrom(options)
    this.#system = system
  }

  /**
   * Returns the running server after it has passed a health check; starts it when there is none. Any number of clients may
   * call this at once: one of them starts the server, and all get the same URL. A call waits for
   * `startupTimeout` (10 s) at most, beside its time in a queue of clients that moves.
   *
   * @returns The server. `started` is true for the one call that launched it.
   * @throws OneServerError `START_TIMEOUT`, `SERVER_EXITED`, `PORT_IN_USE` or `COMMAND_NOT_FOUND` when the server could not be
   * started, `SERVER_UNHEALTHY` when it runs and does not pass its health check, `CONFIG_MISMATCH` when it is not the one that
   * this call asks for, `STOPPED` when it was stopped while this call waited, `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`,
   * `INVALID_OPTION` (from within the server itself), `ABORTED`.
   */
  async ensureServerRunning({ signal }: CallOptions = {}): Promise<ServerInfo> {
    return this.#start(signal, (context, deadline) => singleFlight(context, deadline, (own) => ensure(context, own, pin)))
  }

  /**
   * Ensures the server as {@link ensureServerRunning} does, and holds a lease on it. A server that was started for leases is
   * stopped `idleTimeout` (30 s) after its last lease has ended. A lease ends by `release()`, or with the process that holds
   * it, however that dies. Leases never stop a server that was started explicitly: by `ensureServerRunning()`,
   * `startServer()` or `one-server start`.
   *
   * A lease is on one launch. When the server dies or is stopped, the lease holds nothing, also after another start.
   *
   * @returns The lease, with the server that it is on.
   * @throws OneServerError As {@link ensureServerRunning}. `PORT_IN_USE` also for a server that one-server did not start.
   * `INVALID_OPTION` also where no lease may be in the name of `pid`.
   */
  async acquire(call?: AcquireOptions): Promise<Lease>
  /**
   * @internal
   * @param call `command` is what `status()` shows of the holder. The command line tool holds leases for other programs. `kept`: nobody
   * will release it.
   * @default the command line of this process
   */
  async acquire(call?: AcquireOptions & OwnTerms): Promise<LeaseToKeep>
  async acquire({ signal, ...terms }: AcquireOptions & OwnTerms = {}): Promise<LeaseToKeep> {
    return this.#start(signal, async (context, deadline) =>
      (await import('./protocol/lease.js')).acquireLease(context, terms, (hold) => ensure(context, deadline, hold)))
  }

  /**
   * Whether the server passes a health check, or the process that the PID file names lives. Removes a PID file that names a
   * dead process.
   *
   * @returns true when a server passes its health check, or its process lives.
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `LOCK_TIMEOUT`, `ABORTED`
   */
  async isServerRunning({ signal }: CallOptions = {}): Promise<boolean> {
    return this.#call(signal, async (context, deadline) => (await import('./protocol/status.js')).isRunning(context, deadline))
  }

  /**
   * Starts the server when there is none, and does not wait until it is ready.
   *
   * @returns The PID of the server, also when it ran already. Undefined for an adopted server whose process cannot be seen.
   * @throws OneServerError `COMMAND_NOT_FOUND`, `PORT_IN_USE`, `CONFIG_MISMATCH`, `STOPPED`, `START_TIMEOUT` (each launch that was
   * seen within `startupTimeout` was withdrawn or ended), `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`, `INVALID_OPTION`
   * (from within the server itself), `ABORTED`
   */
  async startServer({ signal }: CallOptions = {}): Promise<number | undefined> {
    return this.#start(signal, async (context, deadline) =>
      (await import('./protocol/ensure.js')).startDetached(await toLaunch(context), deadline))
  }

  /**
   * Stops the server by `stopSignal` (SIGTERM), and by SIGKILL after `stopTimeout` (5 s). Returns when all of it has exited: the
   * leader, its process group, and on Linux the descendants that left the group. An adopted server is left alone.
   *
   * @returns true when a server was running and has exited. false when there was none to stop, when a client uses it
   * (`ifIdle`), or when it is another launch (`launchId`).
   * @throws OneServerError `SERVER_UNHEALTHY` (it does not end, even by SIGKILL), `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`,
   * `INVALID_OPTION` (from within the server itself), `ABORTED` (while it waits for its turn)
   */
  async stopServer(call: StopOptions = {}): Promise<boolean> {
    const { signal, ifIdle = false, launchId } = call
    // An adopted server has no launch id, and its undefined one must not stop another server.
    if ('launchId' in call && launchId === undefined) return false
    const { coordinator, stopTimeout } = this.#settings
    return this.#call(signal, async (...args) => {
      const plan = { ifIdle, only: launchId }
      if (coordinator) return (await import('./across/stop-everywhere.js')).stopEverywhere(...args, plan)
      return (await import('./protocol/stop.js')).stop(...args, plan)
    }, stopTimeout)
  }

  /**
   * What is known about the server, and whether it passes its health check. Starts nothing, removes nothing.
   *
   * @returns `state` is `'stopped'` when nothing runs.
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `ABORTED`
   */
  async status({ signal }: CallOptions = {}): Promise<ServerStatus> {
    return this.#call(signal, async (context, deadline) => {
      deadline.check()
      return (await import('./protocol/status.js')).statusOf(context)
    })
  }

  /** A call that may start the server. Only such a call reads `envFile`: to look at a server or stop it, its variables say nothing. */
  #start<Result>(signal: AbortSignal | undefined, work: (context: Context, deadline: Deadline) => Promise<Result>): Promise<Result> {
    return this.#call(signal, async (context, deadline) => {
      deadline.check()
      const { settings } = context
      const read = settings.envFile && (await import('./options/env-file.js')).withEnvFile(settings)
      return work(read ? { ...context, settings: read } : context, deadline)
    })
  }

  /**
   * One call, which has `more` ms besides `startupTimeout`. With few descriptors or little memory any step may fail, the loading of
   * code included; nothing but a OneServerError leaves the library.
   */
  async #call<Result>(
    signal: AbortSignal | undefined, work: (context: Context, deadline: Deadline) => Promise<Result>, more = 0,
  ): Promise<Result> {
    try {
      const { startupTimeout, coordinator, ttl } = this.#settings
      const context = await contextOf(this.#settings, this.#system)
      return await work(context, new Deadline(this.#system, startupTimeout + (coordinator ? ttl : 0) + more, signal))
    } catch (error) {
      throw unforeseen(error)
    }
  }
}

