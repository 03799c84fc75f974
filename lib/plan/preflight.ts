/**
 * Looks for what would make a launch fail while the server that it is to replace still runs. A server that was ended and
 * cannot be replaced is a loss to all its users, so a replacement looks first. The launch looks again for itself, because
 * all of this may change in between.
 */
import { dirname } from 'node:path'
import { noPortFree } from '../errors.js'
import type { AnyStatus } from '../server-info.js'
import { resolveCommand } from './command.js'
import type { Context } from '../context.js'
import { environmentFor } from './environment.js'
import { ownCommand } from './own-command.js'
import { listenersThere, occupantOf, portTaken } from './port.js'

/** The server that is to be replaced. */
export type Replaced = Pick<AnyStatus, 'launchId' | 'port'>

/** Throws COMMAND_NOT_FOUND, STATE_UNUSABLE or PORT_IN_USE where a launch would, as far as the machine shows it before. */
export const assertLaunchable = async (context: Context, replaced: Replaced): Promise<void> => {
  const { system, settings } = context
  const port = replaced.port ?? 0
  await resolveCommand(system, settings, port, environmentFor(settings, port, settings.command === undefined))
  await ownCommand(system, settings, port)
  // A log can be opened only where its folder can be made, as a launch makes it.
  await system.makeFolder(dirname(settings.logFile))
  await system.inspectLog(settings.logFile)
  await assertPort(context, replaced)
}

/**
 * Refuses a port only where the kernel shows that a process outside the replaced launch holds it: another holder may
 * go with the server.
 */
const assertPort = async (context: Context, { launchId, port: held }: Replaced): Promise<void> => {
  const { system, settings: { port } } = context
  if (port.kind === 'auto') return
  const ports = port.kind === 'fixed' ? [port.port] : port.ports
  for (const candidate of ports) {
    if (candidate === held) return
    const owner = await system.ownerOf(await listenersThere(context, candidate))
    if (owner === undefined || owner.launchId === launchId) return
    const occupant = await occupantOf(context, candidate)
    if (occupant.kind === 'none') return
    // A server that a person ran by hand would be used in its place, of any version.
    const { pid, what } = occupant.kind === 'stranger'
      ? occupant
      : { pid: occupant.server.pid, what: 'by a server that one-server did not start' }
    if (port.kind === 'fixed') throw portTaken(candidate, { pid, what })
  }
  throw noPortFree(ports)
}
