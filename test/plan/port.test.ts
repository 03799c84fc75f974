/** Which port, and who is there already, asked of real servers: a stranger, one that somebody runs by hand, one of another PID file. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { choosePort, findAdoptable, isFree, occupantOf, portTaken } from '../../lib/plan/port.js'
import { bareEnv, fixture, start } from '../support/child.js'
import { aContext } from '../support/a-context.js'

/** A server that somebody runs. */
const serve = async (t: Test, name: string, env: Record<string, string> = {}) => {
  const child = start(t, process.execPath, [fixture(name)], { env: { ...bareEnv(), PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const line = String((await once(child.stdout!, 'data'))[0])
  return { pid: child.pid!, port: Number(/port (\d+)/.exec(line)![1]) }
}

/** A port on which nothing listens; kept by a connection of its own, so that no other test gets it. */
const freePort = async (t: Test): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { connect } = await import('node:net')
  const client = connect(port, '127.0.0.1')
  const [[socket]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  t.teardown(() => { client.destroy(); (socket as { destroy(): void }).destroy() })
  server.close()
  return port
}

t.test('a port on which nothing listens is free, one on which anything does is not', async (t) => {
  const context = await aContext(t)
  t.equal(await isFree(context, await freePort(t)), true)
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    t.equal(await isFree(context, (server.address() as AddressInfo).port), false, host)
    server.close()
  }
})

t.test('what listens elsewhere does not take the port of our host', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.equal(await isFree(await aContext(t, { host: '::1' }), port), true)
  t.equal(await isFree(await aContext(t, { host: 'localhost' }), port), false)
})

t.test('nobody is on a free port', async (t) => {
  t.same(await occupantOf(await aContext(t), await freePort(t)), { kind: 'none' })
})

t.test('a healthy server that somebody runs by hand is adopted, with its PID', async (t) => {
  const { pid, port } = await serve(t, 'healthy.mjs')
  const context = await aContext(t, { port })
  const server = { url: `http://127.0.0.1:${port}/api/health`, base: `http://localhost:${port}`, port, pid }
  t.same(await occupantOf(context, port), { kind: 'adopted', server })
  t.same(await choosePort(context, new Set()), server)
  t.same(await findAdoptable(context), server)
})

t.test('whoever does not pass the health check is a stranger, and is named', async (t) => {
  const { pid, port } = await serve(t, 'plain-http-server.mjs')
  const context = await aContext(t, { port })
  t.same(await occupantOf(context, port), { kind: 'stranger', pid, what: `by PID ${pid} and does not pass the health check: it answered 404` })
  await t.rejects(choosePort(context, new Set()), { code: 'PORT_IN_USE', port, pid, message: `Port ${port} is in use by PID ${pid} and does not pass the health check: it answered 404.` })
  t.equal(await findAdoptable(context), undefined)
})

t.test('a healthy server of another PID file is a stranger, too', async (t) => {
  const { pid, port } = await serve(t, 'healthy.mjs', { ONE_SERVER_LAUNCH_ID: '0123456789abcdef' })
  const context = await aContext(t, { port })
  t.match(await occupantOf(context, port), { kind: 'stranger', pid, what: /launched for another PID file/ })
  await t.rejects(choosePort(context, new Set()), { code: 'PORT_IN_USE', port, pid })
  t.equal(await findAdoptable(context), undefined)
})

t.test('of a list the first free port is taken, past strangers and past what was lost', async (t) => {
  const stranger = await serve(t, 'plain-http-server.mjs')
  const [first, second] = [await freePort(t), await freePort(t)]
  const context = await aContext(t, { port: [stranger.port, first, second] })
  t.equal(await choosePort(context, new Set()), first)
  t.equal(await choosePort(context, new Set([first])), second)
  await t.rejects(choosePort(context, new Set([first, second])), { code: 'PORT_IN_USE', message: `None of the ports ${stranger.port}, ${first}, ${second} is free.` })
})

t.test('of a list a healthy server is adopted if it comes before a free port', async (t) => {
  const { pid, port } = await serve(t, 'healthy.mjs')
  const free = await freePort(t)
  t.match(await choosePort(await aContext(t, { port: [port, free] }), new Set()), { port, pid })
  t.equal(await choosePort(await aContext(t, { port: [free, port] }), new Set()), free)
  t.match(await findAdoptable(await aContext(t, { port: [free, port] })), { port, pid }, 'whoever only looks looks at all')
})

t.test('any free port will do for auto, and nothing is adopted then', async (t) => {
  const context = await aContext(t, { port: 'auto' })
  const port = await choosePort(context, new Set())
  t.type(port, 'number')
  t.equal(await isFree(context, port as number), true)
  t.equal(await findAdoptable(context), undefined)
})

t.test('a health URL that names its own port is asked even if nothing listens on ours', async (t) => {
  const { port: elsewhere } = await serve(t, 'healthy.mjs')
  const port = await freePort(t)
  const url = `http://127.0.0.1:${elsewhere}/api/health`
  t.match(await occupantOf(await aContext(t, { port, healthUrl: url }), port), { kind: 'adopted', server: { url, port } })
  t.same(await occupantOf(await aContext(t, { port, healthUrl: `http://127.0.0.1:${elsewhere}/nope` }), port), { kind: 'none' })
})

t.test('who has the port is in the error as far as it is known', async (t) => {
  t.match(portTaken(5, { what: 'by PID 7', pid: 7 }), { code: 'PORT_IN_USE', port: 5, pid: 7 })
  t.equal(portTaken(5, { what: 'and so on', pid: undefined }).pid, undefined)
})
