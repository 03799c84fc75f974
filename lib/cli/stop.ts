/**
 * `stop`: afterwards no server of ours runs, and the user knows which clients have lost it. Nothing to stop is no error, since
 * no server runs then either. A server that somebody ran by hand is not ours to stop, and --if-idle spares one in use:
 * `stop` says so and leaves it running.
 *
 * Of several servers one that needs another is stopped before it, as Compose does: it may still write to what it needs while it ends.
 */
import type { Server } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import type { AnyStatus, LeaseStatus } from '../server-info.js'
import type { Request } from './arguments.js'
import { tellClients } from './clients.js'
import type { Output } from './output.js'
import { prefix, Progress, withPid } from './progress.js'
import { nameAmong } from './start.js'

interface Stopped {
  readonly stopped: boolean
  readonly adopted: boolean
  readonly pid: number | undefined
  readonly pidFile: string
  readonly leases: readonly LeaseStatus[]
}

const stop = async (
  { options }: Server, name: string | undefined, { ifIdle }: Request, output: Output, signal: AbortSignal,
): Promise<Stopped> => {
  const progress = new Progress(output)
  const manager = new ClientProcessManager({ ...options, onEvent: progress.of(name) })
  const note = (text: string): void => output.note(`${prefix(name)}${text}`)
  try {
    const before: AnyStatus = await manager.status({ signal })
    const { state, adopted = false, pid, url, pidFile, leases = [], users = [], host, role } = before
    const ours = state !== 'stopped' && !adopted
    if (ours && !ifIdle) tellClients(before, output)
    const where = role === 'follower' ? ` on ${host}, for all hosts` : ''
    const isSpared = ifIdle && (leases.length + users.length > 0 || role === 'follower')
    if (ours && !isSpared) progress.say(`${prefix(name)}stopping the server${where}${withPid(pid)}`)
    // The look above was without the lock and may be out of date. Call even if the server looked stopped or in use.
    const stopped = await manager.stopServer({ signal, ifIdle })
    progress.end()
    const inUse: AnyStatus | undefined = ifIdle && !stopped && ours ? await manager.status({ signal }) : undefined
    if (inUse !== undefined && inUse.state !== 'stopped') {
      tellClients(inUse, output)
      if (inUse.role === 'follower') note(`${inUse.host} runs it, and knows who uses it: call stop --if-idle there`)
      note(`it was left running${withPid(inUse.pid)}`)
    } else if (!stopped && adopted) {
      note(`${url ?? 'the server'} was not started by one-server`)
      note(`it was left running${withPid(pid)}`)
    } else note(stopped ? `stopped${withPid(pid)}` : 'nothing to stop')
    return { stopped, adopted: !stopped && adopted, pid, pidFile, leases: inUse?.leases ?? leases }
  } finally {
    progress.end()
  }
}

export const run = async (request: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const { servers, names } = request
  const ended = new Map<string | undefined, Promise<Stopped>>()
  for (const server of servers.toReversed()) {
    const above = servers.filter(({ needs }) => server.name !== undefined && needs.includes(server.name))
    const before = above.map(({ name }) => ended.get(name))
    // A server that does not end is reported, and the others are stopped all the same.
    ended.set(server.name, Promise.allSettled(before).then(() => stop(server, nameAmong(servers, server), request, output, signal)))
  }
  await Promise.allSettled(ended.values())
  const all = await Promise.all([...names.length === 0 ? [undefined] : names].map(async (name) => ({ name, ...await ended.get(name)! })))
  if (output.json) await output.document(all.length > 1 ? { servers: all } : await ended.get(names[0])!)
  return 0
}
