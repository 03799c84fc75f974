/** A door that is shut, at whatever moment, and one whose process was frozen: it leaves no socket open, and passes nothing. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { library, startModule } from '../support/child.js'
import { onLinux, stateOf } from '../support/processes.js'
import { until } from '../support/until.js'
import { behindDoor, reach, readAll, standsStill } from './behind-door.js'

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
