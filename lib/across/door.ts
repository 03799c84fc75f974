/**
 * The door: the only way to the server of an owner, so a steward that is killed, frozen or cut off cannot serve, whatever becomes of the
 * server's own process. It passes bytes and adds nothing to them: no authentication, no TLS. It looks at the term before each piece, and
 * also when a frozen steward wakes, since what waited in a socket is passed by the same code. It forwards to one address on this host.
 *
 * What the term cuts off ends with a reset: a clean end would make half an answer look like a whole one. Each side may end by itself, as
 * `nc -N` and HTTP/1.0 clients do, and the other side then has all the time that the term leaves to say the rest.
 */
import type { AddressInfo, Socket } from 'node:net'

export interface Door {
  /** Where it listens. */
  readonly host: string
  readonly port: number
  /** Ends every connection, and listens no more. */
  shut(): void
}

export interface DoorPlan {
  /** Where it listens; port 0 is any free one. */
  readonly host: string
  readonly port: number
  /** Where the server listens, on this host. */
  readonly to: { readonly host: string; readonly port: number }
  /** Whether the server may be reached now. */
  readonly serves: () => boolean
}

/** Ends a connection so that its other end cannot take it for complete. */
const cut = (socket: Socket): void => {
  if (socket.destroyed) return
  // The kernel refuses to reset what is being shut down, and Node would keep it open for ever: all was passed, so its end is no lie. Node
  // delays the reset of what is not connected yet until it is, which may be never.
  const isShuttingDown = socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished
  if (socket.connecting || isShuttingDown) socket.destroy()
  else socket.resetAndDestroy()
}

/** Whether both ends said all that they had to say. */
const isComplete = (socket: Socket): boolean => socket.readableEnded && socket.writableFinished

/** Passes what one side says to the other for as long as the server may be reached. */
const pass = (from: Socket, to: Socket, serves: () => boolean, end: () => void): void => {
  from.on('data', (piece) => {
    if (!serves()) return end()
    if (!to.write(piece)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => (serves() ? to.end() : end()))
  // A connection that is complete on one side may have bytes left on the other.
  from.on('close', () => { if (!isComplete(from)) end() })
}

/** Rejects when it cannot listen there. */
export const openDoor = async ({ host, port, to, serves }: DoorPlan): Promise<Door> => {
  const { connect, createServer } = process.getBuiltinModule('node:net')
  const open = new Set<Socket>()
  let isShut = false
  const mayPass = (): boolean => !isShut && serves()
  const keep = (socket: Socket, end: () => void): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', end)
  }
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (inside) => {
    keep(inside, () => end())
    if (!mayPass()) return cut(inside)
    const outside = connect({ ...to, allowHalfOpen: true, noDelay: true })
    const end = (): void => {
      cut(inside)
      cut(outside)
    }
    keep(outside, end)
    pass(inside, outside, mayPass, end)
    pass(outside, inside, mayPass, end)
    outside.once('connect', () => (mayPass() ? inside.resume() : end()))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => resolve())
  })
  // Too many open files: the kernel keeps the connection waiting, and the next one that ends makes room.
  server.on('error', () => {})
  const { port: at } = server.address() as AddressInfo
  return {
    host, port: at,
    shut: () => {
      isShut = true
      server.close()
      for (const socket of open) cut(socket)
    },
  }
}
