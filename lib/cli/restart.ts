/**
 * `restart`: stop, then ensure, as two calls: between them another client may start the server again,
 * and then its server is as fresh as ours would have been. So only the server that was there at the beginning
 * is stopped, or two restarts at once would take the fresh one from each other. Whatever would make the second
 * call fail is found before the first, since a server that was stopped and cannot be started again is a loss.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import { invalidCombination, portInUse } from '../errors.js'
import { contextOf } from '../context.js'
import { assertLaunchable } from '../plan/preflight.js'
import type { ServerStatus } from '../server-info.js'
import { nodeSystem } from '../node-system.js'
import { settingsFrom, type ClientProcessManagerOptions } from '../options.js'
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
    // Who has its URL should find it there again, unless another port was asked for.
    const kept = typed.port === undefined && before.port !== undefined && allows(options.port, before.port) ? { port: before.port } : {}
    const wanted = { ...options, ...kept }
    if (before.launchId !== undefined) {
      await assertLaunchable(contextOf(settingsFrom(wanted), nodeSystem), before)
      tellClients(before, output)
      progress.say(`stopping the server${withPid(before.pid)}`)
      if (await manager.stopServer({ signal, launchId: before.launchId })) progress.say(`stopped${withPid(before.pid)}`)
    }
    const again = new ClientProcessManager({ ...wanted, onEvent: progress.onEvent })
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
