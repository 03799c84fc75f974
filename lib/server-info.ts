/**
 * What callers are told about a server. Both shapes are derived from a claim and its marks each time
 * they are asked for; nothing is kept.
 */

/** The running server, as `ensureServerRunning()` returns it. */
export interface ServerInfo {
  /** Base URL, the same for every client, without a trailing slash: `http://127.0.0.1:3000`. */
  readonly url: string
  readonly port: number
  /** PID of the server. Undefined only for an adopted server whose process cannot be seen. */
  readonly pid: number | undefined
  /** True for the one client that launched it with this call. */
  readonly started: boolean
  /** True when one-server did not start it: somebody ran it by hand. It is used, and never stopped by us. */
  readonly adopted: boolean
  /** Id of the launch. Undefined for an adopted server. */
  readonly launchId: string | undefined
  /** The PID file that names it. */
  readonly pidFile: string
  /** Where its output goes. */
  readonly logFile: string
}

/** The use of a server by one client. It ends by `release()`, or with the process that holds it. */
export interface Lease extends AsyncDisposable {
  readonly server: ServerInfo
  /** Ends the lease. The server is stopped `idleTimeout` later if nobody else uses it. Calling it again does nothing. */
  release(): Promise<void>
}

/** A client that uses the server. */
export interface LeaseStatus {
  readonly pid: number
  /** What it runs. */
  readonly command: string | undefined
  readonly since: Date | undefined
}

/** What `status()` returns. It never starts anything. */
export interface ServerStatus {
  /**
   * `stopped`: nothing runs. `starting`: it runs and has not been ready yet. `ready`: the health check
   * answers. `unhealthy`: it was ready, runs, and does not answer, or it is being ended and has not exited yet.
   */
  readonly state: 'stopped' | 'starting' | 'ready' | 'unhealthy'
  readonly pid: number | undefined
  readonly url: string | undefined
  readonly port: number | undefined
  /** When it was launched. */
  readonly since: Date | undefined
  readonly adopted: boolean
  readonly launchId: string | undefined
  /** Whether it is the bundled session server. */
  readonly bundled: boolean
  /** What its client said that its version is. */
  readonly version: string | undefined
  /** The client that launched it. */
  readonly launcher: number | undefined
  /** Who uses it. */
  readonly leases: readonly LeaseStatus[]
  /** It was started explicitly, so that no lease decides when it ends. */
  readonly pinned: boolean
  /** When it will be stopped if nobody comes; undefined while somebody uses it, or it is pinned. */
  readonly stopsAt: Date | undefined
  /** Somebody has begun to end it, and it has not exited yet. */
  readonly isEnding: boolean
  readonly pidFile: string
  readonly logFile: string
}
