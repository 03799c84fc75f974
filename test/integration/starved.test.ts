/**
 * A busy machine is not a broken one: clients whose event loop was blocked, that were frozen or had no processor, against
 * everything that has a time limit. The answer had come, or comes as soon as the client goes on.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connects } from '../../lib/health/connect.js'
import { getUrl } from '../../lib/health/get.js'
import { listenersAt, ownerOf } from '../../lib/system/listeners.js'
import { library, startModule } from '../support/child.js'
import { allEnded, place, quietPort, together } from '../support/clients.js'
import { until } from '../support/until.js'

/** Holds the event loop of this process, without the processor. */
const block = (ms: number): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) }

/** A server in a process of its own, which answers at once, and speaks its body in two pieces. */
const server = async (t: Test): Promise<number> => {
  const { line } = startModule(t, `
    import { createServer } from 'node:http'
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json')
      response.write('{"launchId":"0123')
      setTimeout(() => response.end('456789abcdef"}'), 20)
    })
    server.listen(0, '127.0.0.1', () => console.log(server.address().port))`)
  return Number(await line())
}

const PLAN = { urls: [], headers: {} }

t.test('a starved loop: the health check reads the answer that came while the loop was blocked', async (t) => {
  const url = new URL(`http://127.0.0.1:${await server(t)}/`)
  for (const turns of [0, 1, 2, 3]) {
    const answer = getUrl(url, { ...PLAN, match: { text: 'abcdef' } }, 200, undefined, true)
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    block(700)
    t.same(await answer, { healthy: true, url: url.href, launchId: '0123456789abcdef' }, `blocked ${turns} turns after the request`)
  }
  const kept = getUrl(url, PLAN, 200, undefined)
  block(700)
  t.match(await kept, { healthy: true, launchId: '0123456789abcdef' }, 'without a match as well')
})

t.test('a starved loop: a connection that was accepted is one, and a port that refused is free', async (t) => {
  const port = await server(t)
  const free = await quietPort()
  const before = listenersAt('127.0.0.1', free)
  block(1500)
  t.same(await before, [], 'blocked as soon as it was asked')
  const asked = [connects(new URL(`tcp://127.0.0.1:${port}`), 50), connects(new URL(`tcp://127.0.0.1:${free}`), 50), listenersAt('127.0.0.1', free), listenersAt('127.0.0.1', port)]
  await new Promise(setImmediate)
  block(1500)
  t.match(await Promise.all(asked), [{ healthy: true }, { healthy: false, reason: 'the connection was refused' }, [], [{ address: '127.0.0.1' }]])
})

t.test('a starved server: one that is too busy to accept is there, with its owner', { skip: process.platform === 'linux' ? false : 'only Linux shows sockets' }, async (t) => {
  const { child, line } = startModule(t, `
    import { createServer } from 'node:net'
    const server = createServer(() => {})
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))`)
  const port = Number(await line())
  child.kill('SIGSTOP')
  const sockets: Socket[] = []
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  // The kernel accepts for it until the queue is full.
  for (let full = false; !full;) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    full = await Promise.race([once(socket, 'connect').then(() => false), new Promise<boolean>((resolve) => setTimeout(resolve, 300, true))])
  }
  const found = await listenersAt('127.0.0.1', port)
  t.match(found, [{ address: '127.0.0.1', inode: /^\d+$/ }])
  t.equal(ownerOf(found)?.pid, child.pid)
})

t.test('a frozen client: the time for which it stood still does not count against the server', async (t) => {
  const http = createServer()
  const request = once(http, 'request') as Promise<[unknown, ServerResponse]>
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => { http.closeAllConnections(); http.close() })
  const { port } = http.address() as AddressInfo
  const { child, line } = startModule(t, `
    import { getUrl } from '${library('health/get.js')}'
    // As long as the check may take, by a timer that began before it: once it fires, one that counts the freeze has fired, too.
    setTimeout(() => console.log('thawed'), 2000).unref()
    console.log(JSON.stringify(await getUrl(new URL('http://127.0.0.1:${port}/'), { urls: [], headers: {} }, 2000)))`)
  const [, response] = await request
  child.kill('SIGSTOP')
  block(2500)
  child.kill('SIGCONT')
  t.equal(await line(), 'thawed', 'it runs again, and has not given up')
  response.end()
  t.match(JSON.parse(await line()), { healthy: true })
})

t.test('a frozen client: a regular expression that had no processor is begun again', async (t) => {
  const { child, line } = startModule(t, `
    import { mismatch } from '${library('health/match.js')}'
    import { writeSync } from 'node:fs'
    // How long the text must be for a search of some 100 ms of this machine.
    const match = { source: '(a+)+b', flags: '' }
    let text = 'aaaaaaaaaaaaaa'
    for (let took = 0; took < 60;) {
      text += 'a'
      const before = process.cpuUsage()
      mismatch(text, match, 500, '')
      took = process.cpuUsage(before).user / 1000
    }
    writeSync(1, 'begins\\n')
    writeSync(1, mismatch(text, match, 500, 'searched to the end') + '\\n')`)
  t.equal(await line(), 'begins')
  child.kill('SIGSTOP')
  block(1000)
  child.kill('SIGCONT')
  t.equal(await line(), 'searched to the end')
})

t.test('a starved loop: a call that joined another gets the server that came up while the loop was blocked', async (t) => {
  const here = place(t)
  const first = here.manager('boots-after-300ms').ensureServerRunning()
  const second = here.manager('boots-after-300ms', { startupTimeout: 3000 }).ensureServerRunning()
  await until(() => here.starts().length > 0, 'the server to begin')
  block(4000)
  t.same([(await second).url, (await second).started], [(await first).url, false])
  await here.manager('boots-after-300ms').stopServer()
  here.nothingLeft(t)
})

t.test('a starved client: an exit code that came while the loop was blocked beyond the deadline is told', async (t) => {
  const here = place(t)
  const events: string[] = []
  const command = [process.execPath, '-e', 'setTimeout(() => process.exit(7), 200)']
  const call = here.manager('', { command, startupTimeout: 2000, onEvent: (event) => { events.push(event.type === 'waiting' ? event.for : event.type) } }).ensureServerRunning()
  const failed = call.then(() => undefined, (error: { code: string; exitCode?: number }) => error)
  await until(() => events.includes('health'), 'the launcher to wait')
  block(3000)
  t.match(await failed, { code: 'SERVER_EXITED', exitCode: 7 })
  t.same(here.alive(), [])
})

/** A client that has no processor right after each connection that it begins, for longer than the connection may take. */
const STARVES = `data:text/javascript,${encodeURIComponent(`
  import net from 'node:net'
  const { connect } = net
  net.connect = (...args) => {
    const socket = connect(...args)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700))
    return socket
  }`)}`

t.test('starved clients: a free fixed port is free', async (t) => {
  const here = place(t)
  const options = here.options('healthy', { port: await quietPort(), startupTimeout: 120_000 })
  const ended = await allEnded(await together(t, here, 2, options, { nodeArgs: ['--import', STARVES] }))
  t.same(ended.map(({ error }) => error?.message), [undefined, undefined])
  t.equal(here.starts().length, 1)
  here.oneAtATime(t)
  await here.manager('healthy').stopServer()
})
