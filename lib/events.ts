/**
 * What `onEvent` receives: the steps of the protocol as they happen. A listener that throws between two steps could leave
 * a launch half made, so its errors are dropped; nothing in the protocol depends on a listener.
 */
import type { OneServerErrorCode } from './errors.js'

/**
 * A step of the protocol, reported to `onEvent`. `at` is in ms on the monotonic clock of this boot (`process.hrtime`), and can be
 * compared between the processes of one host.
 */
export type OneServerEvent = { at: number } & (
  /** A running server was found. `adopted`: one-server did not start it. */
  | { type: 'reused'; url: string; pid: number | undefined; adopted: boolean }
  /**
   * The call waits: for its turn at the lock, for a launch that another client makes, for the health check, or for what the hosts that share
   * the server agree on: another may start it, and one that has fallen silent is waited for.
   */
  | { type: 'waiting'; for: 'lock' | 'launch' | 'health' | 'hosts'; pid?: number; url?: string }
  /** With a `coordinator`: another host runs the server. */
  | { type: 'following'; host: string; url: string }
  /** A child process exists and is held at the gate: nothing of the server has run. */
  | { type: 'spawned'; pid: number; port: number; launchId: string }
  /** The claim of this client has won: its gate opens. With a `coordinator` it is the claim on this host, and `pid` is its steward. */
  | { type: 'claimed'; pid: number; port: number; launchId: string; steward?: true }
  /** Another claim was there first, so the child exits without having run. */
  | { type: 'withdrawn'; pid: number; launchId: string }
  /** The server passed its health check. */
  | { type: 'ready'; url: string; pid: number; launchId: string }
  /** A file that a dead server, a dead client or a reboot left was removed. */
  | { type: 'stale-removed'; path: string }
  /** A launch ended before it was ready. */
  | { type: 'exited'; code: OneServerErrorCode; pid: number; launchId: string }
  /** The server was stopped on purpose and has exited. */
  | { type: 'stopped'; pid: number; launchId: string }
)

type WithoutTime<Event> = Event extends { at: number } ? Omit<Event, 'at'> : never

/** Reports one event, with the time added. */
export type Report = (event: WithoutTime<OneServerEvent>) => void

export const reporter = (listener: ((event: OneServerEvent) => void) | undefined, now: () => number): Report => {
  if (listener === undefined) return () => {}
  return (event) => {
    try {
      const result: unknown = listener({ at: now(), ...event } as OneServerEvent)
      if (result instanceof Promise) result.catch(() => {})
    } catch {
      // Dropped, see above.
    }
  }
}
