/**
 * The public face: what a client can ask for, each with its errors. Most calls find a server that is
 * ready, so only what that needs is loaded with this file, and the rest by the call that needs it.
 */
import { Deadline } from './deadline.js'
import { contextOf, type Context } from './context.js'
import { singleFlight } from './protocol/single-flight.js'
import type { Lease, ServerInfo, ServerStatus } from './server-info.js'
import { pin, type Hold } from './protocol/pin.js'
import { reuseReady } from './protocol/reuse.js'
import { nodeSystem } from './node-system.js'
import { settingsFrom, type ClientProcessManagerOptions, type Configured, type Settings } from './options.js'
import type { System } from './system/system.js'

/** Options of one call. */
export interface CallOptions {
  /** Ends the waits of the call; it then rejects with ABORTED. A single health check is not cut short (`healthTimeout`), and a server that was started stays. */
  signal?: AbortSignal
}

/** Options of a call of `stopServer()`. */
export interface StopOptions extends CallOptions {
  /** Does nothing while somebody holds a lease. @default false */
  ifIdle?: boolean
  /** The only launch that is meant: one that has taken its place meanwhile goes on, so that two who restart a server at once restart it once. Given as undefined, as of an adopted server, it means none. */
  launchId?: string
}

const ensure = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo> =>
  (await reuseReady(context, deadline, hold)) ?? (await import('./protocol/ensure.js')).ensureRunning(context, deadline, hold)

/**
 * A client's view of the one server that its PID file names: finds it, starts it when there is none,
 * waits until it is ready, and stops it. Any number of managers, in any number of processes, share it.
 */
export class ClientProcessManager {
  readonly #settings: Settings
  readonly #system: System

  /**
   * @param options What the server is and where it is found; see {@link ClientProcessManagerOptions}.
   * @throws OneServerError `INVALID_OPTION`
   */
  constructor(options?: ClientProcessManagerOptions)
  /**
   * @internal
   * @param system The machine; the simulation hands in another one.
   */
  constructor(options?: ClientProcessManagerOptions & Configured, system?: System)
  constructor(options: ClientProcessManagerOptions & Configured = {}, system: System = nodeSystem) {
    this.#settings = settingsFrom(options)
    this.#system = system
  }

  /**
   * Returns the running server, after its health check has answered; starts it when there is none.
   * Any number of clients may call it at once: one of them starts the server, all get the same URL.
   *
   * @returns The server. `started` is true for the one call that launched it.
   * @throws OneServerError `START_TIMEOUT`, `SERVER_EXITED`, `PORT_IN_USE` or `COMMAND_NOT_FOUND` when it could not be started,
   * `SERVER_UNHEALTHY` when it runs and does not answer, `CONFIG_MISMATCH` when it is not the one that this call means,
   * `STOPPED` when it was stopped while this call waited, `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`, `INVALID_OPTION` (from within the server itself), `ABORTED`.
   */
  async ensureServerRunning({ signal }: CallOptions = {}): Promise<ServerInfo> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    deadline.check()
    return singleFlight(context, deadline, (own) => ensure(context, own, pin))
  }

  /**
   * Ensures the server as {@link ensureServerRunning} does, and holds a lease on it: a server that was
   * started for leases is stopped `idleTimeout` after the last one has ended. A lease ends when it is
   * released or its process ends, however it dies. A server that somebody started explicitly, by
   * `ensureServerRunning()`, `startServer()` or on the command line, is never stopped by leases.
   *
   * A lease is on one launch: when the server dies or is stopped, it holds nothing any more.
   *
   * @throws OneServerError as {@link ensureServerRunning}; `PORT_IN_USE` for a server that one-server did not start.
   */
  async acquire(call?: CallOptions): Promise<Lease>
  /**
   * @internal
   * @param call `command` is what `status()` says that the holder is, this process's own command line unless told
   * otherwise: the command line tool holds leases for others.
   */
  async acquire(call?: CallOptions & { command?: string }): Promise<Lease>
  async acquire({ signal, command = process.argv.slice(1).join(' ') }: CallOptions & { command?: string } = {}): Promise<Lease> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    deadline.check()
    return (await import('./protocol/lease.js')).acquireLease(context, command, (hold) => ensure(context, deadline, hold))
  }

  /**
   * Whether the server is healthy, or the process that the PID file names is alive. Removes a PID file
   * that names a dead one.
   *
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `LOCK_TIMEOUT`, `ABORTED`
   */
  async isServerRunning({ signal }: CallOptions = {}): Promise<boolean> {
    const { isRunning } = await import('./protocol/status.js')
    return isRunning(this.#context(), new Deadline(this.#system, this.#settings.startupTimeout, signal))
  }

  /**
   * Starts the server when there is none, and does not wait until it is ready.
   *
   * @returns The PID of the server, also when it ran already; undefined for an adopted one that cannot be seen.
   * @throws OneServerError `COMMAND_NOT_FOUND`, `PORT_IN_USE`, `CONFIG_MISMATCH`, `STOPPED`, `START_TIMEOUT` (each launch that was seen was
   * withdrawn or ended), `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`, `INVALID_OPTION` (from within the server itself), `ABORTED`
   */
  async startServer({ signal }: CallOptions = {}): Promise<number | undefined> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    return (await import('./protocol/ensure.js')).startDetached(context, deadline)
  }

  /**
   * Stops the server and returns when it has exited: the leader, its process group, and on Linux the
   * descendants that left it. An adopted server is left alone.
   *
   * @returns true when a server was running and has exited; false when there was none to stop, with `ifIdle` somebody uses it, or with `launchId` it is another.
   * @throws OneServerError `SERVER_UNHEALTHY` (it does not end, even by SIGKILL), `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`,
   * `INVALID_OPTION` (from within the server itself), `ABORTED` (while it waits for its turn)
   */
  async stopServer(call: StopOptions = {}): Promise<boolean> {
    const { signal, ifIdle = false, launchId } = call
    // Of a server that has none it is undefined, and does not mean any other.
    if ('launchId' in call && launchId === undefined) return false
    const context = this.#context()
    const { stop } = await import('./protocol/stop.js')
    return stop(context, new Deadline(this.#system, this.#settings.startupTimeout + this.#settings.stopTimeout, signal), { ifIdle, only: launchId })
  }

  /**
   * What is known about the server. Starts nothing, removes nothing.
   *
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `ABORTED`
   */
  async status({ signal }: CallOptions = {}): Promise<ServerStatus> {
    new Deadline(this.#system, 0, signal).check()
    return (await import('./protocol/status.js')).statusOf(this.#context())
  }

  #context(): Context {
    return contextOf(this.#settings, this.#system)
  }
}

