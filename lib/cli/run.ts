/**
 * `run`: a client's command with a server for as long as it lasts. It is to be as if the command had been
 * called alone: its streams are its own and nothing else is written to them meanwhile, a signal to us is
 * one to it, and its exit code is ours. We never end before it, since the lease is in our name.
 */
import { spawn } from 'node:child_process'
import type { Request } from './arguments.js'
import { watchForeground } from './foreground.js'
import type { Io, Output } from './output.js'
import { refuse, refused, type Refusal } from './program.js'
import { withLease } from './with-lease.js'
import { joinWords } from './words.js'

/** What a terminal sends, when they are typed, to all that are in its foreground. */
const TYPED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Rejects when it cannot be started. */
const runClient = ([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv, io: Io, output: Output): Promise<Exit> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env })
    child.on('error', (error) => {
      if (child.pid === undefined) reject(error)
      // It runs as another user, who has to be told by other means.
      else output.complain(`one-server: a signal could not be passed on to PID ${child.pid}: ${error.message}`)
    })
    child.once('exit', (code, signal) => resolve({ code, signal }))
    const inForeground = watchForeground()
    io.divert((signal) => {
      if (!TYPED.includes(signal) || !inForeground()) child.kill(signal)
    })
  })

const exitCodeOf = async (ended: Exit | Refusal, output: Output): Promise<number> => {
  if ('code' in ended && ended.code !== null) return ended.code
  const { exitCodeOf: ofSignal, explained } = await import('./failure.js')
  if ('code' in ended) return ofSignal(ended.signal ?? 'SIGKILL')
  output.complain(explained(ended.error, output.width))
  return ended.exitCode
}

export const run = async ({ options, client }: Request, output: Output, signal: AbortSignal, io: Io): Promise<number> => {
  const program = client[0] as string
  const refusal = refuse(program, io.env['PATH'])
  if (refusal !== undefined) return exitCodeOf(refusal, output)
  const ended = await withLease({ options, command: joinWords(client), output, signal }, ({ url, port }) =>
    runClient(client, { ...io.env, ONE_SERVER_URL: url, BASE_URL: url, PORT: String(port) }, io, output)
      .catch((error: NodeJS.ErrnoException) => refused(program, error)))
  return exitCodeOf(ended, output)
}
