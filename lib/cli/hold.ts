/**
 * `hold`: a lease for a program in any language. A program that dies cannot release a lease, so all that it needs is a pipe:
 * the kernel closes its end however the program dies. A program that cannot keep a child process gives its PID instead (`--pid`): then the
 * lease is in its name, and this process ends at once.
 */
import type { Request } from './arguments.js'
import type { Io, Output } from './output.js'
import { prefix } from './progress.js'
import { nameAmong, told } from './start.js'
import { acquire, withLeases } from './with-lease.js'
import { joinWords } from '../text/shell-words.js'

/** Resolves when stdin ends, in whatever way, or at a signal. What comes through stdin is dropped. */
const untilLetGo = ({ stdin, signal }: Io): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    // A stdin that cannot be read has ended, too.
    stdin.once('end', resolve).once('close', resolve).once('error', () => resolve()).resume()
  })

export const run = async ({ servers, typed, pid, linger }: Request, output: Output, signal: AbortSignal, io: Io): Promise<number> => {
  if (pid !== undefined) {
    const up = await acquire({ servers, output, signal }, { pid, kept: true })
    for (const server of servers) output.note(`${prefix(nameAmong(servers, server))}${told(up.get(server.name)!.server)}`)
    await output.document(up.get(typed.name)!.server)
    return 0
  }
  const which = typed.name ?? typed.pidFile
  const command = joinWords(['one-server', 'hold', ...(which === undefined ? [] : [which])])
  await withLeases({ servers, command, output, signal, linger, io }, async (up) => {
    await output.document(up.get(typed.name)!.server)
    await untilLetGo(io)
  })
  return 0
}
