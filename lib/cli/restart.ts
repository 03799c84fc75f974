/**
 * `restart`: stop, then ensure, as two calls. Another client may start the server between them, and then its server is as
 * fresh as ours would be. Two restarts at once would stop each other's fresh server, so each stops only the launch that it
 * found. A server that was stopped and cannot be started again is a loss, so all that would make the second call fail is
 * found before the first.
 */
import { bringUp } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import { invalidCombination, portInUse } from '../errors.js'
import { contextOf } from '../context.js'
import { assertLaunchable } from '../plan/preflight.js'
import type { AnyStatus } from '../server-info.js'
import { nodeSystem } from '../node-system.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { settingsFrom } from '../options/settings.js'
import type { Request } from './arguments.js'
import { tellClients } from './clients.js'
import type { Output } from './output.js'
import { Progress, withPid } from './progress.js'

/** Whether this choice lets a server keep its port. */
const allows = (choice: ClientProcessManagerOptions['port'], port: number): boolean =>
  choice === undefined || choice === 'auto' || (typeof choice === 'object' ? choice.includes(port) : choice === port)

/** The options of the server, which name where those are that it needs: these are started first. */
const filledIn = async (servers: Request['servers'], signal: AbortSignal): Promise<Request['options']> => {
  let own: Request['options'] = {}
  await bringUp(servers, {
    begin: async (server, options, until) => {
      if (server !== servers.at(-1)) return { server: await new ClientProcessManager(options).ensureServerRunning({ signal: until }) }
      own = options
      return { server: undefined as never }
    },
    letGo: async () => {},
  }, signal)
  return own
}

export const run = async ({ servers, typed }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  const options = await filledIn(servers, signal)
  const manager = new ClientProcessManager({ ...options, onEvent: progress.onEvent })
  try {
    const before: AnyStatus = await manager.status({ signal })
    refuse(before, options)
    // Clients have its URL: it keeps its port, unless the user asks for another.
    const kept = typed.port === undefined && before.port !== undefined && allows(options.port, before.port) ? { port: before.port } : {}
    const wanted = { ...options, ...kept }
    if (before.launchId !== undefined) {
      await assertLaunchable(await contextOf(settingsFrom(wanted), nodeSystem), before)
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

/** Throws when one-server could not start the running server again, or must not stop it. */
const refuse = ({ adopted, port, pid, launchId, bundled }: AnyStatus, { command, serverScript }: ClientProcessManagerOptions): void => {
  // Anybody who can write a PID file could name a program in it. One-server never runs one from there.
  if (launchId !== undefined && !bundled && command === undefined && serverScript === undefined) {
    throw invalidCombination(
      `restart cannot know how the server${withPid(pid)} was started, and has left it running`,
      'Give its command again: one-server restart <name> -- <command>, or --script; or write the command into a config file.',
    )
  }
  if (!adopted || port === undefined) return
  const what = `by a server${withPid(pid)} that one-server did not start; it was left running`
  throw portInUse(port, what, pid === undefined ? {} : { pid })
}
