/**
 * Who listens on a port. A 200 proves that something answers, not that our server does: with two PID files on one
 * port, the loser would report the winner's server as its own. A connection attempt shows that something listens;
 * whose socket it is, only some platforms show.
 */
import { sockets } from './platform/current.js'
import type { Listener } from './platform/platform.js'

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

/** Whether a connection to this address is accepted. */
export const accepts = async (address: string, port: number): Promise<boolean> => {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    // Something that neither accepts nor refuses is in the way all the same.
    socket.setTimeout(CONNECTING, () => done(true))
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

/**
 * The sockets that a connection to this address and port would reach. A connection is tried first: to read its tables the
 * kernel walks through every bucket of its hash of connections, some ms each time, and mostly nothing listens.
 */
export const listenersAt = async (address: string, port: number): Promise<Listener[]> => {
  if (!(await accepts(address, port))) return []
  return sockets.reachedAt(address, port) ?? [{ address, uid: undefined, inode: undefined }]
}

export const { ownerOf } = sockets
