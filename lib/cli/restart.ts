/**
 * `restart`: stop, then ensure, as two calls: between them another client may start the server again,
 * and then its server is as fresh as ours would have been. Whatever would make the second call fail is
 * found before the first, since a server that was stopped and cannot be started again is a loss.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import { invalidCombination, portInUse } from '../errors.js'
import type { ServerStatus } from '../launch/server-info.js'
import type { ClientProcessManagerOptions } from '../options.js'
import type { Request } from './arguments.js'
import { tellClients } from './clients.js'
import type { Output } from './output.js'
import { Progress, withPid } from './progress.js'

/** Whether a server that was told this may be where it was. */
const allows = (choice: ClientProcessManagerOptions['port'], port: number): boolean =>
  choice === undefined || choice === 'auto' || (typeof choice === 'object' ? choice.includes(port) : choice === port)

export const run = async ({ options, typed }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  const manager = new ClientProcessManager({ ...options, onEvent: progress.onEvent })
  try {
    const before = await manager.status({ signal })
    refuse(before, options)
    tellClients(before, output)
    if (before.state !== 'stopped') progress.say(`stopping the server${withPid(before.pid)}`)
    if (await manager.stopServer({ signal })) progress.say(`stopped${withPid(before.pid)}`)
    // Who has its URL should find it there again, unless another port was asked for.
    const kept = typed.port === undefined && before.port !== undefined && allows(options.port, before.port) ? { port: before.port } : {}
    const again = new ClientProcessManager({ ...options, ...kept, onEvent: progress.onEvent })
    const server = await again.ensureServerRunning({ signal })
    progress.end()
    output.note(`restarted${withPid(server.pid)}, log: ${server.logFile}`)
    await (output.json ? output.document(server) : output.result(`${server.url}\n`))
    return 0
  } finally {
    progress.end()
  }
}

/** Throws when the server that runs could not be brought back, or is not ours to stop. */
const refuse = ({ adopted, port, pid, launchId, bundled }: ServerStatus, { command, serverScript }: ClientProcessManagerOptions): void => {
  // What a PID file says is never executed, so the server's command has to be given again.
  if (launchId !== undefined && !bundled && command === undefined && serverScript === undefined) {
    throw invalidCombination(
      `restart cannot know how the server${withPid(pid)} was started, and has left it running`,
      'Give its command again: one-server restart <name> -- <command>, or --script; or write it into a config file.',
    )
  }
  if (!adopted || port === undefined) return
  const what = `by a server${withPid(pid)} that one-server did not start; it was left running`
  throw portInUse(port, what, pid === undefined ? {} : { pid })
}
