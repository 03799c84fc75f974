/**
 * `stop`: afterwards no server of ours runs, and the user knows which clients have lost it. Nothing to stop is no error, since
 * no server runs then either. A server that somebody ran by hand is not ours to stop, and --if-idle spares one in use:
 * `stop` says so and leaves it running.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { Request } from './arguments.js'
import { tellClients } from './clients.js'
import type { Output } from './output.js'
import { Progress, withPid } from './progress.js'

export const run = async ({ options, ifIdle }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  const manager = new ClientProcessManager({ ...options, onEvent: progress.onEvent })
  try {
    const before = await manager.status({ signal })
    const { state, adopted, pid, url, pidFile } = before
    const ours = state !== 'stopped' && !adopted
    if (ours && !ifIdle) tellClients(before, output)
    if (ours && !(ifIdle && before.leases.length > 0)) progress.say(`stopping the server${withPid(pid)}`)
    // The look above was without the lock and may be out of date. Call even if the server looked stopped or in use.
    const stopped = await manager.stopServer({ signal, ifIdle })
    progress.end()
    const inUse = ifIdle && !stopped && ours ? await manager.status({ signal }) : undefined
    if (inUse !== undefined && inUse.state !== 'stopped') {
      tellClients(inUse, output)
      output.note(`it was left running${withPid(inUse.pid)}`)
    } else if (!stopped && adopted) {
      output.note(`${url ?? 'the server'} was not started by one-server`)
      output.note(`it was left running${withPid(pid)}`)
    } else output.note(stopped ? `stopped${withPid(pid)}` : 'nothing to stop')
    if (output.json) await output.document({ stopped, adopted: !stopped && adopted, pid, pidFile, leases: (inUse ?? before).leases })
    return 0
  } finally {
    progress.end()
  }
}
