/**
 * What would make a launch fail, looked for while the server that it is to replace still runs: one that was
 * ended and cannot be replaced is a loss to everybody who uses it, and none of them has asked for that.
 * A launch looks again for itself, since all of this may change in between.
 */
import { dirname } from 'node:path'
import { noPortFree } from '../errors.js'
import type { ServerStatus } from '../server-info.js'
import { resolveCommand } from './command.js'
import type { Context } from '../context.js'
import { environmentFor } from './environment.js'
import { listenersThere, occupantOf, portTaken } from './port.js'

/** The server that is to be replaced. */
export type Replaced = Pick<ServerStatus, 'launchId' | 'port'>

/** Throws COMMAND_NOT_FOUND, STATE_UNUSABLE or PORT_IN_USE where a launch would, as far as it can be told by now. */
export const assertLaunchable = async (context: Context, replaced: Replaced): Promise<void> => {
  const { system, settings } = context
  const port = replaced.port ?? 0
  await resolveCommand(system, settings, port, environmentFor(settings, port, settings.command === undefined))
  // As a launch does: where no folder can be made, no log can be opened.
  await system.makeFolder(dirname(settings.logFile))
  await system.inspectLog(settings.logFile)
  await assertPort(context, replaced)
}

/** Only a port that is seen to be held by a process of nobody's launch, or of another one, is refused: what cannot be seen may go with the server. */
const assertPort = async (context: Context, { launchId, port: held }: Replaced): Promise<void> => {
  const { system, settings: { port } } = context
  if (port.kind === 'auto') return
  const ports = port.kind === 'fixed' ? [port.port] : port.ports
  for (const candidate of ports) {
    if (candidate === held) return
    const owner = await system.ownerOf(await listenersThere(context, candidate))
    if (owner === undefined || owner.launch === launchId) return
    const occupant = await occupantOf(context, candidate)
    if (occupant.kind === 'none') return
    // What somebody ran by hand would be used in its place, of whatever version.
    const { pid, what } = occupant.kind === 'stranger' ? occupant : { pid: occupant.server.pid, what: 'by a server that one-server did not start' }
    if (port.kind === 'fixed') throw portTaken(candidate, { pid, what })
  }
  throw noPortFree(ports)
}
