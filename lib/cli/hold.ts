/**
 * `hold`: a lease for a program in any language. A program that dies cannot release a lease, so all that it needs is a pipe:
 * the kernel closes its end however the program dies. A program that cannot keep a child process gives its PID instead (`--pid`): then the
 * lease is in its name, and this process ends at once.
 */
import type { Request } from './arguments.js'
import type { Io, Output } from './output.js'
import { told } from './start.js'
import { acquire, withLease } from './with-lease.js'
import { joinWords } from '../text/shell-words.js'

/** Resolves when stdin ends, in whatever way, or at a signal. What comes through stdin is dropped. */
const untilLetGo = ({ stdin, signal }: Io): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    // A stdin that cannot be read has ended, too.
    stdin.once('end', resolve).once('close', resolve).once('error', () => resolve()).resume()
  })

export const run = async ({ options, typed, pid }: Request, output: Output, signal: AbortSignal, io: Io): Promise<number> => {
  if (pid !== undefined) {
    const { server } = await acquire({ options, output, signal }, pid)
    output.note(told(server))
    await output.document(server)
    return 0
  }
  const which = typed.name ?? typed.pidFile
  const command = joinWords(['one-server', 'hold', ...(which === undefined ? [] : [which])])
  await withLease({ options, command, output, signal }, async ({ server }) => {
    await output.document(server)
    await untilLetGo(io)
  })
  return 0
}
