/**
 * The story: the order of the steps, and nothing else. Look without the lock; follow what lives; else
 * take a turn at the lock, look again, clean up, adopt or launch; then attend the launch until it is
 * ready. After each wait it is looked at anew.
 */
import { Deadline } from './deadline.js'
import { insideServer, notOurs, portInUse, serverUnhealthy, startTimeout } from './errors.js'
import { attend, leave } from './launch/attend.js'
import { contextOf, type Context } from './launch/context.js'
import { cleanUp, decide, lookAround, type Decision } from './launch/decide.js'
import { shareFlight } from './launch/flight.js'
import { follow } from './launch/follow.js'
import { LeaseStake } from './launch/lease.js'
import type { OwnLaunch } from './launch/launch.js'
import type { Adopted } from './launch/ports.js'
import type { Lease, ServerInfo, ServerStatus } from './launch/server-info.js'
import { pin, type Stake } from './launch/stake.js'
import { isRunning, statusOf } from './launch/status.js'
import { stop } from './launch/stop.js'
import { isClaimed, names, recordOf, survey, unreadableClaim, type Survey } from './launch/survey.js'
import type { Launch } from './launch/claims.js'
import { nodeSystem } from './node-system.js'
import { settle, type ClientProcessManagerOptions, type Settings } from './options.js'
import { withLock } from './state/lock.js'
import { readPidFile } from './state/pid-file.js'
import type { System } from './system/system.js'

/** Options of one call. */
export interface CallOptions {
  /** Ends every wait of the call; it then rejects with ABORTED. A server that was started stays. */
  signal?: AbortSignal
}

/** Options of a call of `stopServer()`. */
export interface StopOptions extends CallOptions {
  /** Does nothing while somebody holds a lease. @default false */
  ifIdle?: boolean
}

/** How often a launch whose port was ours to choose is tried on another one. */
const PORTS_TRIED = 3

/**
 * A client's view of the one server that its PID file names: finds it, starts it when there is none,
 * waits until it is ready, and stops it. Any number of managers, in any number of processes, share it.
 */
export class ClientProcessManager {
  readonly #settings: Settings
  readonly #system: System

  /**
   * @param options What the server is and where it is found; see {@link ClientProcessManagerOptions}.
   * @param system The machine; the simulation hands in another one. Not part of the public interface.
   * @throws OneServerError `INVALID_OPTION`
   */
  constructor(options: ClientProcessManagerOptions = {}, system: System = nodeSystem) {
    this.#settings = settle(options)
    this.#system = system
  }

  /**
   * Returns the running server, after its health check has answered; starts it when there is none.
   * Any number of clients may call it at once: one of them starts the server, all get the same URL.
   *
   * @returns The server. `started` is true for the one call that launched it.
   * @throws OneServerError `START_TIMEOUT`, `SERVER_EXITED`, `PORT_IN_USE` or `COMMAND_NOT_FOUND` when it could not be started,
   * `SERVER_UNHEALTHY` when it runs and does not answer, `STOPPED` when it was stopped while this call waited,
   * `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`, `INVALID_OPTION` (from within the server itself), `ABORTED`.
   */
  async ensureServerRunning({ signal }: CallOptions = {}): Promise<ServerInfo> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    deadline.check()
    return shareFlight(context, deadline, (own) => ensure(context, own, pin))
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
  async acquire({ signal }: CallOptions = {}): Promise<Lease> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    deadline.check()
    const stake = new LeaseStake(process.argv.slice(1).join(' '))
    try {
      const server = await ensure(context, deadline, stake)
      if (server.adopted) throw notOurs(server.port, server.pid)
      const release = () => stake.withdraw(context)
      return { server, release, [Symbol.asyncDispose]: release }
    } catch (error) {
      await stake.withdraw(context)
      throw error
    }
  }

  /**
   * Whether the server is healthy, or the process that the PID file names is alive. Removes a PID file
   * that names a dead one.
   *
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `LOCK_TIMEOUT`, `ABORTED`
   */
  async isServerRunning({ signal }: CallOptions = {}): Promise<boolean> {
    return isRunning(this.#context(), new Deadline(this.#system, this.#settings.startupTimeout, signal))
  }

  /**
   * Starts the server when there is none, and does not wait until it is ready.
   *
   * @returns The PID of the server, also when it ran already; undefined for an adopted one that cannot be seen.
   * @throws OneServerError as {@link ensureServerRunning}, of what happens before the server runs
   */
  async startServer({ signal }: CallOptions = {}): Promise<number | undefined> {
    const context = this.#context()
    const deadline = new Deadline(this.#system, this.#settings.startupTimeout, signal)
    for (;;) {
      const decision = await nextDecision(context, deadline, new Set(), pin)
      switch (decision.kind) {
        case 'follow':
          if (await pin.put(context, decision.launch)) return decision.launch.leader.pid
          await moveOn(context, decision, deadline)
          break
        case 'adopted':
          return decision.server.pid
        case 'named':
          return decision.pid
        case 'launched':
          await leave(context, decision.own.record)
          return decision.own.launch.leader.pid
        default:
          await moveOn(context, decision, deadline)
      }
    }
  }

  /**
   * Stops the server and returns when it has exited: the leader, its process group, and on Linux the
   * descendants that left it. An adopted server is left alone.
   *
   * @returns true when a server was running and has exited; false when there was none to stop, or with `ifIdle` somebody uses it.
   * @throws OneServerError `LOCK_TIMEOUT`, `STATE_UNUSABLE`, `STATE_NEWER`, `ABORTED` (while it waits for its turn)
   */
  async stopServer({ signal, ifIdle = false }: StopOptions = {}): Promise<boolean> {
    const context = this.#context()
    return stop(context, new Deadline(this.#system, this.#settings.startupTimeout + this.#settings.stopTimeout, signal), ifIdle)
  }

  /**
   * What is known about the server. Starts nothing, removes nothing.
   *
   * @throws OneServerError `STATE_UNUSABLE`, `STATE_NEWER`, `ABORTED`
   */
  async status({ signal }: CallOptions = {}): Promise<ServerStatus> {
    new Deadline(this.#system, 0, signal).check()
    return statusOf(this.#context())
  }

  #context(): Context {
    return contextOf(this.#settings, this.#system)
  }
}

/** Looks, and when there is nothing to follow takes a turn at the lock. */
const nextDecision = async (context: Context, deadline: Deadline, lost: ReadonlySet<number>, stake: Stake): Promise<Decision> => {
  const { system, paths, report } = context
  const look = () => lookAround(context, deadline.began)
  const decision = await withLock(system, paths, deadline, () => decide(context, deadline.began, lost, stake), {
    look, onWait: () => report({ type: 'waiting', for: 'lock' }),
  })
  if (decision.kind === 'failed') throw decision.error
  if (decision.kind === 'follow' && decision.launch.id === context.inside) throw insideServer(paths.pidFile)
  return decision
}

/** Between two turns: whoever withdrew waits at random, so that not all come back at once. */
const moveOn = async ({ system, settings, paths }: Context, decision: Decision, deadline: Deadline): Promise<void> => {
  if (decision.kind === 'port-lost' && settings.port.kind === 'fixed') throw portInUse(decision.port, 'by now: another process took it', {})
  if (deadline.passed) {
    if (decision.kind === 'named') throw serverUnhealthy(`the port of PID ${decision.pid}`, deadline.total, `${paths.pidFile} names it, and one-server did not launch it`, { pid: decision.pid })
    throw startTimeout(deadline.total, 'each launch that was seen in that time was withdrawn or ended', {})
  }
  const pause = decision.kind === 'named' ? settings.healthCheckInterval : 10 + system.random() * 40
  await system.sleep(Math.min(pause, deadline.left), { signal: deadline.signal })
}

const ensure = async (context: Context, deadline: Deadline, stake: Stake): Promise<ServerInfo> => {
  const lost = new Set<number>()
  for (;;) {
    const decision = await nextDecision(context, deadline, lost, stake)
    switch (decision.kind) {
      case 'follow': {
        const server = await useLaunch(context, decision.launch, decision.survey, deadline, stake)
        if (server !== undefined) return server
        break
      }
      case 'adopted':
        return useAdopted(context, decision.server)
      case 'launched': {
        const server = await attendLaunch(context, decision.own, deadline, lost)
        if (server !== undefined) return server
        break
      }
      case 'port-lost':
        lost.add(decision.port)
        break
      default:
    }
    await moveOn(context, decision, deadline)
  }
}

const useLaunch = async (context: Context, launch: Launch, seen: Survey, deadline: Deadline, stake: Stake): Promise<ServerInfo | undefined> => {
  const { pidFile, littered } = seen
  const record = await recordOf(context, launch, pidFile)
  if (record === undefined) {
    if (await isClaimed(context, launch)) throw unreadableClaim(context, launch)
    return undefined
  }
  if (!(await stake.put(context, launch))) return undefined
  const followed = await follow(context, launch, record, deadline)
  if (followed.kind === 'failed') throw followed.error
  if (followed.kind === 'gone') return undefined
  // A ready launch has published itself: a PID file that says otherwise was overwritten or removed by a client that had lost the lock.
  const published = launch.ready ? pidFile : await readPidFile(context.system, context.paths)
  if (littered || !(published.kind === 'record' && names(published.record, launch))) {
    await withLock(context.system, context.paths, deadline, async () => cleanUp(context, await survey(context, deadline.began)))
  }
  const { origin } = new URL(followed.url)
  context.report({ type: 'reused', url: origin, pid: record.pid, adopted: false })
  const { paths, settings } = context
  return {
    url: origin, port: record.port, pid: record.pid, started: false, adopted: false, launchId: record.launch,
    pidFile: paths.pidFile, logFile: record.logFile ?? settings.logFile,
  }
}

const useAdopted = ({ report, paths, settings }: Context, { url, port, pid }: Adopted): ServerInfo => {
  const { origin } = new URL(url)
  report({ type: 'reused', url: origin, pid, adopted: true })
  return { url: origin, port, pid, started: false, adopted: true, launchId: undefined, pidFile: paths.pidFile, logFile: settings.logFile }
}

const attendLaunch = async (context: Context, own: OwnLaunch, deadline: Deadline, lost: Set<number>): Promise<ServerInfo | undefined> => {
  const { record } = own
  const mayChooseAgain = context.settings.port.kind !== 'fixed' && lost.size + 1 < PORTS_TRIED
  context.report({ type: 'waiting', for: 'health', url: record.health.urls[0]!, pid: record.pid })
  const attended = await attend(context, own, deadline.signal, mayChooseAgain)
  switch (attended.kind) {
    case 'failed':
      throw attended.error
    case 'port-lost':
      lost.add(record.port)
      return undefined
    case 'again':
      return undefined
    case 'ready': {
      const { origin } = new URL(attended.url)
      context.report({ type: 'ready', url: origin, pid: record.pid, launchId: record.launch })
      return {
        url: origin, port: record.port, pid: record.pid, started: true, adopted: false, launchId: record.launch,
        pidFile: context.paths.pidFile, logFile: record.logFile,
      }
    }
  }
}
