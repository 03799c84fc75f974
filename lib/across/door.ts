/**
 * The door: the only way to the server of an owner, so a steward that is killed, frozen or cut off cannot serve, whatever becomes of the
 * server's own process. It passes bytes and adds nothing to them: no authentication, no TLS. It looks at the term before each piece, and
 * also when a frozen steward wakes, since what waited in a socket is passed by the same code. It forwards to one address on this host.
 */
import type { AddressInfo, Server, Socket } from 'node:net'

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

/** Passes what one side says to the other for as long as the server may be reached. */
const pass = (from: Socket, to: Socket, serves: () => boolean, end: () => void): void => {
  from.on('data', (piece) => {
    if (!serves()) return end()
    if (!to.write(piece)) from.pause()
  })
  to.on('drain', () => from.resume())
  // One side may go on listening when it has said all: HTTP clients do that, and `nc -N`.
  from.on('end', () => (serves() ? to.end() : end()))
  from.on('error', end)
  from.on('close', end)
}

/** Rejects when it cannot listen there. */
export const openDoor = async ({ host, port, to, serves }: DoorPlan): Promise<Door> => {
  const { connect, createServer } = process.getBuiltinModule('node:net')
  const open = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (inside) => {
    if (!serves()) return void inside.resetAndDestroy()
    const outside = connect({ ...to, allowHalfOpen: true, noDelay: true })
    // A reset, and not an end: what was cut off must not look like a whole answer.
    const end = (): void => { for (const socket of [inside, outside]) if (!socket.destroyed) socket.resetAndDestroy() }
    for (const socket of [inside, outside]) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }
    pass(inside, outside, serves, () => closeOf(inside, outside, end))
    pass(outside, inside, serves, () => closeOf(inside, outside, end))
    outside.once('connect', () => (serves() ? inside.resume() : end()))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => resolve())
  })
  server.on('error', () => {})
  const { port: at } = server.address() as AddressInfo
  return {
    host, port: at,
    shut: () => {
      server.close()
      for (const socket of open) socket.resetAndDestroy()
    },
  }
}

/** After both sides have said all, nothing is left to cut off. */
const closeOf = (inside: Socket, outside: Socket, end: () => void): void => {
  if (!(inside.readableEnded && outside.readableEnded && inside.writableFinished && outside.writableFinished)) end()
}
