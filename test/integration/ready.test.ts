/** Readiness other than HTTP: a port, a Unix socket, a line of the log; with servers that speak no HTTP, and with a real Redis where there is one. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { allEnded, failureOf, place, quietPort, resultOf, together, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

/** Five clients at once, one start, one address, and found by the next. */
const shared = async (t: import('tap').Test, here: Place, options: ClientProcessManagerOptions): Promise<string> => {
  const infos = (await allEnded(await together(t, here, 5, here.options('no-http', options)))).map((one) => resultOf(one).info)
  t.equal(here.starts().length, 1)
  const [url] = new Set(infos.map((info) => info.url))
  t.ok(infos.every((info) => info.url === url))
  const manager = here.manager('no-http', options)
  t.match(await manager.ensureServerRunning(), { url, started: false })
  t.match(await manager.status(), { state: 'ready', url })
  t.equal(await manager.isServerRunning(), true)
  t.equal(await manager.stopServer(), true)
  here.nothingLeft(t)
  return url!
}

t.test('tcp: a port that is chosen, and one that is named', async (t) => {
  const here = place(t)
  t.match(await shared(t, here, { ready: 'tcp:{port}', env: { BOOT_MS: '200' } }), /^tcp:\/\/localhost:\d+$/)
  const there = place(t)
  const port = await quietPort()
  const manager = there.manager('no-http', { ready: `tcp:${port}`, port })
  t.match(await manager.ensureServerRunning(), { url: `tcp://localhost:${port}`, address: `tcp://127.0.0.1:${port}`, port })
  t.equal(await manager.stopServer(), true)
})

t.test('socket: a Unix socket', async (t) => {
  const here = place(t)
  const path = join(here.folder, 'x y#?.sock')
  t.equal(await shared(t, here, { ready: `socket:${path}`, env: { SOCKET: path, BOOT_MS: '200' } }), `socket:${path.replace('x y#?', 'x%20y%23%3F')}`)
})

t.test('log: a line of the output, as text and as a regular expression', async (t) => {
  const here = place(t)
  t.match(await shared(t, here, { ready: { log: 'ready to accept' }, env: { BOOT_MS: '300' } }), /^tcp:\/\/localhost:\d+$/)
  const there = place(t)
  const manager = there.manager('no-http', { ready: { log: /^READY TO accept \w+$/im } })
  const { pid } = await manager.ensureServerRunning()
  t.match(await there.manager('no-http', { ready: { log: 'whatever' } }).ensureServerRunning(), { pid }, 'how it is ready goes with the record')
  t.equal(await manager.stopServer(), true)
  const error = await failureOf(there.manager('no-http', { ready: { log: 'never said' }, startupTimeout: 700 }).ensureServerRunning())
  t.match(error, { code: 'START_TIMEOUT', message: /the awaited text is not in its log yet/ })
  t.same(there.alive(), [])
})

t.test('log: what another server says in a log of the same name makes none ready, and what was moved aside by it does', async (t) => {
  const here = place(t)
  const says = (text: string): string[] => [process.execPath, '-e', `const { existsSync } = require('node:fs'); const wait = setInterval(() => existsSync(process.env.GO) && (console.log('${text}'), clearInterval(wait)), 5); setInterval(() => {}, 1000)`]
  const manager = (name: string, text: string, startupTimeout: number) => here.manager('no-http', {
    pidFile: join(here.folder, `${name}.pid`), logFile: join(here.folder, 'both.log'), command: says(text), env: { GO: join(here.folder, `go-${name}`) }, ready: { log: 'worker up' }, startupTimeout,
  })
  const [one, other] = [manager('one', 'worker up', 30_000), manager('other', 'something else', 1500)]
  const waiting = one.ensureServerRunning()
  await until(async () => (await one.status()).state === 'starting' && existsSync(join(here.folder, 'both.log')), 'the first to begin')
  const failing = failureOf(other.ensureServerRunning())
  await until(() => existsSync(join(here.folder, 'both.log.prev')), "the second's log to take the name")
  writeFileSync(join(here.folder, 'go-one'), '')
  t.match(await waiting, { started: true }, 'its own line is in the log that was moved')
  // Now the name is given to the first one's log again, and the second must not be ready by it.
  renameSync(join(here.folder, 'both.log.prev'), join(here.folder, 'both.log'))
  t.match(await failing, { code: 'START_TIMEOUT' })
  t.equal(await one.stopServer(), true)
})

t.test('log: the ends of a line are meant, whatever stands before and after it', async (t) => {
  const here = place(t)
  const says = "console.log('one'); console.log('ready to accept'); console.log('three'); setInterval(() => {}, 1000)"
  for (const log of [/^ready/, /accept$/g]) {
    const manager = here.manager('no-http', { command: [process.execPath, '-e', says], ready: { log }, startupTimeout: 3000 })
    await manager.ensureServerRunning()
    t.equal(await manager.stopServer(), true)
  }
})

t.test('log: of a server that says much before, and of one that listens nowhere, beside whatever is on port 3000', async (t) => {
  const here = place(t)
  const worker = "console.log('x'.repeat(3_000_000)); setTimeout(() => console.log('worker up'), 100); setInterval(() => {}, 1000)"
  const { port: _, ...options } = here.options('no-http', { command: [process.execPath, '-e', worker], ready: { log: 'worker up' } })
  const { ClientProcessManager } = await import('../../lib/index.js')
  const manager = new ClientProcessManager(options)
  const { port } = await manager.ensureServerRunning()
  t.not(port, 3000)
  t.equal(await manager.stopServer(), true)
})

t.test('socket: a file that a crashed server left, in the way of one that does not remove it, is told by its log and not as a port', async (t) => {
  const here = place(t)
  const path = join(here.folder, 's.sock')
  const listen = `require('net').createServer().listen(${JSON.stringify(path)})`
  spawnSync(process.execPath, ['-e', `${listen}.on('listening', () => process.kill(process.pid, 'SIGKILL'))`])
  const said: string[] = []
  const manager = here.manager('no-http', { command: [process.execPath, '-e', listen], ready: `socket:${path}`, onEvent: ({ type }) => { said.push(type) } })
  t.match(await failureOf(manager.ensureServerRunning()), { code: 'SERVER_EXITED', exitCode: 1, logTail: /EADDRINUSE/ })
  t.equal(said.filter((type) => type === 'spawned').length, 1, 'another port is no help')
  t.same(here.alive(), [])
})

t.test('what is in the way already is not taken for ours', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const stranger = createServer().listen(port, '127.0.0.1')
  await once(stranger, 'listening')
  t.teardown(() => stranger.close())
  t.match(await failureOf(here.manager('no-http', { ready: 'tcp:{port}', port }).ensureServerRunning()), { code: 'PORT_IN_USE', pid: process.pid })
  const path = join(here.folder, 's.sock')
  const socket = createServer().listen(path)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  t.match(await failureOf(here.manager('no-http', { ready: `socket:${path}` }).ensureServerRunning()), { code: 'PORT_IN_USE', message: new RegExp(`The socket ${path} is in use`) })
})

const redis = spawnSync('redis-server', ['--version']).status === 0

t.test('a real Redis is shared', { skip: redis ? false : 'redis-server is not installed here' }, async (t) => {
  const here = place(t)
  const command = ['redis-server', '--port', '{port}', '--bind', '127.0.0.1', '--save', '', '--dir', here.folder]
  const options = { ...here.options('no-http', { command, ready: 'tcp:{port}' }) }
  const infos = (await allEnded(await together(t, here, 5, options))).map((one) => resultOf(one).info)
  t.equal(new Set(infos.map(({ pid }) => pid)).size, 1)
  t.equal(await here.manager('no-http', { command, ready: 'tcp:{port}' }).stopServer(), true)
})
