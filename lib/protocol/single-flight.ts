/**
 * Calls inside one process for the same PID file are one flight: an extension whose ten views each ask
 * for the server asks the machine once. Each caller keeps what is its own: its signal, its deadline,
 * and a flight goes on for as long as one caller waits for it.
 */
import { Deadline } from '../deadline.js'
import { aborted, OneServerError, startTimeout } from '../errors.js'
import type { System } from '../system/system.js'
import type { Context } from '../context.js'
import type { ServerInfo } from '../server-info.js'

interface Flight {
  readonly result: Promise<ServerInfo>
  readonly abort: AbortController
  callers: number
  settled: boolean
}

/** One machine a process, and in the simulation one for each client. */
const machines = new WeakMap<System, Map<string, Flight>>()

const flightsOf = (system: System): Map<string, Flight> => {
  const flights = machines.get(system) ?? new Map<string, Flight>()
  machines.set(system, flights)
  return flights
}

/** Failures that a caller who has time left need not share: another's patience was over, not the launch. */
const ANOTHERS_PATIENCE: readonly string[] = ['START_TIMEOUT', 'LOCK_TIMEOUT', 'SERVER_UNHEALTHY', 'ABORTED']

/** Who means another server than the one that is on its way must find that out. */
const keyOf = ({ paths, settings: { command, serverScript, given, cwd, env, version, onMismatch } }: Context): string =>
  // As entries, since a variable that is to be removed would be dropped from an object.
  JSON.stringify([paths.pidFile, command, serverScript, given.has('cwd'), cwd, Object.entries(env), version, onMismatch])

const begin = (context: Context, deadline: Deadline, ensure: (deadline: Deadline) => Promise<ServerInfo>): Flight => {
  const { system } = context
  const flights = flightsOf(system)
  const key = keyOf(context)
  const abort = new AbortController()
  const flight: Flight = { result: ensure(new Deadline(system, deadline.left, abort.signal)), abort, callers: 0, settled: false }
  flights.set(key, flight)
  const land = () => {
    flight.settled = true
    if (flights.get(key) === flight) flights.delete(key)
  }
  flight.result.then(land, land)
  return flight
}

/** Rejects when the caller's own patience is over, or it has asked for an end; `until` ends that. */
const gaveUp = ({ system }: Context, deadline: Deadline, isOwn: boolean, until: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const { signal } = deadline
    signal?.addEventListener('abort', () => reject(aborted(signal.reason)), { once: true, signal: until })
    if (isOwn) return
    void system.sleep(deadline.left, { signal: until }).then(() => {
      if (!until.aborted) reject(startTimeout(deadline.total, 'waiting for another call of this process', {}))
    })
  })

/** One caller's wait for a flight. */
const join = async (context: Context, deadline: Deadline, flight: Flight, isOwn: boolean): Promise<ServerInfo> => {
  flight.callers++
  // The flight that a caller has begun has that one's deadline.
  const left = isOwn && deadline.signal === undefined ? undefined : new AbortController()
  try {
    return await (left === undefined ? flight.result : Promise.race([flight.result, gaveUp(context, deadline, isOwn, left.signal)]))
  } finally {
    left?.abort()
    if (--flight.callers === 0 && !flight.settled) {
      const flights = flightsOf(context.system)
      const key = keyOf(context)
      if (flights.get(key) === flight) flights.delete(key)
      flight.abort.abort(deadline.signal?.reason)
    }
  }
}

/** Joins the flight for this server, or begins one. */
export const singleFlight = async (context: Context, deadline: Deadline, ensure: (deadline: Deadline) => Promise<ServerInfo>): Promise<ServerInfo> => {
  for (;;) {
    const running = flightsOf(context.system).get(keyOf(context))
    if (running === undefined) return join(context, deadline, begin(context, deadline, ensure), true)
    context.report({ type: 'waiting', for: 'launch' })
    try {
      const server = await join(context, deadline, running, false)
      context.report({ type: 'reused', url: server.url, pid: server.pid, adopted: server.adopted })
      return { ...server, started: false }
    } catch (error) {
      const isAnothers = error instanceof OneServerError && ANOTHERS_PATIENCE.includes(error.code)
      if (!isAnothers || deadline.passed || deadline.signal?.aborted) throw error
    }
  }
}
