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
  /** The file that its stdout and stderr go to. Where `host` is another host, its own steward's. */
  readonly logFile: string
  /** With a `coordinator`: the host that runs the server, by its name. `pid` and `address` are those there. */
  readonly host?: string
  /** With a `coordinator`: a number that grows with each launch over all hosts. The server has it in ONE_SERVER_EPOCH. */
  readonly epoch?: number
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

/** A host that uses a server which another one runs. */
export interface HostStatus {
  readonly host: string
  /** When it began to. Undefined where it does not say so in a way that can be read. */
  readonly since: Date | undefined
}

/** What a status says besides with a `coordinator`. Without one, none of it is there. */
export interface AcrossStatus {
  /** The host that runs the server, by its name. */
  readonly host?: string | undefined
  /** As in {@link ServerInfo}. */
  readonly epoch?: number | undefined
  /** The engine in words: `etcd at etcd-1:2379`. */
  readonly coordinator?: string | undefined
  /** Of this host. Undefined until it is known. */
  readonly role?: 'owner' | 'follower' | undefined
  /** On the host that runs it: the other hosts that use it. */
  readonly users?: readonly HostStatus[] | undefined
  /** ms since the host that runs it was last heard of in the coordinator. */
  readonly silentFor?: number | undefined
  /** What is amiss between the hosts or with the coordinator. */
  readonly trouble?: string | undefined
}

interface Files {
  /** The PID file that names the server. */
  readonly pidFile: string
  /** The file that its stdout and stderr go to. */
  readonly logFile: string
}

/** Nothing runs. */
export interface StoppedStatus extends Files {
  readonly state: 'stopped'
}

/** What a server that one-server started says of itself. */
interface LaunchStatus extends Files, AcrossStatus {
  readonly adopted: false
  readonly pid: number
  readonly port: number
  /** When it was launched. */
  readonly since: Date
  readonly launchId: string
  /** Whether it is the bundled session server, which runs when no server is named. */
  readonly bundled: boolean
  /** The `version` that the launching client asked for, if it asked for one. */
  readonly version: string | undefined
  /** PID of the client that launched it. */
  readonly launcher: number
  /** The clients that use it. */
  readonly leases: readonly LeaseStatus[]
  /** It was started explicitly, so leases do not decide when it ends. */
  readonly pinned: boolean
  /** When it will be stopped if no client takes a lease. Undefined while a client has one, or it is pinned. */
  readonly stopsAt: Date | undefined
  /** The process that was launched has gone, and others that it started serve on. `pid` is then one of these. */
  readonly isHeadless: boolean
}

/** It runs and has not been ready yet. */
export interface StartingStatus extends LaunchStatus {
  readonly state: 'starting'
}

/** It passes its health check. */
export interface ReadyStatus extends LaunchStatus {
  readonly state: 'ready'
  readonly url: string
  /** The literal address at which it answered, as in {@link ServerInfo}. */
  readonly address: string
}

/** It passes its health check, and one-server did not start it. */
export interface AdoptedStatus extends Files {
  readonly state: 'ready'
  readonly adopted: true
  /** Undefined where its process cannot be seen. */
  readonly pid: number | undefined
  readonly url: string
  readonly address: string
  readonly port: number
}

type Seen = Pick<LaunchStatus, 'adopted' | 'pid' | 'bundled' | 'version' | 'leases' | 'pinned' | 'stopsAt' | 'isHeadless'>

/**
 * It was ready, runs and does not pass its health check; or it is being ended and has not exited yet; or a process lives of which only
 * a PID file tells. What its record does not say, or what no longer applies, is undefined.
 */
export interface UnhealthyStatus extends Files, Seen, AcrossStatus {
  readonly state: 'unhealthy'
  readonly url: string | undefined
  readonly address: string | undefined
  readonly port: number | undefined
  readonly since: Date | undefined
  readonly launchId: string | undefined
  readonly launcher: number | undefined
  /** A client has begun to end it, and it has not exited yet. */
  readonly isEnding: boolean
}

/** What `status()` returns: `state` says which fields a status has, and `adopted` says it of a ready server. */
export type ServerStatus = StoppedStatus | StartingStatus | ReadyStatus | AdoptedStatus | UnhealthyStatus

/** Each field of any of these. */
type Field = ServerStatus extends infer Each ? (Each extends unknown ? keyof Each : never) : never
type ValueOf<Each, Name extends Field> = Each extends unknown ? (Name extends keyof Each ? Each[Name] : never) : never

/** @internal The same for code that shows whatever there is. */
export type AnyStatus =
  { readonly [Name in Field]?: ValueOf<ServerStatus, Name> | undefined } & Pick<ServerStatus, 'state' | 'pidFile' | 'logFile'>
