/**
 * Calls inside one process for the same PID file share one attempt, a flight: an extension whose ten views each ask for
 * the server asks the machine once. Each caller keeps its own signal and its own deadline, and a flight goes on for as
 * long as one caller waits for it: it has the deadline of the most patient one.
 *
 * The name is the field's (Go's `singleflight`).
 */
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { aborted, OneServerError, startTimeout } from '../errors.js'
import type { Settings } from '../options/settings.js'
import type { ServerInfo } from '../server-info.js'
import type { System } from '../system/system.js'

interface Flight {
  readonly result: Promise<ServerInfo>
  readonly abort: AbortController
  readonly deadline: Deadline
  callers: number
  settled: boolean
}

/** Joins the flight for this server, or begins one. */
export const singleFlight = async (
  context: Context, deadline: Deadline, ensure: (deadline: Deadline) => Promise<ServerInfo>,
): Promise<ServerInfo> => {
  for (;;) {
    const running = flightsOf(context.system).get(keyOf(context))
    if (running === undefined) return join(context, deadline, begin(context, deadline, ensure), true)
    context.report({ type: 'waiting', for: 'launch' })
    try {
      const server = await join(context, deadline, running, false)
      context.report({ type: 'reused', url: server.url, pid: server.pid, adopted: server.adopted })
      return { ...server, started: false }
    } catch (error) {
      const isOthersLimit = error instanceof OneServerError && LIMITS.includes(error.code)
      if (!isOthersLimit || deadline.passed || deadline.signal?.aborted) throw error
    }
  }
}

/** Codes that tell that a caller ran out of time or gave up. The launch did not fail, so a caller that has time left tries again. */
const LIMITS: readonly string[] = ['START_TIMEOUT', 'LOCK_TIMEOUT', 'SERVER_UNHEALTHY', 'ABORTED']

/** One table for each machine: a process has one machine, the simulation has one for each client. */
const machines = new WeakMap<System, Map<string, Flight>>()

const flightsOf = (system: System): Map<string, Flight> => {
  const flights = machines.get(system) ?? new Map<string, Flight>()
  machines.set(system, flights)
  return flights
}

/** Settings that change how long a call waits or what it reports, and not which server it accepts. */
const OWN: readonly (keyof Settings)[] = ['given', 'startupTimeout', 'onEvent']

const keys = new WeakMap<Settings, string>()

/**
 * What two calls must have in common to share a flight. Each setting may decide which server a call accepts, so all of
 * them are in the key but those that a caller keeps for itself.
 */
const keyOf = ({ paths, settings }: Context): string => {
  const known = keys.get(settings)
  if (known !== undefined) return known
  const shared = Object.entries(settings).filter(([name]) => !OWN.includes(name as keyof Settings))
  // Variables as entries: JSON drops a variable that is to be removed from an object.
  const key = JSON.stringify([paths.pidFile, settings.given.has('cwd'), shared, Object.entries(settings.env)])
  keys.set(settings, key)
  return key
}

const begin = (context: Context, deadline: Deadline, ensure: (deadline: Deadline) => Promise<ServerInfo>): Flight => {
  const { system } = context
  const flights = flightsOf(system)
  const key = keyOf(context)
  const abort = new AbortController()
  const own = new Deadline(system, deadline.left, abort.signal, deadline.total)
  const flight: Flight = { result: ensure(own), abort, deadline: own, callers: 0, settled: false }
  flights.set(key, flight)
  const settle = () => {
    flight.settled = true
    if (flights.get(key) === flight) flights.delete(key)
  }
  flight.result.then(settle, settle)
  return flight
}

/** One caller's wait for a flight. The last caller that leaves an unsettled flight aborts it. */
const join = async (context: Context, deadline: Deadline, flight: Flight, isOwn: boolean): Promise<ServerInfo> => {
  flight.callers++
  if (!isOwn) flight.deadline.join(deadline)
  let left: AbortController | undefined
  try {
    const { credit } = flight.deadline
    // The caller that began the flight gave it its own deadline, and needs one for itself when a more patient caller joins.
    const begins = isOwn ? flight.deadline.longer : Promise.resolve()
    // Most have no signal, and nobody joins them: they need no watch.
    if (isOwn && deadline.signal === undefined) await Promise.race([flight.result, begins])
    if (flight.settled) return await flight.result
    left = new AbortController()
    return await Promise.race([flight.result, gaveUp(context, deadline, flight.deadline, begins, credit, left.signal)])
  } finally {
    // Nobody reads why. Without a reason Node loads the class of one, which costs as much as the looks of a warm call.
    left?.abort('left')
    if (--flight.callers === 0 && !flight.settled) {
      const flights = flightsOf(context.system)
      const key = keyOf(context)
      if (flights.get(key) === flight) flights.delete(key)
      flight.abort.abort(deadline.signal?.reason)
    }
  }
}

/**
 * A caller that was frozen has not waited, and its flight has had no time to bring an answer: so a caller waits in shares, each of
 * which counts once, however long the freeze.
 */
const SHARES = 8

/** Waits for the time of one caller. What did not count for the flight does not count for its callers. */
const waitOut = async (system: System, deadline: Deadline, flight: Deadline, known: number, signal: AbortSignal): Promise<void> => {
  for (let credited = known; !signal.aborted; ) {
    deadline.prolong(flight.credit - credited)
    credited = flight.credit
    const ms = deadline.left
    for (let share = 0; share < SHARES && !signal.aborted; share++) await system.sleep(ms / SHARES, { signal })
    if (flight.credit === credited) return
  }
}

/**
 * Rejects when the caller's signal fires, or its own deadline passes, which it watches once it `begins`. `credit`: of the flight, when
 * the caller came. `until` ends that watch.
 */
const gaveUp = (
  { system }: Context, deadline: Deadline, flight: Deadline, begins: Promise<void>, credit: number, until: AbortSignal,
): Promise<never> =>
  new Promise((_, reject) => {
    const { signal } = deadline
    signal?.addEventListener('abort', () => reject(aborted(signal.reason)), { once: true, signal: until })
    // A signal that fired before the listener was there fires no listener.
    if (signal?.aborted) reject(aborted(signal.reason))
    void begins.then(() => waitOut(system, deadline, flight, credit, until)).then(() => {
      if (!until.aborted) reject(startTimeout(deadline.total, 'waiting for another call of this process', {}))
    })
  })
