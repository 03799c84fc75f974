/** The URL that callers get, of real servers on one family of addresses, on both, and beside a stranger; asked by what people use. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { client, fixture, place, quietPort, resultOf, stranger, statusOf, type Place } from '../support/clients.js'

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
const both = { skip: hasIPv6 ? false : 'this machine has no ::1' }

const listen = async (t: Test, port: number, host: string): Promise<Server> => {
  const server = createServer((socket) => socket.destroy()).listen(port, host)
  t.teardown(() => { server.close() })
  await once(server, 'listening')
  return server
}

/** The same for the launcher, for the next client in another process, for `status()`. */
const seen = async (here: Place, server: string, more: ClientProcessManagerOptions = {}) => {
  const manager = here.manager(server, more)
  const { url, address } = await manager.ensureServerRunning()
  const { info } = resultOf(await client({ teardown: () => {} } as unknown as Test, here, here.options(server, more)).ended)
  const status = await statusOf(manager)
  return { url, address, others: [info.url, info.address, status.url, status.address] }
}

const isIn = (program: string): boolean => spawnSync(program, ['--version']).status === 0

/** What each client that is there gets of `<url>/api/health`. */
const reached = async (url: string): Promise<Record<string, boolean>> => {
  const at = `${url}/api/health`
  const python = `import urllib.request; print(urllib.request.urlopen('${at}').status)`
  return {
    fetch: (await fetch(at)).ok,
    ...(isIn('curl') ? { curl: spawnSync('curl', ['-fsS', at]).status === 0 } : {}),
    ...(isIn('python3') ? { python: String(spawnSync('python3', ['-c', python]).stdout) === '200\n' } : {}),
  }
}

/** Some hosts files name `localhost` for IPv4 alone. */
const named = (await lookup('localhost', { all: true })).map(({ address }) => address)

for (const [server, address] of [['listens-on-ipv4-only', '127.0.0.1'], ['listens-on-ipv6-only', '::1']] as const) {
  t.test(`a server on ${address} alone has a URL at which fetch, curl and Python reach it: localhost, if that leads there`, both, async (t) => {
    const here = place(t)
    const port = await quietPort()
    const at = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
    const url = named.includes(address) ? `http://localhost:${port}` : at
    t.same(await seen(here, server, { port }), { url, address: at, others: [url, at, url, at] })
    for (const [who, isReached] of Object.entries(await reached(url))) t.ok(isReached, who)
    t.equal(await here.manager(server).stopServer(), true)
  })
}

t.test('one socket for both families, and a first answer that takes too long: the URL is the same', both, async (t) => {
  const program = `let first = true
    require('node:http').createServer((_, answer) => { setTimeout(() => answer.end('ok'), first ? 1000 : 0); first = false }).listen(process.env.PORT, '::')`
  const [here, port] = [place(t), await quietPort()]
  const { serverScript: _, ...rest } = here.options('healthy', { port, healthTimeout: 100 })
  const { ClientProcessManager } = await import('../../lib/index.js')
  const manager = new ClientProcessManager({ ...rest, command: [process.execPath, '-e', program] })
  t.match(await manager.ensureServerRunning(), { url: `http://localhost:${port}`, address: /^http:\/\/(?:127\.0\.0\.1|\[::1\]):\d+$/ })
  t.equal(await manager.stopServer(), true)
})

t.test('two processes of one server, each on a family of its own, are one server', both, async (t) => {
  const [here, port] = [place(t), await quietPort()]
  t.match(await seen(here, 'listens-beside-another', { port, env: { BESIDE: 'own' } }), { url: `http://localhost:${port}` })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a stranger on the other family before the server is ready: the address, for all, also when the stranger has gone', both, async (t) => {
  const [here, port] = [place(t), await quietPort()]
  let beside: Promise<Server> | undefined
  const manager = here.manager('listens-beside-another', { port, onEvent: ({ type }) => { if (type === 'claimed') beside = listen(t, port, '::1') } })
  const at = `http://127.0.0.1:${port}`
  t.match(await manager.ensureServerRunning(), { url: at, address: at, started: true })
  t.same(await seen(here, 'listens-beside-another', { port }), { url: at, address: at, others: [at, at, at, at] })
  ;(await beside!).close()
  t.same(await seen(here, 'listens-beside-another', { port }), { url: at, address: at, others: [at, at, at, at] })
  t.equal(await manager.stopServer(), true)
})

t.test('a stranger that comes after the server is ready changes nothing', both, async (t) => {
  const [here, port] = [place(t), await quietPort()]
  const url = `http://localhost:${port}`
  const first = await seen(here, 'healthy', { port })
  await listen(t, port, '::1')
  t.same(await seen(here, 'healthy', { port }), first)
  t.equal(first.url, url)
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a server that somebody runs by hand has its URL by the same rule at each call', both, async (t) => {
  const [here, port] = [place(t), await quietPort()]
  const pid = await stranger(t, 'healthy', port)
  const at = `http://127.0.0.1:${port}`
  const manager = here.manager('healthy', { port })
  for (let call = 0; call < 2; call++) t.match(await manager.ensureServerRunning(), { url: `http://localhost:${port}`, address: at, adopted: true, pid })
  await listen(t, port, '::1')
  for (let call = 0; call < 2; call++) t.match(await manager.ensureServerRunning(), { url: at, address: at, adopted: true, pid })
  t.match(await manager.status(), { url: at, address: at, adopted: true, pid })
})

t.test('a mark without the URL for callers, as an older one-server wrote it, gives the address', async (t) => {
  const here = place(t)
  const { address, launchId } = await here.manager('healthy').ensureServerRunning()
  const folder = join(`${here.pidFile}.d`, readdirSync(`${here.pidFile}.d`)[0]!)
  const mark = join(folder, `${launchId}.ready`)
  for (const base of [undefined, 5, 'no URL']) {
    const { format, url } = JSON.parse(readFileSync(mark, 'utf8'))
    writeFileSync(mark, JSON.stringify({ format, url, base }))
    t.match(await here.manager('healthy').ensureServerRunning(), { url: address, address, started: false })
  }
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('ready by its log: the URL says tcp, and http where a path says that it speaks HTTP', async (t) => {
  for (const [more, scheme] of [[{}, 'tcp'], [{ healthPath: '/' }, 'http']] as const) {
    const [here, port] = [place(t), await quietPort()]
    const server = await seen(here, 'healthy', { port, ready: { log: 'listening on' }, ...more })
    t.same(server, { url: `${scheme}://localhost:${port}`, address: `${scheme}://127.0.0.1:${port}`, others: Array(2).fill([`${scheme}://localhost:${port}`, `${scheme}://127.0.0.1:${port}`]).flat() })
    t.equal(await here.manager('healthy').stopServer(), true)
  }
})

const BIN = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))

/** Starts and stops a server in a room of its own, and returns the URL, the address, and what `run` tells its command. */
const inRoom = (here: Place, server: string, setUp: string, flags: readonly string[]) => {
  const text = `${setUp}\n"$0" "$1" start x --json --port auto --script "$2" && "$0" "$1" run x -- sh -c 'echo $ONE_SERVER_URL $ONE_SERVER_HOST'; "$0" "$1" stop x`
  const { stdout, stderr } = spawnSync('unshare', [...flags, 'sh', '-ec', text, process.execPath, BIN, fixture(server)], { env: { ...here.env }, cwd: here.folder, encoding: 'utf8' })
  const [document = '', told = ''] = stdout.split('\n')
  if (!document.startsWith('{')) throw new Error(stderr)
  const { url, address, port } = JSON.parse(document)
  return { url, address, port, told }
}

const canUnshare = spawnSync('unshare', ['-mn', 'sh', '-c', 'ip link set lo up && mount --bind /etc/hosts /etc/hosts']).status === 0
const root = { skip: !hasIPv6 ? 'this machine has no ::1' : canUnshare ? false : 'this user may not make namespaces' }

t.test('a hosts file that names localhost for IPv4 alone: of a server on [::1] callers get the address', root, async (t) => {
  const here = place(t)
  const hosts = join(here.folder, 'hosts')
  writeFileSync(hosts, '127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n')
  const six = inRoom(here, 'listens-on-ipv6-only', `mount --bind ${hosts} /etc/hosts`, ['-m'])
  t.match(six, { url: `http://[::1]:${six.port}`, told: `http://[::1]:${six.port} ::1` })
  const four = inRoom(here, 'listens-on-ipv4-only', `mount --bind ${hosts} /etc/hosts`, ['-m'])
  t.match(four, { url: `http://localhost:${four.port}`, told: `http://localhost:${four.port} localhost` })
})

t.test('a hosts file that names localhost for both: of a server on [::1] callers get localhost', root, async (t) => {
  const here = place(t)
  const hosts = join(here.folder, 'hosts')
  writeFileSync(hosts, '127.0.0.1 localhost\n::1 localhost\n')
  const room = inRoom(here, 'listens-on-ipv6-only', `mount --bind ${hosts} /etc/hosts`, ['-m'])
  t.match(room, { url: `http://localhost:${room.port}`, address: `http://[::1]:${room.port}`, told: `http://localhost:${room.port} localhost` })
})

t.test('a machine without IPv6', root, async (t) => {
  const here = place(t)
  const room = inRoom(here, 'healthy', 'ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6', ['-mn'])
  t.match(room, { url: `http://localhost:${room.port}`, address: `http://127.0.0.1:${room.port}`, told: `http://localhost:${room.port} localhost` })
})
