/**
 * Leases for as long as `run` or `hold` needs its servers. A release that fails must not change their result: the lease is in
 * the name of this process and ends with it in any case.
 */
import { bringUp, type Server } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import type { LeaseToKeep } from '../protocol/lease.js'
import type { Io, Output } from './output.js'
import { prefix, Progress } from './progress.js'
import { nameAmong, told } from './start.js'

export interface Holder {
  /** Each after those that it needs. */
  readonly servers: readonly Server[]
  /** What `status` and `list` show of this client. */
  readonly command: string
  readonly output: Output
  readonly signal: AbortSignal
  /** ms to wait at the end for other hosts that use a server of this one. */
  readonly linger: number | undefined
  readonly io: Io
}

/** Leases on servers that are up, by their names. */
export type UpByName = ReadonlyMap<string | undefined, LeaseToKeep>

/** `terms`: in whose name. */
export const acquire = async (
  { servers, command, output, signal }: Omit<Holder, 'command' | 'linger' | 'io'> & Partial<Holder>, terms: { pid?: number; kept?: boolean } = {},
): Promise<UpByName> => {
  const progress = new Progress(output)
  try {
    return await bringUp(servers, {
      begin: (server, options, until) => {
        const onEvent = progress.of(nameAmong(servers, server))
        return new ClientProcessManager({ ...options, onEvent }).acquire({ signal: until, command, handsOver: true, ...terms })
      },
      letGo: (lease) => lease.release(),
    }, signal)
  } finally {
    // Others may print next: leave a clean line and a visible cursor first.
    progress.end()
  }
}

export const withLeases = async <T>(holder: Holder, use: (up: UpByName) => Promise<T>): Promise<T> => {
  const { servers, output, signal } = holder
  const leases = await acquire(holder)
  try {
    // A signal in the last moment of the wait: run nothing any more.
    signal.throwIfAborted()
    for (const server of servers) output.note(`${prefix(nameAmong(servers, server))}${told(leases.get(server.name)!.server)}`)
    const result = await use(leases)
    if (servers.some(({ options }) => options.coordinator !== undefined)) {
      await (await import('./linger.js')).linger(servers, holder.linger, output, holder.io)
    }
    return result
  } finally {
    // A server may still need others while it ends, so they are let go after it.
    for (const lease of [...leases.values()].toReversed()) {
      await lease.release().catch((error: Error) => output.complain(`one-server: the lease could not be released: ${error.message}`))
    }
  }
}
