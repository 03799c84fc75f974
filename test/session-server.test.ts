/**
 * The bundled server as a real process over real sockets: what it answers, where it listens, and how
 * it ends. Each test waits for the line that the server prints once it listens, never for a time.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import getPort from 'get-port'
import t, { type Test } from 'tap'
import { within } from './support/within.js'

const SERVER = fileURLToPath(new URL('../lib/session-server.js', import.meta.url))

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
const needsIPv6 = hasIPv6 ? {} : { skip: 'this machine has no ::1' }

interface Run {
  readonly child: ChildProcess
  /** Resolves with the line that it prints when it listens; rejects when it exits first. */
  readonly listening: Promise<string>
  readonly exited: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>
}

/** Only what is named is in its environment: no launch id, PORT or HOST of the machine that runs the test. */
const run = (t: Test, env: Record<string, string>): Run => {
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8')
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const exited = once(child, 'close').then(([code, signal]: unknown[]) => ({ code: code as number | null, signal: signal as string | null, stdout, stderr }))
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text: string) => {
      stdout += text
      if (stdout.endsWith('\n')) resolve(stdout.trimEnd())
    })
    void exited.then(({ code }) => { reject(new Error(`exited with code ${code}: ${stderr}`)) })
  })
  listening.catch(() => {})
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, listening, exited }
}

interface Reply { readonly status: number | undefined; readonly headers: IncomingHttpHeaders; readonly body: string }

const ask = async (host: string, port: number, path: string, method = 'GET'): Promise<Reply> => {
  const outgoing = request({ host, port, path, method, agent: false }).end()
  const [response] = await once(outgoing, 'response')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, headers: response.headers, body }
}

t.test('the health check says that it is well, and who answers', async (t) => {
  const port = await getPort()
  const { child, listening } = run(t, { PORT: `${port}`, ONE_SERVER_LAUNCH_ID: 'abc123' })
  await listening
  const { status, headers, body } = await ask('127.0.0.1', port, '/api/health')
  t.equal(status, 200)
  t.equal(headers['content-type'], 'application/json')
  const health = JSON.parse(body)
  t.match(health, { status: 'ok', pid: child.pid, launchId: 'abc123', uptime: Number })
  t.same(Object.keys(health), ['status', 'pid', 'launchId', 'uptime'])
  t.ok(health.uptime > 0)
  t.equal((await ask('127.0.0.1', port, '/api/health?from=test')).status, 200, 'a query changes nothing')
})

t.test('HEAD answers like GET, without a body', async (t) => {
  const port = await getPort()
  await run(t, { PORT: `${port}` }).listening
  const { status, headers, body } = await ask('127.0.0.1', port, '/api/health', 'HEAD')
  t.equal(status, 200)
  t.ok(Number(headers['content-length']) > 0)
  t.equal(body, '')
})

t.test('what it does not know is a 404 in JSON, another method a 405', async (t) => {
  const port = await getPort()
  await run(t, { PORT: `${port}` }).listening
  for (const path of ['/', '/api/healthy', '/api/health/', '/api']) {
    const { status, headers, body } = await ask('127.0.0.1', port, path)
    t.equal(status, 404, path)
    t.equal(headers['content-type'], 'application/json')
    t.same(JSON.parse(body), { error: 'not found' })
  }
  const { status, headers } = await ask('127.0.0.1', port, '/api/health', 'POST')
  t.equal(status, 405)
  t.equal(headers.allow, 'GET, HEAD')
})

t.test('run by hand, it has no launch id', async (t) => {
  const port = await getPort()
  await run(t, { PORT: `${port}` }).listening
  t.equal(JSON.parse((await ask('127.0.0.1', port, '/api/health')).body).launchId, null)
})

t.test('localhost is both 127.0.0.1 and [::1]', needsIPv6, async (t) => {
  const port = await getPort()
  const { child, listening } = run(t, { PORT: `${port}` })
  t.equal(await listening, `session server: listening on http://127.0.0.1:${port} and http://[::1]:${port} (PID ${child.pid})`)
  for (const host of ['127.0.0.1', '::1']) t.equal(JSON.parse((await ask(host, port, '/api/health')).body).pid, child.pid, host)
})

t.test('HOST names the one address', async (t) => {
  const port = await getPort()
  const { child, listening } = run(t, { PORT: `${port}`, HOST: '127.0.0.1' })
  t.equal(await listening, `session server: listening on http://127.0.0.1:${port} (PID ${child.pid})`)
  t.equal((await ask('127.0.0.1', port, '/api/health')).status, 200)
  await t.rejects(ask('::1', port, '/api/health'), 'nothing listens on the other')
})

t.test('PORT comes before SESSION_SERVER_PORT', async (t) => {
  const first = await getPort()
  const second = await getPort({ exclude: [first] })
  t.match(await run(t, { SESSION_SERVER_PORT: `${first}` }).listening, `:${first} `)
  t.match(await run(t, { PORT: `${second}`, SESSION_SERVER_PORT: `${first}` }).listening, `:${second} `)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends it at once with code 0, whatever its clients hold open`, async (t) => {
    const port = await getPort()
    const { child, listening, exited } = run(t, { PORT: `${port}` })
    await listening

    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1')
    const kept = connect(port, '127.0.0.1')
    for (const socket of [silent, half, kept]) {
      socket.on('error', () => {})
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
    }
    half.write('GET /api/health HTTP/1.1\r\nHost: ')
    kept.write('GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    t.match(String((await once(kept, 'data'))[0]), /^HTTP\/1\.1 200 /, 'answered, and the connection is kept')

    const began = performance.now()
    child.kill(signal)
    t.match(await exited, { code: 0, signal: null, stderr: '' })
    // Node would keep an idle connection for 5 s and a half-sent request for 60 s.
    within(t, performance.now() - began, 2000, 'without waiting for any of them')
    await t.rejects(ask('127.0.0.1', port, '/api/health'), { code: 'ECONNREFUSED' })
  })
}

for (const taken of ['127.0.0.1', '::1']) {
  t.test(`a port that is taken on ${taken} is one line and exit code 1`, taken === '::1' ? needsIPv6 : {}, async (t) => {
    const stranger = createServer()
    stranger.listen(0, taken)
    await once(stranger, 'listening')
    t.teardown(() => stranger.close())
    const { port } = stranger.address() as AddressInfo
    const { code, stdout, stderr } = await run(t, { PORT: `${port}` }).exited
    t.equal(code, 1)
    t.equal(stdout, '', 'it never said that it listens')
    t.match(stderr, /^session server: cannot start: .*EADDRINUSE.*\n$/)
    t.match(stderr, `${taken}:${port}`)
  })
}

t.test('a port that is none is one line and exit code 1', async (t) => {
  for (const PORT of ['banana', '0', '65536', '-1', '3000.5']) {
    const { code, stderr } = await run(t, { PORT }).exited
    t.equal(code, 1, PORT)
    t.equal(stderr, `session server: cannot start: PORT must be an integer from 1 to 65535, got "${PORT}"\n`)
  }
})

t.test('an address that the machine does not have is one line and exit code 1', async (t) => {
  const { code, stderr } = await run(t, { PORT: `${await getPort()}`, HOST: '192.0.2.1' }).exited
  t.equal(code, 1)
  t.match(stderr, /^session server: cannot start: .*EADDRNOTAVAIL.*\n$/)
})
