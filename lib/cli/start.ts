/**
 * `start`: healthy servers, and their URLs alone on stdout, each on a line. Mostly there is one, and it runs already: that is no error,
 * and costs one health check.
 */
import { bringUp, type Server } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import type { ServerInfo } from '../server-info.js'
import type { Request } from './arguments.js'
import type { Output } from './output.js'
import { prefix, Progress, withPid } from './progress.js'

export const told = ({ started, adopted, pid, logFile, host }: ServerInfo): string => {
  if (started) return `started${withPid(pid)}, log: ${logFile}`
  return `already running${host === undefined ? '' : ` on ${host}`}${withPid(pid)}${adopted ? '; not started by one-server' : ''}`
}

/** The name by which words tell a server from others; one alone needs none. */
export const nameAmong = ({ length }: readonly Server[], { name }: Server): string | undefined => (length > 1 ? name : undefined)

export const run = async ({ servers, names }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  try {
    const up = await bringUp(servers, {
      begin: async (server, options, until) => {
        const onEvent = progress.of(nameAmong(servers, server))
        return { server: await new ClientProcessManager({ ...options, onEvent }).ensureServerRunning({ signal: until }) }
      },
      // It was started explicitly, and stays.
      letGo: async () => {},
    }, signal)
    progress.end()
    for (const server of servers) output.note(`${prefix(nameAmong(servers, server))}${told(up.get(server.name)!.server)}`)
    const asked = (names.length === 0 ? [servers.at(-1)!.name] : names).map((name) => ({ name, ...up.get(name)!.server }))
    if (output.json && asked.length > 1) await output.document({ servers: asked })
    else if (output.json) await output.document(up.get(asked[0]!.name)!.server)
    else await output.result(asked.map(({ url }) => `${url}\n`).join(''))
    return 0
  } finally {
    progress.end()
  }
}
