/**
 * The options that a caller may give: the public interface, and nothing that runs. Programs compile against it, so
 * each option says here what it does, in which unit, and what holds without it.
 */
import type { OneServerEvent } from '../events.js'

/** A duration: a number of milliseconds, or a string such as `'500ms'`, `'30s'`, `'2m'`, `'1h'`. */
export type Duration = number | string

/** An engine and how it is reached, as `etcd()` of `one-server/etcd` describes it. A plain object: it opens nothing. */
export interface Coordination {
  readonly engine: 'etcd'
  /** Each `host` is a name or an address, an IPv6 one without brackets. */
  readonly endpoints: readonly { readonly host: string; readonly port: number }[]
  /** Whether connections are TLS. */
  readonly secure: boolean
  /** The keys of one-server begin with it and a slash. */
  readonly prefix: string
  readonly user?: string
  readonly password?: string
  /** PEM: what the server's certificate must be signed by, in place of Node's own authorities. */
  readonly ca?: string
  /** PEM: the certificate that this client shows, with `key`. */
  readonly cert?: string
  readonly key?: string
}

/** Options of {@link ClientProcessManager}. Each has a default: with none, the bundled session server on port 3000 is shared. */
export interface ClientProcessManagerOptions {
  /**
   * The PID file. It names the server: all clients with the same PID file share one server.
   * @default `~/.omega-session-server.pid` (HOME, else USERPROFILE, else the home in the user database)
   */
  pidFile?: string
  /** A name instead of `pidFile`: the PID file is then `<state folder>/<name>.pid`. Letters, digits, `.`, `_`, `-`. */
  name?: string
  /**
   * A script for this Node. Where a `.js` is missing, the same name in `.ts` takes its place; `tsx`, looked up from
   * the script, runs a `.ts`.
   * @default the bundled session server
   */
  serverScript?: string
  /**
   * Any other server: `[program, ...args]`, run without a shell. `{port}` and `{host}` are filled in.
   * It needs `name` or `pidFile`, and excludes `serverScript`.
   */
  command?: readonly string[]
  /** Working directory of the server. @default the client's */
  cwd?: string
  /** Environment variables for the server, merged over what it inherits. `{port}` and `{host}` are filled in; `undefined` removes one. */
  env?: Readonly<Record<string, string | undefined>>
  /**
   * A file of `NAME=VALUE` lines, as Node's `--env-file` reads it, or a list of such, of which later ones come before earlier ones.
   * `env` comes before them.
   */
  envFile?: string | readonly string[]
  /**
   * What the server inherits of the launching client's environment: all of it, or the listed names.
   * The server keeps the environment of the client that launched it, for all clients.
   * @default true
   */
  inheritEnv?: boolean | readonly string[]
  /**
   * The port that the server shall listen on (`PORT`, `{port}`): a number, a list whose first free port is
   * taken, or `'auto'` (or 0) for any free one. A running server keeps its own port.
   * @default 3000; with `ready` the port that it names, or `'auto'` where it names none
   */
  port?: number | readonly number[] | 'auto'
  /**
   * The host that the server shall listen on, and at which clients reach it. For `localhost` both 127.0.0.1 and [::1] are
   * tried, and callers get `localhost`; beside a stranger on the other of the two they get the address that answered.
   * @default 'localhost'
   */
  host?: string
  /** Path of the health check. 2xx on GET is healthy; redirects are not followed. @default '/api/health' */
  healthPath?: string
  /** Whole URL of the health check, http or https, instead of `host` and `healthPath`. `{port}` is filled in. */
  healthUrl?: string
  /**
   * The statuses of a healthy answer: `401`, `'200-399'`, `[200, '400-404']`, for a server that answers so when it is well. Unless
   * `healthMatch` says what the body holds, no client then uses a server that somebody ran by hand.
   * @default '200-299'
   */
  healthStatus?: number | string | readonly (number | string)[]
  /** Headers of the health check. The PID file (mode 0600) keeps them, since every client sends them. */
  healthHeaders?: Readonly<Record<string, string>>
  /**
   * What the body of a healthy answer must hold: a text, or what a regular expression matches. Give it where nothing shows
   * that the server which answers is the right one: it gives no launch id (header `x-one-server-launch`, or `launchId`
   * in a JSON answer), and the system does not show the owner of its socket.
   */
  healthMatch?: string | RegExp
  /** Whether clients use a healthy server that somebody ran by hand, so that no record of it exists. False: PORT_IN_USE. @default true */
  reuseExisting?: boolean
  /**
   * Readiness other than HTTP, in wait-on's words: `'tcp:5432'`, `'tcp:{port}'`, `'socket:/run/x.sock'`, `'http-get://…'` (as
   * `healthUrl`); `{ log: /ready to accept/ }`, a line of the server's output (`^` and `$` are its ends); or
   * `{ command: ['pg_isready', '-p', '{port}'] }`, a program that exits with 0 within `healthTimeout`, run without a shell in the
   * server's folder and environment, and only by calls that start servers and name the same command. No client then uses
   * a server that somebody ran by hand. With `log` and `command` the URL is `tcp://localhost:…`, or `http:` where `healthPath` is given.
   */
  ready?: string | { readonly log: string | RegExp } | { readonly command: readonly string[] }
  /** The version of the server that this client wants, compared by Semantic Versioning. */
  version?: string
  /**
   * What happens when the running server has another command, working directory (if `cwd` is given), `env` or `version`:
   * `'error'` fails with CONFIG_MISMATCH, `'reuse'` takes the server as it is, `'restart'` replaces only a server of an older
   * version or of none. A client that gives neither a command nor a version takes any server that runs.
   * @default 'error'
   */
  onMismatch?: 'error' | 'reuse' | 'restart'
  /**
   * How long the server may take from claim to ready, and how long a call waits. ms. A server that boots is ended when the most patient
   * client that waits for it has waited so long. Time in a queue of other clients does not count while the queue moves; an
   * `AbortSignal` ends any wait. The command `run` waits for 60 s. @default 10000
   */
  startupTimeout?: Duration
  /** Longest pause between two health checks; a young launch may be checked more often. ms. @default 200 */
  healthCheckInterval?: Duration
  /** How long one health check may take. ms. @default 500 */
  healthTimeout?: Duration
  /** The signal that asks the server to stop. @default 'SIGTERM' */
  stopSignal?: NodeJS.Signals
  /** How long the server may take to stop before SIGKILL. ms. @default 5000 */
  stopTimeout?: Duration
  /**
   * Where stdout and stderr of the server go. The log of the previous run stays beside it as `.prev`.
   * @default the PID file with `.log` for `.pid`
   */
  logFile?: string
  /** How long a server that a lease started lives on after its last lease. ms. @default 30000 */
  idleTimeout?: Duration
  /**
   * The engine in which several hosts agree who runs the server: `'etcd://host[:port][,host…][/prefix]'`, `'etcds://…'` with TLS, or what
   * `etcd()` of `one-server/etcd` returns. Hosts with the same prefix and `name` share one server. Not on Windows. User, password and
   * certificates also come from `ONE_SERVER_COORDINATOR_USER`, `_PASSWORD`, `_CA`, `_CERT` and `_KEY` (paths of files in PEM).
   * @default none
   */
  coordinator?: string | Coordination
  /**
   * What this host tells other hosts, `'host'` or `'host:port'`.
   * @default the address by which this host reaches the coordinator, a free port
   */
  advertise?: string
  /** Where this host listens for others, if that is another address: behind a NAT, or `'0.0.0.0'`. @default as `advertise` */
  listen?: string
  /** Whether the server may be started on this host. False: this host uses that of another, or fails with NO_HOST. @default true */
  mayHost?: boolean
  /**
   * How long a host that has fallen silent is waited for before another one starts the server; the server of a host that does not reach
   * the coordinator ends after 0.6 of it. ms, from 5 s to 10 min. A call waits as long beside its `startupTimeout`. @default 15000
   */
  ttl?: Duration
  /** Receives every step of the protocol as an event. What it throws is dropped. */
  onEvent?: (event: OneServerEvent) => void
}
