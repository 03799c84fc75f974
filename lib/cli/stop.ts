/**
 * `stop`: afterwards no server of ours runs. Nothing to stop is what was asked for, so it is no error;
 * a server that somebody ran by hand is not ours to stop, and saying so is all that is done about it.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { Request } from './arguments.js'
import type { Output } from './output.js'
import { Progress, withPid } from './progress.js'

export const run = async ({ options }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  const manager = new ClientProcessManager({ ...options, onEvent: progress.onEvent })
  try {
    const { state, adopted, pid, url, pidFile } = await manager.status({ signal })
    if (state !== 'stopped' && !adopted) progress.say(`stopping the server${withPid(pid)}`)
    // Asked for even if it looked stopped: only the call below looks under the lock.
    const stopped = await manager.stopServer({ signal })
    progress.end()
    if (!stopped && adopted) {
      output.note(`${url ?? 'the server'} was not started by one-server`)
      output.note(`it was left running${withPid(pid)}`)
    } else output.note(stopped ? `stopped${withPid(pid)}` : 'nothing to stop')
    if (output.json) await output.document({ stopped, adopted: !stopped && adopted, pid, pidFile })
    return 0
  } finally {
    progress.end()
  }
}
