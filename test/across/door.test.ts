/** The door with real sockets: promise 1 over hosts. Nothing passes it past the term, and until then nothing is lost. */
import { once } from 'node:events'
import { Socket, type AddressInfo } from 'node:net'
import { get } from 'node:http'
import t from 'tap'
import { openDoor } from '../../lib/across/door.js'
import { startSpeaking } from '../support/child.js'
import { onLinux } from '../support/processes.js'
import { until } from '../support/until.js'
import { behindDoor, endOf, pump, reach, readAll, standsStill } from './behind-door.js'

t.test('each side may end by itself, in both orders', async (t) => {
  const { door } = await behindDoor(t, (socket) => {
    void readAll(socket).then(({ text }) => socket.end(`heard ${text}`))
  })
  const client = reach(t, door)
  client.end('all')
  t.match(await readAll(client), { text: 'heard all', how: 'end' })

  const other = await behindDoor(t, (socket) => {
    socket.end('first')
    void readAll(socket).then(({ bytes }) => { heard = bytes })
  })
  let heard = 0
  const slow = reach(t, other.door)
  t.match(await readAll(slow), { text: 'first', how: 'end' })
  pump(slow, 8 << 20)
  await until(() => heard === 8 << 20, 'the rest of what the client says after the server has ended')
  t.equal(heard, 8 << 20)
})

t.test('a side that has ended keeps the other end of its connection until all has been passed', async (t) => {
  let server: Socket | undefined
  let got = 0
  const { door } = await behindDoor(t, (socket) => {
    server = socket
    socket.end('early')
    socket.pause()
  })
  const client = reach(t, door)
  await readAll(client)
  // More than the kernel keeps.
  pump(client, 24 << 20)
  await standsStill(() => client.bytesWritten, 'the door to take no more')
  server!.on('data', (piece: Buffer) => { got += piece.length }).resume()
  t.equal(await endOf(server!), 'end')
  t.equal(got, 24 << 20)
})

t.test('the same of a last piece for which the kernel has no room', async (t) => {
  let got = 0
  const { door, sockets, server } = await behindDoor(t, (socket) => {
    socket.end('early')
    socket.pause()
  })
  const client = reach(t, door)
  await readAll(client)
  const { port } = server.address() as AddressInfo
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()
  const outside = handles.find((one): one is Socket => one instanceof Socket && one.remotePort === port)!
  let sent = 0
  for (const piece = Buffer.alloc(4096); outside.writableLength === 0; sent += piece.length) {
    await new Promise((resolve) => { client.write(piece, resolve) })
    await new Promise(setImmediate)
  }
  client.end()
  await until(() => outside.writableEnded, 'the door to hear of the end')
  t.ok(outside.writableLength > 0)
  const [socket] = sockets
  socket!.on('data', (piece: Buffer) => { got += piece.length }).resume()
  t.equal(await endOf(socket!), 'end')
  t.equal(got, sent)
})

t.test('a reader that takes its time holds the writer back, so memory stays bounded', async (t) => {
  let sent = 0
  const { door } = await behindDoor(t, (socket) => {
    const piece = Buffer.alloc(65536)
    const more = (): void => {
      while (sent < 512 << 20) {
        sent += piece.length
        if (!socket.write(piece)) return void socket.once('drain', more)
      }
    }
    more()
  })
  const client = reach(t, door)
  client.pause()
  await standsStill(() => sent, 'the writer to stand still')
  t.ok(sent < 64 << 20, `${sent >> 20} MiB, what the kernel keeps`)
})

t.test('five hundred connections at once, each with its own answer', async (t) => {
  const { door, sockets } = await behindDoor(t, (socket) => { socket.on('data', (piece: Buffer) => socket.end(piece)) })
  const answers = await Promise.all(Array.from({ length: 500 }, (_, index) => {
    const client = reach(t, door)
    client.write(`I am ${index}`)
    return readAll(client)
  }))
  t.ok(answers.every(({ text, how }, index) => text === `I am ${index}` && how === 'end'))
  t.equal(sockets.size, 500)
})

t.test('a server on [::1] alone', async (t) => {
  const { door } = await behindDoor(t, (socket) => socket.end('v6'), '::1')
  t.match(await readAll(reach(t, door)), { text: 'v6' })
})

t.test('a server that resets, and one that does not listen, end the connection with a reset', async (t) => {
  const { door, server } = await behindDoor(t, (socket) => { socket.once('data', () => socket.resetAndDestroy()) })
  const client = reach(t, door)
  client.write('x')
  t.match(await readAll(client), { how: 'ECONNRESET' })
  server.close()
  t.match(await readAll(reach(t, door)), { how: 'ECONNRESET' })
})

t.test('a client that resets ends the connection to the server', async (t) => {
  const { door, sockets } = await behindDoor(t, () => {})
  const client = reach(t, door)
  await until(() => sockets.size === 1, 'the server to be reached')
  client.resetAndDestroy()
  await until(() => [...sockets][0]!.destroyed, 'the server to hear of it')
})

for (const isEnded of [false, true]) {
  t.test(`an answer that the end of the term cuts off ends with a reset${isEnded ? ', also after the server has said all' : ''}`, onLinux, async (t) => {
    const { door, term } = await behindDoor(t, (socket) => {
      if (isEnded) socket.end(Buffer.alloc(256 << 10))
      else pump(socket, 64 << 20)
    })
    // Not Node: after a partial read libuv takes the reset of a socket for its end.
    const words = `exec 3<>/dev/tcp/127.0.0.1/${door.port}; head -c 1000 <&3 >/dev/null; echo began; read -r go; cat <&3 >/dev/null; echo "cat $?"`
    const { child, line } = startSpeaking(t, 'bash', ['-c', words], { stdio: ['pipe', 'pipe', 'ignore'] })
    t.equal(await line(), 'began')
    term.serves = false
    door.shut()
    child.stdin!.write('go\n')
    t.equal(await line(), 'cat 1', 'connection reset by peer')
  })
}

t.test('a term that is over passes nothing, without any call of shut', async (t) => {
  const heard: string[] = []
  const { door, term } = await behindDoor(t, (socket) => {
    socket.on('data', (piece: Buffer) => {
      heard.push(String(piece))
      socket.write('answer')
    })
  })
  const client = reach(t, door)
  client.write('before')
  await once(client, 'data')
  term.serves = false
  client.write('after')
  t.match(await readAll(client), { how: 'ECONNRESET', bytes: 0 })
  t.match(await readAll(reach(t, door)), { how: 'ECONNRESET' })
  t.strictSame(heard, ['before'])
})

t.test('an address that is taken, or is none of this host, rejects', async (t) => {
  const { door } = await behindDoor(t, () => {})
  const plan = { to: { host: '127.0.0.1', port: 1 }, serves: () => true }
  await t.rejects(openDoor({ ...plan, host: '127.0.0.1', port: door.port }), { code: 'EADDRINUSE' })
  await t.rejects(openDoor({ ...plan, host: '203.0.113.7', port: 0 }), { code: 'EADDRNOTAVAIL' })
})

t.test('keep-alive and an upgrade pass as they are', async (t) => {
  const { createServer: createHttp } = await import('node:http')
  const server = createHttp((_, response) => response.end('http')).on('upgrade', (_, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const door = await openDoor({ host: '127.0.0.1', port: 0, to: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, serves: () => true })
  t.teardown(() => {
    door.shut()
    server.close()
  })
  const client = reach(t, door)
  let text = ''
  client.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  for (const round of [1, 2, 3]) {
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => text.split('http').length === round + 1, `answer ${round} on one connection`)
  }
  const upgraded = get({ port: door.port, host: '127.0.0.1', headers: { connection: 'Upgrade', upgrade: 'echo' } })
  const [, socket] = (await once(upgraded, 'upgrade')) as [unknown, Socket]
  socket.on('error', () => {})
  socket.write('frame')
  t.match(String((await once(socket, 'data'))[0]), 'frame')
  socket.destroy()
})
