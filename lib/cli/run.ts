/**
 * `run`: a client's command, with a server for as long as it runs. The command must behave as if called alone. So this process becomes
 * the command where it can (become.ts). Elsewhere the command is a child: it has the streams for itself while it runs, it receives each
 * signal that we receive, and its exit code is ours; the lease is in our name, so we never end before the command.
 */
import { spawn } from 'node:child_process'
import { factsOf, fillIn, variablesOf } from '../bring-up.js'
import type { Runnable } from '../system/platform/platform.js'
import type { Request } from './arguments.js'
import { become, countChildren } from './become.js'
import { watchForeground } from './foreground.js'
import type { Io, Output } from './output.js'
import { prepare, refused, type Refusal } from './program.js'
import { withLeases, type UpByName } from './with-lease.js'
import { joinWords } from '../text/shell-words.js'

/** Signals of keys: a terminal sends them to all processes in its foreground. */
const TYPED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Rejects when it cannot be started. */
const runClient = ({ program, args, verbatim = false }: Runnable, env: NodeJS.ProcessEnv, io: Io, output: Output): Promise<Exit> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env, windowsVerbatimArguments: verbatim })
    child.on('error', (error) => {
      if (child.pid === undefined) reject(error)
      // It runs as another user, so a signal from us is not allowed.
      else output.complain(`one-server: a signal could not be passed on to PID ${child.pid}: ${error.message}`)
    })
    child.once('exit', (code, signal) => resolve({ code, signal }))
    const inForeground = watchForeground()
    io.divert(async (signal) => {
      if (!TYPED.includes(signal) || !(await inForeground())) child.kill(signal)
    })
  })

const exitCodeOf = async (ended: Exit | Refusal, output: Output): Promise<number> => {
  if ('code' in ended && ended.code !== null) return ended.code
  const { exitCodeOf: ofSignal, explained } = await import('./failure.js')
  if ('code' in ended) return ofSignal(ended.signal ?? 'SIGKILL')
  output.complain(explained(ended.error, output.width))
  return ended.exitCode
}

/**
 * What the command learns of its servers: where the first one is, and by its name where each one is. PORT and BASE_URL mean something
 * else to many programs (`next dev` would listen on the server's port), so names of its own tell it, and any other name only where the
 * caller asks for it.
 */
const environmentOf = (up: UpByName, first: string | undefined, clientEnv: Request['clientEnv']): Record<string, string> => {
  const { server } = up.get(first)!
  const { url, port, host } = factsOf(server)
  return {
    ONE_SERVER_URL: url!, ONE_SERVER_PORT: port!, ONE_SERVER_HOST: host!, ...variablesOf(up),
    ...Object.fromEntries(Object.entries(clientEnv).map(([name, text]) => [name, fillIn(text, up, server)])),
  }
}

export const run = async (request: Request, output: Output, signal: AbortSignal, io: Io): Promise<number> => {
  const { servers, names, client, clientEnv, linger } = request
  const program = client[0] as string
  const prepared = prepare(client, io.env)
  if ('error' in prepared) return exitCodeOf(prepared, output)
  const { explained } = await import('./failure.js')
  const why = (code: string): string => explained(refused(program, Object.assign(new Error(code), { code })).error, output.width)
  countChildren()
  const use = async (up: UpByName): Promise<Exit | Refusal> => {
    const env = { ...io.env, ...environmentOf(up, names[0], clientEnv) }
    const { server } = up.get(names[0])!
    const words = client.map((word, at) => (at === 0 ? word : fillIn(word, up, server)))
    const asked = prepare(words, io.env)
    if ('error' in asked) return asked
    const [, ...args] = words
    // Who becomes its command cannot wait for other hosts after it.
    const isShared = servers.some(({ options }) => options.coordinator !== undefined)
    if (!isShared) await become({ leases: [...up.values()], program, args, env, absent: why('ENOENT'), forbidden: why('EACCES'), io })
    return runClient(asked, env, io, output).catch((error: NodeJS.ErrnoException) => refused(program, error))
  }
  const ended = await withLeases({ servers, command: joinWords(client), output, signal, linger, io }, use)
  if ('signal' in ended && ended.signal === 'SIGINT') io.endBy?.('SIGINT')
  return exitCodeOf(ended, output)
}
