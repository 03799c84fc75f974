/** A door with a server behind it, in this process, and what speaks to it: the means of the tests of the door. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { openDoor, type Door } from '../../lib/across/door.js'
import { until } from '../support/until.js'

/** A server whose connections are given to `serve`, and a door to it. */
export const behindDoor = async (t: Test, serve: (socket: Socket) => void, host = '127.0.0.1') => {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  }).listen(0, host)
  await once(server, 'listening')
  const term = { serves: true }
  const door = await openDoor({ host: '127.0.0.1', port: 0, to: { host, port: (server.address() as AddressInfo).port }, serves: () => term.serves })
  t.teardown(() => {
    door.shut()
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { door, server, sockets, term }
}

export const reach = (t: Test, { host, port }: Door): Socket => {
  const socket = connect({ host, port, allowHalfOpen: true })
  socket.on('error', () => {})
  t.teardown(() => { socket.destroy() })
  return socket
}

/** What comes until the end, and how it ends. */
export const readAll = (socket: Socket): Promise<{ bytes: number; text: string; how: string }> =>
  new Promise((resolve) => {
    let [bytes, text] = [0, '']
    socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (text.length < 1000) text += piece.toString('latin1')
    })
    socket.once('end', () => resolve({ bytes, text, how: 'end' }))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ bytes, text, how: error.code ?? error.message }))
  })

/** How it ends. */
export const endOf = (socket: Socket): Promise<string | undefined> =>
  Promise.race([once(socket, 'end').then(() => 'end'), once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code)])

export const pump = (socket: Socket, bytes: number): void => {
  const piece = Buffer.alloc(65536, 'x')
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      left -= piece.length
      if (!socket.write(piece)) return void socket.once('drain', more)
    }
    socket.end()
  }
  more()
}

/** Waits until a count does not grow any more. */
export const standsStill = async (count: () => number, what: string): Promise<void> => {
  let [before, same] = [-1, 0]
  await until(() => {
    same = count() === before ? same + 1 : 0
    before = count()
    return same > 40
  }, what)
}
