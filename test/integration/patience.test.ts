/**
 * One launch and clients of different patience: it boots for as long as the most patient client waits, and each client that gives up
 * does so by its own time and in its own words. The server's own ledger shows that it was started once.
 */
import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { fixture as programOf, home } from '../cli/command-line.js'
import { client, failureOf, place, resultOf, type Client, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const SLOW = { env: { BOOT_MS: '7000' } }
const [IMPATIENT, MIDDLING, PATIENT] = [3000, 4500, 120_000]

/** Clients that come one after the other, all of them loaded before the time of the first begins. */
const waiting = async (t: Test, here: Place, times: readonly number[], server = 'boots-after-300ms'): Promise<Client[]> => {
  const clients = times.map((startupTimeout) => client(t, here, here.options(server, { ...SLOW, startupTimeout }), { barrier: true }))
  await Promise.all(clients.map((one) => one.said('loaded')))
  for (const one of clients) {
    one.release()
    await one.said('waiting')
  }
  return clients
}

/** ms */
const LATE = 8000

const waits = (here: Place): string[] => here.left().filter((name) => name.endsWith('.wait'))

const gaveUp = async (t: Test, one: Client | undefined, startupTimeout: number): Promise<void> => {
  const { error } = await one!.ended
  t.match(error, { code: 'START_TIMEOUT' })
  t.ok(error?.message.startsWith(`Server failed to start within ${startupTimeout} ms: waiting for the health check of `), `${error?.message}`)
}

const oneStart = async (t: Test, here: Place): Promise<void> => {
  t.equal(here.starts().length, 1)
  t.same(waits(here), [])
  await here.manager('healthy').stopServer()
  here.nothingLeft(t)
}

t.test('an impatient client first: the second one has all its time, and the first fails by its own', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [IMPATIENT, PATIENT])
  await gaveUp(t, first, IMPATIENT)
  t.match(resultOf(await second!.ended), { status: 200, info: { started: false } })
  await oneStart(t, here)
})

t.test('an impatient client second: it gives up alone', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [PATIENT, IMPATIENT])
  await gaveUp(t, second, IMPATIENT)
  t.match(resultOf(await first!.ended), { status: 200, info: { started: true } })
  await oneStart(t, here)
})

t.test('three patiences: each client has its own time', async (t) => {
  const here = place(t)
  const [first, second, third] = await waiting(t, here, [IMPATIENT, MIDDLING, PATIENT])
  await gaveUp(t, first, IMPATIENT)
  await gaveUp(t, second, MIDDLING)
  t.match(resultOf(await third!.ended), { status: 200 })
  await oneStart(t, here)
})

t.test('the last client that waits ends the launch at its own time, and says its own time', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [IMPATIENT, MIDDLING], 'never-listens')
  await gaveUp(t, first, IMPATIENT)
  await gaveUp(t, second, MIDDLING)
  t.equal(here.starts().length, 1)
  t.same(here.alive(), [], 'nothing is left of the server')
  t.same(waits(here), [])
})

t.test('a launcher that its caller aborts: a patient client has all its time', async (t) => {
  const here = place(t)
  const abort = new AbortController()
  const first = failureOf(here.manager('boots-after-300ms', { ...SLOW, startupTimeout: IMPATIENT }).ensureServerRunning({ signal: abort.signal }))
  await until(() => here.starts().length > 0, 'the server to begin')
  const [second] = await waiting(t, here, [PATIENT])
  abort.abort()
  t.match(await first, { code: 'ABORTED' })
  t.match(resultOf(await second!.ended), { status: 200, info: { started: false } })
  await oneStart(t, here)
})

t.test('a launcher that does not wait at all: the launch has the time of the client that does', async (t) => {
  const here = place(t)
  const pid = await here.manager('boots-after-300ms', { ...SLOW, startupTimeout: 300 }).startServer()
  t.match(resultOf(await client(t, here, here.options('boots-after-300ms', { ...SLOW, startupTimeout: PATIENT })).ended), { info: { pid, started: false } })
  await oneStart(t, here)
})

t.test('a patient client that is killed: its objection counts for nothing, and nothing of it stays', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [IMPATIENT, PATIENT], 'never-listens')
  await until(() => waits(here).length > 0, 'its objection')
  second!.child.kill('SIGKILL')
  await gaveUp(t, first, IMPATIENT)
  t.same(here.alive(), [], 'the first client ends the launch')
  t.same(waits(here), [])
})

t.test('a patient client that is killed when the launcher has given up: the next call has a server', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [IMPATIENT, PATIENT])
  await gaveUp(t, first, IMPATIENT)
  second!.child.kill('SIGKILL')
  t.match(resultOf(await client(t, here, here.options('boots-after-300ms', { ...SLOW, startupTimeout: PATIENT })).ended), { status: 200 })
  await oneStart(t, here)
})

t.test('a patient client that is stopped: the launch waits for it within its time', async (t) => {
  const here = place(t)
  const [first, second] = await waiting(t, here, [IMPATIENT, PATIENT])
  await until(() => waits(here).length > 0, 'its objection')
  second!.child.kill('SIGSTOP')
  await gaveUp(t, first, IMPATIENT)
  second!.child.kill('SIGCONT')
  t.match(resultOf(await second!.ended), { status: 200, info: { started: false } })
  await oneStart(t, here)
})

t.test('clients that come again and again do not keep a launch that hangs: the next one with time left starts it again', async (t) => {
  const here = place(t)
  // Hangs where nobody has left the mark, and serves from the second time on.
  const script = `
    const { existsSync, writeFileSync } = require('node:fs')
    const mark = ${JSON.stringify(here.folder)} + '/hung'
    if (existsSync(mark)) require('node:http').createServer((_, response) => response.end()).listen(process.env.PORT, '127.0.0.1')
    else { writeFileSync(mark, ''); setInterval(() => {}, 1000) }`
  const options = { port: 'auto' as const, healthPath: '/', command: [process.execPath, '-e', script] }
  const hung = await here.manager('healthy', { ...options, startupTimeout: 1 }).startServer()
  // One startupTimeout of the next client after the time of the launch, so that this client has all its own time left.
  await new Promise((resolve) => setTimeout(resolve, LATE))
  const server = await here.manager('healthy', { ...options, startupTimeout: LATE }).ensureServerRunning()
  t.match(server, { started: true })
  t.not(server.pid, hung)
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('run beside the library: the command line waits a minute where nobody says otherwise', async (t) => {
  const here = home(t)
  const args = ['web', '--port', 'auto', '--quiet', '--script', programOf('boots-after-300ms')]
  const env = { BOOT_MS: '7000' }
  const first = here.run(['start', ...args, '--timeout', '3000'], env)
  await until(() => readdirSync(here.folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.claim')), 'the claim of the first')
  const second = here.run(['run', ...args, '--idle-timeout', '100ms', '--', 'echo', 'ran'], env)
  t.match(await first, { code: 4, stderr: /within 3000 ms/ })
  t.match(await second, { code: 0, stdout: 'ran\n' })
  t.equal((await here.run(['stop', 'web', '--quiet'])).code, 0)
})
