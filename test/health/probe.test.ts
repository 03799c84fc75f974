/** One health check, against real servers: what counts as healthy, what is told otherwise, and that nothing is left open by it. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { createServer as createRaw, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { addressesOf, bareHost, isLoopback } from '../../lib/health/address.js'
import { probe } from '../../lib/health/probe.js'
import { fixture, library, runModule } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { within } from '../support/within.js'

const serve = async (t: Test, answer: RequestListener, server: Server = createServer(answer), host = '127.0.0.1') => {
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const at = (port: number, path = '/') => `http://127.0.0.1:${port}${path}`
const plan = (...urls: string[]) => ({ urls, headers: {} })

t.test('2xx is healthy and nothing else is', async (t) => {
  const port = await serve(t, (request, response) => {
    const status = Number(request.url!.slice(1))
    response.writeHead(status, { location: at(port, '/200') }).end()
  })
  for (const status of [200, 201, 204, 299]) t.same(await probe(plan(at(port, `/${status}`)), 1000), { healthy: true, url: at(port, `/${status}`) }, `${status}`)
  for (const status of [301, 302, 307, 401, 404, 500, 503]) t.same(await probe(plan(at(port, `/${status}`)), 1000), { healthy: false, reason: `it answered ${status}` }, `${status}`)
})

t.test('it is one GET of the whole path, with the headers', async (t) => {
  const asked: unknown[] = []
  const port = await serve(t, ({ method, url, headers: { host, authorization } }, response) => {
    asked.push({ method, url, host, authorization })
    response.end()
  })
  await probe({ urls: [at(port, '/h/x?a=1&b')], headers: { authorization: 'Bearer x' } }, 1000)
  t.same(asked, [{ method: 'GET', url: '/h/x?a=1&b', host: `127.0.0.1:${port}`, authorization: 'Bearer x' }])
})

t.test('a check is like any client: it accepts every type and names itself, unless a header says otherwise', async (t) => {
  const asked: unknown[] = []
  const port = await serve(t, ({ headers: { accept, 'user-agent': agent } }, response) => {
    asked.push([accept, agent])
    // As connect-history-api-fallback decides (webpack-dev-server).
    response.writeHead(accept?.includes('*/*') && !accept.startsWith('application/json') ? 200 : 404).end()
  })
  t.match(await probe(plan(at(port)), 1000), { healthy: true })
  await probe({ ...plan(at(port)), headers: { Accept: 'text/html', 'USER-AGENT': 'me' } }, 1000)
  t.same(asked, [['*/*', 'one-server'], ['text/html', 'me']])
})

t.test('user and password of the URL are sent, as wait-on does, unless a header says otherwise', async (t) => {
  const asked: (string | undefined)[] = []
  const port = await serve(t, ({ headers: { authorization } }, response) => {
    asked.push(authorization)
    response.end()
  })
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  for (const user of ['me:p%40ss', 'me', ':pass', '%zz:x']) await probe(plan(`http://${user}@127.0.0.1:${port}/`), 1000)
  t.same(asked.splice(0), [basic('me:p@ss'), basic('me:'), basic(':pass'), basic('%zz:x')])
  await probe({ urls: [`http://me:pass@127.0.0.1:${port}/`], headers: { authorization: 'Bearer x' } }, 1000)
  t.same(asked, ['Bearer x'])
})

t.test('checks that follow each other share a connection, which is given up soon after', async (t) => {
  let connections = 0
  const server = createServer((_, response) => { response.end('ok') })
  server.on('connection', () => { connections++ })
  const port = await serve(t, () => {}, server)
  for (let check = 0; check < 5; check++) t.match(await probe(plan(at(port)), 1000), { healthy: true })
  t.equal(connections, 1)
  // A server that shuts down waits for the connections that it has.
  const closed = once(server, 'close')
  const began = performance.now()
  server.close()
  await closed
  within(t, performance.now() - began, 1000, 'it is given up')
})

t.test('checks in a row share one connection, and this client closes it soon after the last, however long the server would keep it', async (t) => {
  const sockets: Socket[] = []
  const server = createServer((_, response) => { response.end() })
  server.keepAliveTimeout = 3_600_000
  const port = await serve(t, () => {}, server.on('connection', (socket: Socket) => { sockets.push(socket) }))
  // The first check of a process keeps no connection.
  for (let check = 0; check < 5; check++) t.equal((await probe(plan(at(port)), 5000)).healthy, true)
  t.ok(sockets.length <= 2, `${sockets.length} connections`)
  await Promise.all(sockets.map((socket) => socket.destroyed || once(socket, 'close')))
})

t.test('a character that arrives in two pieces is one', async (t) => {
  const port = await serve(t, (_, response) => {
    response.write(Buffer.from([0xc3]))
    setTimeout(() => response.end(Buffer.from([0xa9])), 20)
  })
  t.equal((await probe({ ...plan(at(port)), match: { text: 'é' } }, 5000)).healthy, true)
})

t.test('a connection that was kept and is closed by now says nothing about the server', async (t) => {
  const server = createServer((_, response) => { response.end() })
  const port = await serve(t, () => {}, server)
  t.match(await probe(plan(at(port)), 1000), { healthy: true })
  // Closed in the same tick in which the next check is sent, so that its end has not been seen yet.
  server.closeAllConnections()
  t.match(await probe(plan(at(port)), 1000), { healthy: true })
})

t.test('why there is no answer is told in words', async (t) => {
  const silent = await serve(t, () => {})
  const rude = await serve(t, (request) => request.socket.destroy())
  const raw = createRaw((socket) => socket.end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1')
  await once(raw, 'listening')
  t.teardown(() => raw.close())
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  t.same(await probe(plan(at(port)), 1000), { healthy: false, reason: 'the connection was refused' })
  t.same(await probe(plan(at(silent)), 30), { healthy: false, reason: 'it did not answer within 30 ms' })
  t.same(await probe(plan(at(rude)), 1000), { healthy: false, reason: 'the connection was closed without an answer' })
  t.match(await probe(plan(at((raw.address() as AddressInfo).port)), 1000), { healthy: false, reason: /Parse Error/ })
  t.match(await probe(plan('http://name.invalid:1/'), 2000), { healthy: false, reason: String })
  t.same(await probe(plan(), 1000), { healthy: false, reason: 'there is no URL to ask' })
})

t.test('of several URLs the first that answers is told', async (t) => {
  const asked: string[] = []
  const good = await serve(t, (request, response) => {
    asked.push(request.url!)
    response.writeHead(request.url === '/bad' ? 503 : 200).end()
  })
  t.same(await probe(plan(at(good, '/bad'), at(good, '/a'), at(good, '/b')), 1000), { healthy: true, url: at(good, '/a') })
  t.same(asked, ['/bad', '/a'], 'and the others are not asked')
})

t.test('when none answers, the reason is that of the one that said most', async (t) => {
  const bad = await serve(t, (_, response) => { response.writeHead(503).end() })
  // Nothing can listen on port 0.
  const refused = 'http://127.0.0.1:0/'
  for (const urls of [[refused, at(bad)], [at(bad), refused]]) t.same(await probe(plan(...urls), 1000), { healthy: false, reason: 'it answered 503' })
})

t.test('over loopback a server may sign its own certificate, elsewhere it may not', async (t) => {
  const pem = (name: string) => readFileSync(fixture(name))
  const port = await serve(t, () => {}, createSecure({ key: pem('https-key.pem'), cert: pem('https-cert.pem') }, (_, response) => { response.end() }), '0.0.0.0')
  t.same(await probe(plan(`https://127.0.0.1:${port}/`), 1000), { healthy: true, url: `https://127.0.0.1:${port}/` })
  t.match(await probe(plan(`https://localhost:${port}/`), 1000), { healthy: true })
  // Reaches the same server by a name that is not loopback's.
  t.match(await probe(plan(`https://0.0.0.0:${port}/`), 1000), { healthy: false, reason: /self-signed certificate/ })
  t.match(await probe(plan(`http://127.0.0.1:${port}/`), 1000), { healthy: false }, 'http to https is no answer')
})

t.test('an endless answer holds neither this process nor the connection', async (t) => {
  let closed: Promise<unknown> | undefined
  const port = await serve(t, (request, response) => {
    request.socket.on('error', () => {})
    closed = new Promise((resolve) => { request.socket.once('close', resolve) })
    response.writeHead(200).write('first')
    const more = setInterval(() => response.write('more'), 5)
    request.socket.once('close', () => clearInterval(more))
  })
  t.same(await probe(plan(at(port)), 50), { healthy: true, url: at(port) })
  await closed
  const { code, stdout } = await runModule(t, `
    import { probe } from '${library('health/probe.js')}'
    console.log(JSON.stringify(await probe({ urls: ['${at(port)}'], headers: {} }, 60000)))`)
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { healthy: true })
})

t.test('a log that has become a FIFO holds nobody', async (t) => {
  const file = join(tempFolder(t), 'l.log')
  spawnSync('mkfifo', [file])
  const { code, stdout } = await runModule(t, `
    import { probe } from '${library('health/probe.js')}'
    console.log((await probe({ urls: ['http://127.0.0.1:1/'], headers: {}, log: { file: ${JSON.stringify(file)}, match: { text: 'x' } } }, 1000)).healthy)`)
  t.same({ code, stdout }, { code: 0, stdout: 'false\n' })
})

t.test('a body is looked through once, however much follows', async (t) => {
  let closed: Promise<unknown> | undefined
  const port = await serve(t, (request, response) => {
    closed = new Promise((resolve) => { request.socket.once('close', resolve) })
    let left = 10
    const more = setInterval(() => {
      response.write('x'.repeat(32 * 1024))
      if (--left > 0) return
      clearInterval(more)
      response.end()
    }, 2)
  })
  const looks = t.capture(String.prototype, 'includes', String.prototype.includes)
  t.match(await probe({ ...plan(at(port)), match: { text: 'never said' } }, 5000), { healthy: false })
  // The connection is kept for a moment, and its end comes after all of the body.
  await closed
  t.equal(looks().filter(({ args: [text] }) => text === 'never said').length, 1)
})

t.test('a regular expression that backtracks without end is over with its check', async (t) => {
  // Some seconds of it, that a failure of this test is told.
  const text = `${'a'.repeat(28)}!`
  const source = '^(a+)+$'
  const reason = `the regular expression /${source}/ did not end within 50 ms`
  const port = await serve(t, (_, response) => { response.end(text) })
  t.same(await probe({ ...plan(at(port)), match: { source, flags: '' } }, 50), { healthy: false, reason })
  const file = join(tempFolder(t), 'l.log')
  writeFileSync(file, text)
  t.same(await probe({ ...plan(at(port)), log: { file, match: { source, flags: '' } } }, 50), { healthy: false, reason })
  t.match(await probe({ ...plan(at(port)), match: { source: 'A!$', flags: 'i' } }, 1000), { healthy: true }, 'and one that ends is none')
})

t.test('a server that promises more than it sends throws nowhere', async (t) => {
  const port = await serve(t, (request, response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('x', () => request.socket.destroy())
  })
  const { code, stdout, stderr } = await runModule(t, `
    import { probe } from '${library('health/probe.js')}'
    console.log((await probe({ urls: ['${at(port)}'], headers: {} }, 1000)).healthy)`)
  t.same({ code, stdout, stderr }, { code: 0, stdout: 'true\n', stderr: '' })
})

t.test('a proxy in the environment is not asked', async (t) => {
  const port = await serve(t, (_, response) => { response.end() })
  const { stdout } = await runModule(t, `
    import { probe } from '${library('health/probe.js')}'
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) process.env[name] = 'http://127.0.0.1:1'
    console.log((await probe({ urls: ['${at(port)}'], headers: {} }, 1000)).healthy)`)
  t.equal(stdout, 'true\n')
})

t.test('where a server is reached follows from where it listens', async (t) => {
  t.same(addressesOf('localhost'), ['127.0.0.1', '[::1]'])
  t.same(addressesOf('0.0.0.0'), ['127.0.0.1'])
  t.same(addressesOf('::'), ['[::1]', '127.0.0.1'])
  t.same(addressesOf('::1'), ['[::1]'])
  t.same(addressesOf('192.0.2.1'), ['192.0.2.1'])
  t.same(addressesOf('my.host'), ['my.host'])
  t.equal(bareHost('[::1]'), '::1')
  t.equal(bareHost('my.host'), 'my.host')
})

t.test('loopback is what cannot leave the machine', async (t) => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]']) t.equal(isLoopback(host), true, host)
  for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', 'my.host']) t.equal(isLoopback(host), false, host)
})
