/**
 * The end of `run` and `hold` on the host that runs a server which other hosts use. Runners throw a host away when its command ends, and the
 * server with it, in the middle of the others' tests. So the command has ended, its exit code is known, and this process waits until no
 * other host uses the server.
 *
 * SIGTERM means that the host goes: then the server is stopped, which gives its claim back, and another host need not wait to start it. Any
 * other signal, such as Ctrl-C, ends the waiting and nothing else.
 */
import type { Server } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import type { AnyStatus } from '../server-info.js'
import type { Io, Output } from './output.js'

/** ms between two looks. */
const PAUSE = 1000

/** ms without `--linger`. */
const LONGEST = 3_600_000

const listed = (names: readonly string[]): string => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`)

/** The hosts that use a server of this one. Where it cannot be seen, nobody is waited for. */
const othersOf = async (manager: ClientProcessManager): Promise<string[]> => {
  const status: AnyStatus | undefined = await manager.status().catch(() => undefined)
  return status?.role === 'owner' ? [...new Set((status.users ?? []).map(({ host }) => host))].toSorted() : []
}

export const linger = async (servers: readonly Server[], longest: number | undefined, output: Output, io: Io): Promise<void> => {
  const managers = servers.filter(({ options }) => options.coordinator !== undefined).map(({ options }) => new ClientProcessManager(options))
  if (managers.length === 0) return
  const signals: NodeJS.Signals[] = []
  let interrupt!: () => void
  const interrupted = new Promise<void>((resolve) => { interrupt = resolve })
  io.divert((signal) => {
    signals.push(signal)
    interrupt()
  })
  let told = ''
  for (let left = longest ?? LONGEST; left > 0 && signals.length === 0; left -= PAUSE) {
    const others = [...new Set((await Promise.all(managers.map(othersOf))).flat())]
    if (others.length === 0) return
    const words = `waiting for ${listed(others)}, which still ${others.length === 1 ? 'uses' : 'use'} the server on this host`
    if (words !== told) output.note(words)
    told = words
    await Promise.race([new Promise((resolve) => { setTimeout(resolve, Math.min(PAUSE, left)) }), interrupted])
  }
  if (!signals.includes('SIGTERM')) return
  output.note('stopping the server, since this host was asked to end')
  await Promise.allSettled(managers.map((manager) => manager.stopServer()))
}
