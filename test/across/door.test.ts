/** The door with real sockets and processes: promise 1 over hosts. Nothing passes it past the term, and until then nothing is lost. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { get } from 'node:http'
import t, { type Test } from 'tap'
import { openDoor, type Door } from '../../lib/across/door.js'
import { library, startModule, startSpeaking } from '../support/child.js'
import { onLinux, stateOf } from '../support/processes.js'
import { until } from '../support/until.js'

/** A server whose connections are given to `serve`, and a door to it. */
const behindDoor = async (t: Test, serve: (socket: Socket) => void, host = '127.0.0.1') => {
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

const reach = (t: Test, { host, port }: Door): Socket => {
  const socket = connect({ host, port, allowHalfOpen: true })
  socket.on('error', () => {})
  t.teardown(() => { socket.destroy() })
  return socket
}

/** What comes until the end, and how it ends. */
const readAll = (socket: Socket): Promise<{ bytes: number; text: string; how: string }> =>
  new Promise((resolve) => {
    let [bytes, text] = [0, '']
    socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (text.length < 1000) text += piece.toString('latin1')
    })
    socket.once('end', () => resolve({ bytes, text, how: 'end' }))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ bytes, text, how: error.code ?? error.message }))
  })

const pump = (socket: Socket, bytes: number): void => {
  const piece = Buffer.alloc(65536, 'x')
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      const next = piece.subarray(0, left)
      left -= next.length
      if (!socket.write(next)) return void socket.once('drain', more)
    }
    socket.end()
  }
  more()
}

/** Waits until a count does not grow any more. */
const standsStill = async (count: () => number, what: string): Promise<void> => {
  let [before, same] = [-1, 0]
  await until(() => {
    same = count() === before ? same + 1 : 0
    before = count()
    return same > 40
  }, what)
}

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
  // More than the kernel keeps, and a last piece that waits in the door when it has read the end.
  const all = (24 << 20) + 1000
  pump(client, all)
  await standsStill(() => client.bytesWritten, 'the door to take no more')
  const ended = Promise.race([once(server!, 'end').then(() => 'end'), once(server!, 'error').then(([error]) => (error as NodeJS.ErrnoException).code)])
  server!.on('data', (piece: Buffer) => {
    got += piece.length
    server!.pause()
    setTimeout(() => { server!.resume() }, 1)
  }).resume()
  t.equal(await ended, 'end')
  t.equal(got, all)
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

t.test('a door that is shut is gone: nothing listens, and each connection ends', async (t) => {
  const { door, sockets } = await behindDoor(t, () => {})
  const clients = [reach(t, door), reach(t, door)]
  const answers = clients.map(readAll)
  await until(() => sockets.size === 2, 'both to be connected')
  door.shut()
  t.match(await Promise.all(answers), [{ how: 'ECONNRESET' }, { how: 'ECONNRESET' }])
  t.match(await readAll(reach(t, door)), { how: 'ECONNREFUSED' })
  await until(() => [...sockets].every(({ destroyed }) => destroyed), 'the server to hear of it')
})

t.test('a door that is shut while it connects, or right after an end, leaves no socket open', async (t) => {
  const { line } = startModule(t, `
    import { connect, createServer } from 'node:net'
    import { openDoor } from '${library('across/door.js')}'
    const server = createServer({ allowHalfOpen: true }, (socket) => { socket.on('error', () => {}); socket.end('x') }).listen(0, '127.0.0.1', async () => {
      const to = { host: '127.0.0.1', port: server.address().port }
      for (let round = 0; round < 50; round++) {
        let looks = 0
        const door = await openDoor({ host: '127.0.0.1', port: 0, to, serves: () => {
          // Right after the door has begun to connect, after the n-th look: in the middle of whatever it does.
          if (++looks > round % 5) queueMicrotask(() => door.shut())
          return true
        } })
        await new Promise((resolve) => connect({ ...door, allowHalfOpen: true }).on('error', () => {}).on('close', resolve).on('end', function () { this.end() }).resume())
        door.shut()
      }
      server.close()
      setInterval(() => {
        const open = process.getActiveResourcesInfo().filter((name) => /TCP/.test(name))
        if (open.length === 0) { console.log('none'); process.exit() }
      }, 5)
    })`)
  t.equal(await line(), 'none')
})

t.test('a door that is shut while it connects to a server that takes no more connections leaves no socket open', onLinux, async (t) => {
  const { child, line } = startModule(t, `
    import { createServer } from 'node:net'
    const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port))`)
  const port = Number(await line())
  child.kill('SIGSTOP')
  await until(() => stateOf(child.pid!) === 'T', 'it to be frozen')
  // The kernel takes as many as the backlog says, and then answers no more.
  const others = Array.from({ length: 4 }, () => reach(t, { host: '127.0.0.1', port, shut: () => {} }))
  await standsStill(() => others.filter(({ connecting }) => !connecting).length, 'its backlog to be full')
  t.ok(others.some(({ connecting }) => connecting))
  const shut = startModule(t, `
    import { connect } from 'node:net'
    import { openDoor } from '${library('across/door.js')}'
    const door = await openDoor({ host: '127.0.0.1', port: 0, to: { host: '127.0.0.1', port: Number(process.argv[1]) }, serves: () => {
      setImmediate(() => door.shut())
      return true
    } })
    connect(door).on('error', () => {}).on('close', () => {
      setInterval(() => { if (!process.getActiveResourcesInfo().some((name) => /TCP/.test(name))) { console.log('none'); process.exit() } }, 5)
    })`, [String(port)])
  t.equal(await shut.line(), 'none')
})

t.test('a steward that was frozen passes nothing of what waited when it wakes past its term', onLinux, async (t) => {
  const heard: string[] = []
  const server = createServer((socket) => socket.on('error', () => {}).on('data', (piece: Buffer) => {
    heard.push(String(piece))
    socket.write('answer')
  })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  const { child, line } = startModule(t, `
    import { openDoor } from '${library('across/door.js')}'
    const until = Date.now() + Number(process.argv[2])
    const door = await openDoor({ host: '127.0.0.1', port: 0, to: { host: '127.0.0.1', port: Number(process.argv[1]) }, serves: () => Date.now() < until })
    console.log(door.port, until)`, [String(port), '4000'])
  const [at, over] = (await line()).split(' ').map(Number)
  const client = reach(t, { host: '127.0.0.1', port: at!, shut: () => {} })
  client.write('before')
  await once(client, 'data')
  child.kill('SIGSTOP')
  await until(() => stateOf(child.pid!) === 'T', 'it to be frozen')
  client.write('after')
  // A connection that the kernel has accepted, and the door has not.
  const newcomer = reach(t, { host: '127.0.0.1', port: at!, shut: () => {} })
  newcomer.write('a newcomer')
  await until(() => Date.now() > over!, 'the term to be over')
  child.kill('SIGCONT')
  t.match(await Promise.all([readAll(client), readAll(newcomer)]), [{ how: 'ECONNRESET' }, { how: 'ECONNRESET' }])
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
