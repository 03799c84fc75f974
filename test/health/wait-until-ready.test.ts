/**
 * Readiness, with the real wait-on against real servers that begin to listen and to answer when the
 * test says so.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { networkInterfaces } from 'node:os'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { waitUntilReady as wait } from '../../lib/health/wait-until-ready.js'
import { bareEnv, fixture, library, runModule, startModule } from '../support/child.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

const waitUntilReady = async (...call: Parameters<typeof wait>): Promise<string | undefined> => (await wait(...call))?.url

const never = new Promise<never>(() => {})

const bind = async (t: Test, server: Server, host = '127.0.0.1', port = 0) => {
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const serve = (t: Test, answer: RequestListener, host?: string) => bind(t, createServer(answer), host)

const plan = (...urls: string[]) => ({ urls, headers: {} })

/** Checks at pauses of 20 ms, of which wait-on makes the last ones. */
const MANY = 40

t.test('the URL that answers is told', async (t) => {
  const url = `http://127.0.0.1:${await serve(t, (_, response) => { response.end() })}/h`
  t.equal(await waitUntilReady(plan(url), 200, 500, never), url)
})

t.test('a server that does not listen yet is not asked, and found as soon as it does', async (t) => {
  const server = createServer((_, response) => { response.end() })
  const port = await bind(t, server)
  server.close()
  await once(server, 'close')
  const url = `http://127.0.0.1:${port}/`
  const ready = waitUntilReady(plan(url), 200, 500, never)
  await new Promise((resolve) => { setImmediate(resolve) })
  await bind(t, server, '127.0.0.1', port)
  t.equal(await ready, url)
})

t.test('wait-on asks as our own check does: for every type, and with our name', async (t) => {
  const asked = new Set<string>()
  let count = 0
  const url = `http://127.0.0.1:${await serve(t, ({ headers: { accept, 'user-agent': agent } }, response) => {
    asked.add(`${accept} ${agent}`)
    response.writeHead(++count < MANY ? 503 : 200).end()
  })}/`
  t.equal(await waitUntilReady(plan(url), 20, 500, never), url)
  t.same([...asked], ['*/* one-server'])
})

t.test('anything but 2xx on GET is not ready yet', async (t) => {
  const asked: unknown[] = []
  const url = `http://127.0.0.1:${await serve(t, (request, response) => {
    asked.push({ method: request.method, url: request.url, header: request.headers['x-token'] })
    response.writeHead(asked.length < MANY ? [503, 302, 404][asked.length % 3]! : 200, { location: '/elsewhere' }).end()
  })}/h?x=1`
  t.equal(await waitUntilReady({ urls: [url], headers: { 'x-token': 'secret' } }, 20, 500, never), url)
  t.same(asked, Array.from({ length: MANY }, () => ({ method: 'GET', url: '/h?x=1', header: 'secret' })), 'each with the headers, and no redirect was followed')
})

t.test('an answer that does not come is not waited for longer than its time', async (t) => {
  let first: Promise<unknown> | undefined
  const url = `http://127.0.0.1:${await serve(t, (request, response) => {
    if (first !== undefined) response.end()
    request.socket.on('error', () => {})
    first ??= new Promise((resolve) => { request.socket.once('close', resolve) })
  })}/`
  t.equal(await waitUntilReady(plan(url), 20, 50, never), url)
  // Or requests would pile up at a server that is busy.
  await first
})

for (const served of ['127.0.0.1', '::1']) {
  t.test(`of two addresses the one that is served is told: ${served}`, hasIPv6 ? {} : { skip: 'this machine has no ::1' }, async (t) => {
    const port = await serve(t, (_, response) => { response.end() }, served)
    const urls = ['127.0.0.1', '[::1]'].map((host) => `http://${host}:${port}/`)
    t.equal(await waitUntilReady(plan(...urls), 200, 500, never), urls[served === '::1' ? 1 : 0])
  })
}

t.test('an address that listens and never answers does not stand in the way of the other', hasIPv6 ? {} : { skip: 'this machine has no ::1' }, async (t) => {
  const port = await serve(t, () => {})
  await bind(t, createServer((_, response) => { response.end() }), '::1', port)
  t.equal(await waitUntilReady(plan(`http://127.0.0.1:${port}/`, `http://[::1]:${port}/`), 20, 50, never), `http://[::1]:${port}/`)
})

t.test('over loopback a server may sign its own certificate, elsewhere it may not', async (t) => {
  const pem = (name: string) => readFileSync(fixture(name))
  let strangers = 0
  const server = createSecure({ key: pem('https-key.pem'), cert: pem('https-cert.pem') }, (_, response) => { response.end() })
  server.on('tlsClientError', () => { strangers++ })
  const port = await bind(t, server, '0.0.0.0')
  t.equal(await waitUntilReady(plan(`https://127.0.0.1:${port}/`), 20, 500, never), `https://127.0.0.1:${port}/`)
  const refused = until(() => strangers > 1, 'the certificate to be refused twice')
  t.equal(await waitUntilReady(plan(`https://0.0.0.0:${port}/`), 20, 500, refused), undefined)
  await refused
})

t.test('it ends as soon as there is nothing to wait for any more, however that is told', async (t) => {
  const silent = `http://127.0.0.1:${await serve(t, () => {})}/`
  // Nothing can listen on port 0.
  for (const url of ['http://127.0.0.1:0/', silent]) {
    for (const over of [async () => {}, async () => { throw new Error('over') }, () => new Promise((resolve) => { setTimeout(resolve, 30) })]) {
      const began = performance.now()
      t.equal(await waitUntilReady(plan(url), 600, 600, over()), undefined)
      within(t, performance.now() - began, 500, 'at once')
    }
  }
})

t.test('a proxy in the environment is not asked', async (t) => {
  // Not ready at first, so that wait-on, which would ask it, is loaded.
  let asked = 0
  const url = `http://127.0.0.1:${await serve(t, (_, response) => { response.writeHead(asked++ < MANY ? 503 : 200).end() })}/`
  const { stdout } = await runModule(t, `
    import { waitUntilReady } from '${library('health/wait-until-ready.js')}'
    const over = new Promise((resolve) => { setTimeout(resolve, 4000).unref() })
    console.log((await waitUntilReady({ urls: ['${url}'], headers: {} }, 20, 500, over)).url)`, [],
  { env: { ...bareEnv(), HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1', NO_PROXY: '', no_proxy: '' } })
  t.equal(stdout, `${url}\n`)
})

t.test('a server that is ready a few checks after it listens costs no wait-on', async (t) => {
  let asked = 0
  const url = `http://127.0.0.1:${await serve(t, (_, response) => { response.writeHead(++asked < 5 ? 503 : 200).end() })}/`
  const { stdout } = await runModule(t, `
    import { createRequire } from 'node:module'
    import { waitUntilReady } from '${library('health/wait-until-ready.js')}'
    await waitUntilReady({ urls: ['${url}'], headers: {} }, 20, 60_000, new Promise(() => {}))
    console.log(Object.keys(createRequire('/').cache).filter((file) => /wait-on|axios|rxjs|joi/.test(file)).length)`)
  t.equal(stdout, '0\n')
})

/** A process that waits for a server which never answers, until it has been asked; `then` is run in it once the wait is over. */
const overWhileAsked = async (t: Test, then: string) => {
  let asked = 0
  const url = `http://127.0.0.1:${await serve(t, () => { asked++ })}/`
  const speaking = startModule(t, `
    import { createRequire } from 'node:module'
    import { waitUntilReady } from '${library('health/wait-until-ready.js')}'
    const over = new Promise((resolve) => { process.stdin.once('data', resolve) })
    await waitUntilReady({ urls: ['${url}'], headers: {} }, 200, 5000, over)
    process.stdin.destroy()
    ${then}`)
  await until(() => asked > 0, 'the first request')
  speaking.child.stdin!.write('\n')
  return speaking
}

t.test('what is over before the first answer loads no wait-on', async (t) => {
  const { line } = await overWhileAsked(t, "console.log(Object.keys(createRequire('/').cache).filter((file) => /wait-on|axios|rxjs|joi/.test(file)).length)")
  t.equal(await line(), '0')
})

t.test('once it has settled it holds no process, whatever it still had under way', async (t) => {
  const { child, line } = await overWhileAsked(t, "console.log('settled')")
  t.equal(await line(), 'settled')
  const began = performance.now()
  await until(() => child.exitCode !== null, 'the process to end')
  within(t, performance.now() - began, 1500, 'it ends soon')
})
