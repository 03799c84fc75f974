/** The client of etcd before answers that no etcd gives, or only one in trouble: what is refused, what is tried elsewhere, what is let out. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Refused } from '../../lib/across/coordinator.js'
import type { EtcdPlan } from '../../lib/across/etcd-url.js'
import { until } from '../support/until.js'
import { failure, open, shown } from './engine.js'

const listening = async (t: Pick<Test, 'teardown'>, server: Server): Promise<number> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => { sockets.add(socket.on('error', () => {}).once('close', () => { sockets.delete(socket) })) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

const plan = (ports: readonly number[], more: Partial<EtcdPlan> = {}): EtcdPlan =>
  ({ engine: 'etcd', endpoints: ports.map((port) => ({ host: '127.0.0.1', port })), secure: false, prefix: 'ci', ...more })

const textOf = async (incoming: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of incoming.setEncoding('utf8')) text += chunk
  return text
}

interface Said { readonly path: string; readonly body: string; readonly authorization: string | undefined }

/** A server that answers what it is given for each path, and notes what it was asked. */
const serve = async (t: Pick<Test, 'teardown'>, answer: (said: Said, before: readonly Said[]) => readonly [status: number, body: object | string, headers?: Record<string, string> | undefined]) => {
  const asked: Said[] = []
  const listener: RequestListener = (incoming, outgoing) => {
    void textOf(incoming).then((body) => {
      const said = { path: incoming.url!, body, authorization: incoming.headers.authorization }
      const [status, text, headers] = answer(said, asked)
      asked.push(said)
      outgoing.writeHead(status, headers).end(typeof text === 'string' ? text : JSON.stringify(text))
    })
  }
  return { port: await listening(t, createServer(listener)), asked }
}

const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '2' }
const GOOD: Readonly<Record<string, object>> = {
  '/v3/kv/range': { header }, '/v3/lease/grant': { header, ID: '5', TTL: '3600' }, '/v3/kv/txn': { header, succeeded: true }, '/v3/auth/authenticate': { header, token: 'a-token.1' },
}

/** An answer to whatever is asked but leases and logins. */
const only = (status: number, body: object | string, headers?: Record<string, string>) => ({ path }: Said): readonly [number, object | string, (Record<string, string> | undefined)?] =>
  path === '/v3/lease/grant' || path === '/v3/auth/authenticate' ? [200, GOOD[path]!] : [status, body, headers]

t.test('what is no etcd is refused at once, and no other endpoint is asked', async (t) => {
  const other = await serve(t, ({ path }) => [200, GOOD[path]!])
  const strangers: readonly [string, number, object | string, Record<string, string>?][] = [
    ['a page that is missing', 404, '<html>Not Found</html>'], ['a page', 200, '<html>Welcome</html>'], ['nothing', 200, ''], ['JSON of another service', 200, { status: 'ok', header: 'x' }],
    ['a list', 200, '[]'], ['half of an answer', 200, '{"header":{"cluster_id":"1"'], ['a null', 200, 'null'], ['a header without a cluster', 200, { header: {} }], ['a header of another service', 200, { header: { revision: '7' }, succeeded: true }],
    ['half of a header, which says nothing of entries', 200, { header: { cluster_id: '1' } }], ['the same of a write that was carried out', 200, { header: { cluster_id: '1' }, succeeded: true }],
    ['a redirection', 302, '', { location: 'http://127.0.0.1:1/' }], ['a login page', 401, 'Unauthorized'], ['a proxy', 407, ''], ['no body', 204, ''],
    ['JSON that is no error of etcd', 400, { error: { code: 3 } }],
  ]
  for (const [name, ...answer] of strangers) {
    const { port } = await serve(t, only(...answer))
    for (const call of ['read', 'write'] as const) {
      const engine = open(t, plan([port, other.port]))
      const error = await failure(call === 'read' ? engine.read('a') : engine.write('a', 'x', 'any'))
      t.match(error, { name: 'Refused', message: new RegExp(`^127\\.0\\.0\\.1:${port}: what answers is not etcd v3 \\(`), hint: /etcd, 3\.4 or newer.*--enable-grpc-gateway/ }, `${name}, ${call}`)
    }
  }
  t.same(other.asked, [])
})

t.test('answers of etcd that lack what they must have are no answers', async (t) => {
  const { revision: _, ...without } = header
  const cases: readonly (readonly [string, object])[] = [
    ['write', { header: without, succeeded: true }], ['write', { header: { ...header, revision: 7 }, succeeded: true }], ['write', { header: { ...header, revision: 'seven' }, succeeded: true }], ['read', { header, kvs: {} }], ['read', { header, kvs: [{ key: 'YQ==' }] }],
  ]
  for (const [call, body] of cases) {
    const engine = open(t, plan([(await serve(t, only(200, body))).port]))
    t.match(await failure(call === 'read' ? engine.read('a') : engine.write('a', 'x', 'any')), { name: 'Refused', message: /not etcd v3/ }, JSON.stringify(body))
  }
})

t.test('what speaks another protocol is refused', async (t) => {
  for (const banner of ['SSH-2.0-OpenSSH_9.2\r\n', '-ERR unknown command\r\n', 'HTTP/1.1 abc\r\n\r\n']) {
    const port = await listening(t, createTcp((socket) => { socket.once('data', () => { socket.end(banner) }) }))
    t.match(await failure(open(t, plan([port])).read('a')), { name: 'Refused', message: /not etcd v3 \(it speaks no HTTP\)/ }, banner)
  }
  const { port } = await serve(t, ({ path }) => [200, GOOD[path]!])
  t.match(await failure(open(t, plan([port], { secure: true })).read('a')), { name: 'Refused', message: /it speaks no TLS/, hint: /write etcd:\/\/ or http:\/\// })
})

t.test('trouble of etcd, or of what stands before it: reads go on to the next endpoint, writes say that they may have been carried out', async (t) => {
  const other = await serve(t, ({ path }) => [200, GOOD[path]!])
  const message = (code: number, text: string, form: 'old' | 'new' = 'old') => ({ code, message: text, ...(form === 'old' && { error: text }) })
  const troubles: readonly [number, object | string, string][] = [
    [503, message(14, 'etcdserver: no leader'), 'etcdserver: no leader'], [503, message(14, 'etcdserver: leader changed', 'new'), 'etcdserver: leader changed'],
    [503, message(14, 'etcdserver: request timed out, possibly due to previous leader failure'), 'etcdserver: request timed out, possibly due to previous leader failure'],
    [429, message(8, 'etcdserver: too many requests'), 'etcdserver: too many requests'], [408, { code: 4, error: 'context deadline exceeded' }, 'context deadline exceeded'],
    [499, message(1, 'something', 'new'), 'HTTP 499'], [500, message(13, 'something'), 'HTTP 500'],
    [503, message(14, 'connection closed'), 'its JSON gateway does not reach etcd itself (with --client-cert-auth its certificate must be good for clientAuth, too)'],
    [503, message(14, 'connection error: desc = "error reading server preface: remote error: tls: bad certificate"', 'new'), 'its JSON gateway does not reach etcd itself (with --client-cert-auth its certificate must be good for clientAuth, too)'],
    [400, message(14, 'rpc error'), 'HTTP 400'],
    [502, '<html>Bad Gateway</html>', 'HTTP 502'], [503, '', 'HTTP 503'], [504, 'upstream request timeout', 'HTTP 504'],
  ]
  for (const [status, body, words] of troubles) {
    const { port, asked } = await serve(t, only(status, body))
    t.equal(await open(t, plan([port, other.port])).read('a'), undefined, words)
    other.asked.length = 0
    t.match(await failure(open(t, plan([port, other.port])).write('a', 'x', 'any')), { name: 'Unreachable', sent: true, message: `127.0.0.1:${port}: ${words}` })
    t.same([asked.filter(({ path }) => path === '/v3/kv/txn').length, other.asked], [1, []], 'sent once')
    t.match(await failure(open(t, plan([port])).read('a')), { name: 'Unreachable', sent: false, message: `127.0.0.1:${port}: ${words}` })
  }
})

t.test('an answer that is cut anywhere says that the write may have been carried out', async (t) => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"header":{"cluster_id":"1","revision":"7"}'
  for (const [length, ends] of [[0, true], [0, false], [8, true], [30, false], [60, true], [whole.length, true], [whole.length, false]] as const) {
    const port = await listening(t, createTcp((socket) => {
      socket.on('data', (data) => {
        const grant = `${JSON.stringify(GOOD['/v3/lease/grant'])}`
        if (data.includes('/v3/lease/grant')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${grant.length}\r\n\r\n${grant}`)
        else if (ends) socket.end(whole.slice(0, length))
        else socket.write(whole.slice(0, length), () => { socket.resetAndDestroy() })
      })
    }))
    const error = await failure(open(t, plan([port])).write('a', 'x', 'any'))
    t.match(error, { name: 'Unreachable', sent: true, message: `127.0.0.1:${port}: the connection was cut` }, `${length} bytes, ${ends ? 'end' : 'reset'}`)
  }
})

t.test('an answer without end is not read to its end, nor waited for', async (t) => {
  let closed = 0
  const endless = await listening(t, createServer((_, outgoing) => {
    const more = (): void => { while (!outgoing.destroyed && outgoing.write('x'.repeat(65_536))); }
    outgoing.on('drain', more).once('close', () => { closed++ })
    more()
  }))
  t.match(await failure(open(t, plan([endless])).read('a')), { name: 'Refused', message: /an answer of more than 1048576 bytes/ })
  await until(() => closed === 1, 'the connection to be closed')

  const slow = await listening(t, createServer((_, outgoing) => {
    const timer = setInterval(() => { outgoing.write(' ') }, 20)
    outgoing.once('close', () => { clearInterval(timer) })
  }))
  t.match(await failure(open(t, plan([slow]), 300).read('a')), { name: 'Unreachable', message: `127.0.0.1:${slow}: no answer within 300 ms` })
})

t.test('a request is sent when it is connected, and with TLS when the handshake is done', async (t) => {
  let heard = 0
  const silent = await listening(t, createTcp((socket) => { socket.on('data', () => { heard++ }) }))
  const other = await serve(t, ({ path }) => [200, GOOD[path]!])
  t.match(await failure(open(t, plan([silent], { secure: true }), 300).remove('a')), { name: 'Unreachable', sent: false, message: /no answer within 300 ms/ })
  t.ok(heard > 0, 'the handshake arrived')

  const grants = await listening(t, createServer((incoming, outgoing) => {
    if (incoming.url === '/v3/lease/grant') outgoing.end(JSON.stringify(GOOD['/v3/lease/grant']))
  }))
  t.match(await failure(open(t, plan([grants, other.port]), 300).write('a', 'x', 'any')), { name: 'Unreachable', sent: true })
  t.same(other.asked, [])
})

t.test('calls share connections', async (t) => {
  let connections = 0
  const { port } = await serve(t, ({ path }) => [200, GOOD[path]!])
  const between = await listening(t, createTcp((socket) => {
    connections++
    import('node:net').then(({ connect }) => { socket.pipe(connect(port, '127.0.0.1')).pipe(socket) }, () => {})
  }))
  const engine = open(t, plan([between]))
  for (let at = 0; at < 10; at++) await engine.write('a', 'x', 'any')
  t.equal(connections, 1)
})

t.test('what repeats whatever it was sent does not make this client repeat it', async (t) => {
  const secrets = { user: 'u-ci-7', password: 'p/ss-ci:7' }
  const forms: readonly ((said: Said) => readonly [number, object | string])[] = [
    ({ body, authorization }) => [400, { code: 3, message: `etcdserver: ${body} ${authorization}` }],
    ({ body, authorization }) => [503, { code: 14, message: `etcdserver: request timed out, ${body} ${authorization}` }],
    ({ body, authorization }) => [418, `${body} ${authorization}`],
    ({ body, authorization }) => [200, { header: [], said: `${body} ${authorization}` }],
    () => [400, { code: 3, message: 'etcdserver: request timed out u-ci-7' }],
    () => [200, { header, kvs: 'a-token.1' }],
  ]
  for (const [at, form] of forms.entries()) {
    for (const isLogin of [false, true]) {
      const { port } = await serve(t, (said) => (isLogin || said.path !== '/v3/auth/authenticate' ? form(said) : [200, GOOD[said.path]!]))
      const engine = open(t, plan([port], secrets))
      for (const call of [engine.read('a'), engine.write('a', 'x', 'any')]) {
        const all = shown(await failure(call))
        for (const secret of [...Object.values(secrets), 'a-token.1', 'cGFzcw']) t.notOk(all.includes(secret), `${at}: ${secret}: ${all}`)
      }
    }
  }
  for (const token of ['', 'a\r\nX-Evil: 1', 'a b', 7, 'ä']) {
    const { port, asked } = await serve(t, ({ path }) => [200, path === '/v3/auth/authenticate' ? { header, token } : GOOD[path]!])
    t.match(await failure(open(t, plan([port], secrets)).read('a')), { name: 'Refused', message: /a login without a token/ }, JSON.stringify(token))
    t.equal(asked.length, 1)
  }
})

t.test('a watch that is cut as soon as it is on starts again after pauses that grow, with a hint each time', async (t) => {
  const at: number[] = []
  const port = await listening(t, createServer((incoming, outgoing) => {
    at.push(performance.now())
    incoming.resume()
    outgoing.end(`${JSON.stringify({ result: { header, created: true } })}\n`)
  }))
  let hints = 0
  const engine = open(t, plan([port]))
  const end = engine.watch!('a/', () => { hints++ })
  await until(() => at.length === 5, 'five watches')
  await until(() => hints === 5, 'five hints')
  end()
  for (const [index, least] of [100, 200, 400, 800].entries()) t.ok(at[index + 1]! - at[index]! >= least - 5, `${at[index + 1]! - at[index]!} ms, at least ${least}`)
})

t.test('a token and a lease that are refused as soon as they were given are not asked for without end', async (t) => {
  const token = await serve(t, only(401, { code: 16, message: 'etcdserver: invalid auth token' }))
  t.match(await failure(open(t, plan([token.port], { user: 'ci', password: 'pw' })).write('a', 'x', 'any')), { name: 'Unreachable', sent: false, message: /does not accept the token that it gave/ })
  t.equal(token.asked.filter(({ path }) => path === '/v3/auth/authenticate').length, 2)
  const lease = await serve(t, only(404, { code: 5, message: 'etcdserver: requested lease not found' }))
  t.match(await failure(open(t, plan([lease.port])).write('a', 'x', 'any')), { name: 'Unreachable', sent: false })
  t.equal(lease.asked.filter(({ path }) => path === '/v3/kv/txn').length, 2)
})

t.test('other refusals of etcd keep their words where they are known', async (t) => {
  const cases: readonly [number, object, RegExp][] = [
    [400, { code: 3, message: 'etcdserver: request is too large' }, /etcdserver: request is too large$/], [400, { code: 3, message: 'etcdserver: something new' }, /: HTTP 400$/],
    [500, { code: 15, message: 'etcdserver: corrupt cluster' }, /its data are corrupt$/], [429, { code: 8, message: 'etcdserver: mvcc: database space exceeded' }, /database space exceeded$/],
  ]
  for (const [status, body, message] of cases) {
    const error = await failure(open(t, plan([(await serve(t, only(status, body))).port])).write('a', 'x', 'any'))
    t.match(error, { name: 'Refused', message })
    t.ok((error as Refused).hint.length > 10)
  }
})
