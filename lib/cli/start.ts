/**
 * `start`: a healthy server, and its URL alone on stdout. Mostly the server runs already: that is no error, and costs one
 * health check.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { ServerInfo } from '../server-info.js'
import type { Request } from './arguments.js'
import type { Output } from './output.js'
import { Progress, withPid } from './progress.js'

export const told = ({ started, adopted, pid, logFile }: ServerInfo): string => {
  if (started) return `started${withPid(pid)}, log: ${logFile}`
  return `already running${withPid(pid)}${adopted ? '; not started by one-server' : ''}`
}

export const run = async ({ options }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  try {
    const manager = new ClientProcessManager({ ...options, onEvent: progress.onEvent })
    const server = await manager.ensureServerRunning({ signal })
    progress.end()
    output.note(told(server))
    await (output.json ? output.document(server) : output.result(`${server.url}\n`))
    return 0
  } finally {
    progress.end()
  }
}
