/**
 * Who listens on a port. A 200 proves that something answers, not that our server does: with two PID files on one
 * port, the loser would report the winner's server as its own. A connection attempt shows that something listens;
 * whose socket it is, only some platforms show.
 */
import { stateUnusable } from '../errors.js'
import { connectTo } from '../health/connect.js'
import { sockets } from './platform/current.js'
import type { Listener } from './platform/platform.js'

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

const LIMITS = 'Check the limits on open files and memory (ulimit -n), and call again.'

/** Failures of this process, which say nothing about the port. */
const OWN_FAILURES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']

/**
 * The sockets that a connection to this address and port would reach. A connection is tried first: to read its tables the
 * kernel walks through every bucket of its hash of connections, some ms each time, and mostly nothing listens.
 *
 * Something that neither accepts nor refuses may be a busy server, or a firewall before a free port. The kernel's table
 * tells one from the other; only where it is not shown does silence count as a listener.
 */
export const listenersAt = async (address: string, port: number): Promise<Listener[]> => {
  const answer = await connectTo({ host: address, port }, CONNECTING)
  if (answer instanceof Error) {
    if (!OWN_FAILURES.includes((answer as NodeJS.ErrnoException).code)) return []
    throw stateUnusable(`port ${port}`, 'it cannot be told whether something listens', LIMITS, answer)
  }
  const shown = sockets.reachedAt(address, port)
  if (shown === undefined || (shown.length === 0 && answer === 'accepted')) return [{ address, uid: undefined, inode: undefined }]
  return shown
}

export const { ownerOf, listensAt } = sockets
