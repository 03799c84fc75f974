/**
 * What `onEvent` is told: the protocol as it happens, in the words of the README. Nothing in the
 * protocol depends on a listener, so what one throws is dropped rather than let loose between two
 * steps.
 */
import type { OneServerErrorCode } from './errors.js'

/** A step of the protocol, reported to `onEvent`. `at` is in ms on the monotonic clock of this boot (`process.hrtime`). */
export type OneServerEvent = { at: number } & (
  /** A running server was found. `adopted`: it was not started by one-server. */
  | { type: 'reused'; url: string; pid: number | undefined; adopted: boolean }
  /** The call waits: for its turn at the lock, for a launch that another client makes, or for the health check. */
  | { type: 'waiting'; for: 'lock' | 'launch' | 'health'; pid?: number; url?: string }
  /** A child process exists and is held at the gate: nothing of the server has run. */
  | { type: 'spawned'; pid: number; port: number; launchId: string }
  /** The claim of this client has won: its gate opens. */
  | { type: 'claimed'; pid: number; port: number; launchId: string }
  /** Another claim was there: the child exits without having run. */
  | { type: 'withdrawn'; pid: number; launchId: string }
  /** The health check has answered. */
  | { type: 'ready'; url: string; pid: number; launchId: string }
  /** What a dead server, client or reboot left was removed. */
  | { type: 'stale-removed'; path: string }
  /** A launch has ended before it was ready. */
  | { type: 'exited'; code: OneServerErrorCode; pid: number; launchId: string }
  /** The server was stopped on purpose and has exited. */
  | { type: 'stopped'; pid: number; launchId: string }
)

type WithoutTime<Event> = Event extends { at: number } ? Omit<Event, 'at'> : never

/** Reports one event; the time is added here. */
export type Report = (event: WithoutTime<OneServerEvent>) => void

export const reporter = (listener: ((event: OneServerEvent) => void) | undefined, now: () => number): Report => {
  if (listener === undefined) return () => {}
  return (event) => {
    try {
      const result: unknown = listener({ at: now(), ...event } as OneServerEvent)
      if (result instanceof Promise) result.catch(() => {})
    } catch {
      // A listener's own failure must not stand between two steps of the protocol.
    }
  }
}
