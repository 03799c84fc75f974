/**
 * What callers get to know about a server. A copy could be out of date, so none is kept: each answer is made from the
 * claim and its marks when it is asked for.
 */

/** The running server, as `ensureServerRunning()` returns it. */
export interface ServerInfo {
  /**
   * Base URL, the same for every client, without a trailing slash: `http://localhost:3000`. Where a stranger listens on the
   * other address of `localhost`, or the name does not lead to the server, the address: `http://127.0.0.1:3000`.
   * With `ready`: `tcp://localhost:5432`, or `socket:/run/x.sock`.
   */
  readonly url: string
  /** The literal address at which the server answered, as a URL like `url`: `http://127.0.0.1:3000`. */
  readonly address: string
  /** The port that the server was given, or on which it was adopted. */
  readonly port: number
  /** PID of the server. Undefined only for an adopted server whose process cannot be seen. */
  readonly pid: number | undefined
  /** True for the one call that launched it. */
  readonly started: boolean
  /** True when one-server did not start it. Such a server is used, and one-server never stops it. */
  readonly adopted: boolean
  /** Id of the launch, 16 hex digits. Undefined for an adopted server. */
  readonly launchId: string | undefined
  /** The PID file that names it. */
  readonly pidFile: string
  /** The file that its stdout and stderr go to. */
  readonly logFile: string
}

/** The use of a server by one client. It ends by `release()`, or with the process that holds it, however that dies. */
export interface Lease extends AsyncDisposable {
  readonly server: ServerInfo
  /** Ends the lease. The server is stopped `idleTimeout` later if no other client uses it. A second call does nothing. */
  release(): Promise<void>
}

/** A client that uses the server. */
export interface LeaseStatus {
  readonly pid: number
  /** Its command line. Undefined, like `since`, when the lease says nothing readable. */
  readonly command: string | undefined
  /** When it took the lease. */
  readonly since: Date | undefined
}

/** What `status()` returns. A field that does not apply or cannot be known is undefined. */
export interface ServerStatus {
  /**
   * `stopped`: nothing runs. `starting`: it runs and has not been ready yet. `ready`: it passes its health check.
   * `unhealthy`: it was ready, runs and does not pass, or it is being ended and has not exited yet.
   */
  readonly state: 'stopped' | 'starting' | 'ready' | 'unhealthy'
  readonly pid: number | undefined
  readonly url: string | undefined
  /** The literal address at which it answered, as in {@link ServerInfo}. */
  readonly address: string | undefined
  readonly port: number | undefined
  /** When it was launched. */
  readonly since: Date | undefined
  readonly adopted: boolean
  readonly launchId: string | undefined
  /** Whether it is the bundled session server, which runs when no server is named. */
  readonly bundled: boolean
  /** The `version` that the launching client asked for. */
  readonly version: string | undefined
  /** PID of the client that launched it. */
  readonly launcher: number | undefined
  /** The clients that use it. */
  readonly leases: readonly LeaseStatus[]
  /** It was started explicitly, so leases do not decide when it ends. */
  readonly pinned: boolean
  /** When it will be stopped if no client takes a lease. Undefined while a client has one, or it is pinned. */
  readonly stopsAt: Date | undefined
  /** A client has begun to end it, and it has not exited yet. */
  readonly isEnding: boolean
  /** The process that was launched has gone, and others that it started serve on. `pid` is then one of these. */
  readonly isHeadless: boolean
  readonly pidFile: string
  readonly logFile: string
}
