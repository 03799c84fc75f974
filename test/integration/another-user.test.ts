/**
 * Another user's listener is a stranger at the first check and at every later one, and gets nothing that is secret. The client here
 * is one user and the listener another, so the client sees whose socket it is and nothing else of it.
 */
import { once } from 'node:events'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { start } from '../support/child.js'
import { accepts, client, place, quietPort, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const CLIENT = 65534
const OTHER = 1
const isRoot = process.getuid?.() === 0
const test = (name: string, body: (t: Test) => Promise<void>): void => {
  t.test(name, { skip: !isRoot && 'only root can run a process of another user' }, async (t) => { await body(t) })
}

/** Answers 200 to all, with a launch id, and writes down what it gets. */
const OPEN = `
  const [port, launch] = process.argv.slice(1)
  require('node:http').createServer((request, answer) => {
    console.log(JSON.stringify([request.url, request.headers]))
    answer.writeHead(200, launch ? { 'x-one-server-launch': launch } : {}).end('ok')
  }).listen(Number(port), '127.0.0.1', () => console.log('listening'))`

/** Another user's server, and what it was asked. */
const listen = async (t: Test, port: number, launch = '') => {
  const child = start(t, process.execPath, ['-e', OPEN, String(port), launch], { uid: OTHER, gid: OTHER, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { said += text })
  await once(child.stdout!, 'data')
  return () => said.replace('listening\n', '')
}

/** Each with a port of its own. */
const withPorts = async <Case>(cases: readonly Case[]): Promise<(Case & { port: number })[]> => {
  const all: (Case & { port: number })[] = []
  for (const one of cases) all.push({ ...one, port: await quietPort() })
  return all
}

const placeOf = (t: Test): Place => {
  const here = place(t)
  chownSync(here.folder, CLIENT, CLIENT)
  return here
}

const call = (t: Test, here: Place, options: ClientProcessManagerOptions, method = 'ensureServerRunning') =>
  client(t, here, options, { uid: CLIENT, method })

/** Each says something secret in another way. */
const SECRETS: readonly { name: string; options: ClientProcessManagerOptions }[] = [
  { name: 'a header', options: { healthHeaders: { authorization: 'Bearer SECRET' } } },
  { name: 'a password', options: { healthUrl: 'http://me:SECRET@127.0.0.1:{port}/api/health' } },
  { name: 'a query', options: { healthPath: '/api/health?token=SECRET' } },
  { name: 'a header, to an IPv4 address in IPv6', options: { healthUrl: 'http://[::ffff:127.0.0.1]:{port}/api/health', healthHeaders: { 'x-token': 'SECRET' } } },
]

const PLAIN: readonly { name: string; options: ClientProcessManagerOptions; forged?: true }[] = [
  { name: 'nothing secret', options: {} },
  { name: 'a launch id of its own making', options: {}, forged: true },
  { name: 'a readiness by its port', options: { ready: 'tcp:{port}' } },
]

test('another user takes the port of a server that boots', async (t) => {
  const cases: (typeof PLAIN)[number][] = [...PLAIN, ...SECRETS]
  await Promise.all((await withPorts(cases)).map(async ({ name, options, forged, port }) => {
    const here = placeOf(t)
    const launching = call(t, here, here.options('never-listens', { port, startupTimeout: 6000, ...options }))
    const { launchId } = await launching.said('claimed')
    const asked = await listen(t, port, forged === true ? String(launchId) : '')
    const { result, error } = await launching.ended
    t.equal(result, undefined, name)
    t.match(error, { code: 'START_TIMEOUT', message: /another user \(uid 1\)/ }, name)
    t.notMatch(asked(), /SECRET/, name)
    t.notMatch(error?.message, /SECRET/, name)
  }))
})

test("another user's server is not adopted, and is asked nothing", async (t) => {
  const port = await quietPort()
  const asked = await listen(t, port)
  for (const { options } of [{ options: {} }, ...SECRETS]) {
    const here = placeOf(t)
    const own = here.options('healthy', { port, ...options })
    t.match((await call(t, here, own).ended).error, { code: 'PORT_IN_USE', port, message: /another user \(uid 1\)/ })
    t.match((await call(t, here, own, 'status').ended).result?.info, { state: 'stopped' })
    t.match((await call(t, here, own, 'isServerRunning').ended).result?.info, false)
  }
  t.equal(asked(), '')
})

test("a health URL at another user's port adopts nothing, and is not asked", async (t) => {
  const here = placeOf(t)
  const elsewhere = await quietPort()
  const asked = await listen(t, elsewhere)
  const options = here.options('healthy', { port: await quietPort(), healthUrl: `http://127.0.0.1:${elsewhere}/`, startupTimeout: 1500 })
  t.match((await call(t, here, options, 'status').ended).result?.info, { state: 'stopped' })
  t.equal(asked(), '')
  t.match((await call(t, here, options).ended).error, { code: 'START_TIMEOUT', message: /another user \(uid 1\)/ })
})

test('another user takes the port of a server that was ready', async (t) => {
  await Promise.all((await withPorts([PLAIN[0]!, SECRETS[0]!, SECRETS[1]!])).map(async ({ name, options, port }) => {
    const here = placeOf(t)
    const DEAF = join(here.folder, 'deaf.log')
    const own = here.options('stops-listening', { port, env: { DEAF }, ...options })
    t.match((await call(t, here, own).ended).result?.info, { started: true }, name)
    writeFileSync(DEAF, '')
    await until(async () => !(await accepts(port)), 'the server to stop listening')
    const asked = await listen(t, port)
    t.match((await call(t, here, own, 'status').ended).result?.info, { state: 'unhealthy' }, name)
    if (options.healthHeaders !== undefined || options.healthUrl !== undefined) {
      const { error } = await call(t, here, { ...own, startupTimeout: 3000 }).ended
      t.match(error, { code: 'SERVER_UNHEALTHY', message: /another user \(uid 1\)/ }, name)
    }
    t.notMatch(asked(), /SECRET/, name)
  }))
})
