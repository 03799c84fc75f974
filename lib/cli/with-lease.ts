/**
 * A lease around whatever `run` and `hold` do with it. What came of that stands, also where letting go
 * fails: the lease is in the name of this process and ends with it in any case.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { Lease, ServerInfo } from '../server-info.js'
import type { ClientProcessManagerOptions } from '../options.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { told } from './start.js'

export interface Holder {
  readonly options: ClientProcessManagerOptions
  /** What others are told that uses the server. */
  readonly command: string
  readonly output: Output
  readonly signal: AbortSignal
}

const acquire = async ({ options, command, output, signal }: Holder): Promise<Lease> => {
  const progress = new Progress(output)
  try {
    return await new ClientProcessManager({ ...options, onEvent: progress.onEvent }).acquire({ signal, command })
  } finally {
    // Before a word of anybody else: it leaves a clean line and a visible cursor.
    progress.end()
  }
}

export const withLease = async <T>(holder: Holder, use: (server: ServerInfo) => Promise<T>): Promise<T> => {
  const { output, signal } = holder
  const lease = await acquire(holder)
  try {
    // Interrupted in the last moment of the wait: then nothing is done any more.
    signal.throwIfAborted()
    output.note(told(lease.server))
    return await use(lease.server)
  } finally {
    await lease.release().catch((error: Error) => output.complain(`one-server: letting go of the server failed: ${error.message}`))
  }
}
