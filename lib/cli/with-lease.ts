/**
 * A lease for as long as `run` or `hold` needs the server. A release that fails must not change their result: the lease is in
 * the name of this process and ends with it in any case.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { LeaseToKeep } from '../protocol/lease.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { told } from './start.js'

export interface Holder {
  readonly options: ClientProcessManagerOptions
  /** What `status` and `list` show of this client. */
  readonly command: string
  readonly output: Output
  readonly signal: AbortSignal
}

/** `pid`: in the name of that process, for as long as it lives. */
export const acquire = async (
  { options, command, output, signal }: Omit<Holder, 'command'> & Partial<Holder>, pid?: number,
): Promise<LeaseToKeep> => {
  const progress = new Progress(output)
  try {
    const terms = pid === undefined ? {} : { pid, kept: true }
    return await new ClientProcessManager({ ...options, onEvent: progress.onEvent }).acquire({ signal, command, ...terms })
  } finally {
    // Others may print next: leave a clean line and a visible cursor first.
    progress.end()
  }
}

export const withLease = async <T>(holder: Holder, use: (lease: LeaseToKeep) => Promise<T>): Promise<T> => {
  const { output, signal } = holder
  const lease = await acquire(holder)
  try {
    // A signal in the last moment of the wait: run nothing any more.
    signal.throwIfAborted()
    output.note(told(lease.server))
    return await use(lease)
  } finally {
    await lease.release().catch((error: Error) => output.complain(`one-server: the lease could not be released: ${error.message}`))
  }
}
