/** Who listens on a port, asked about real sockets: address, owner, and which of them a connection would reach. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net, { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import t, { type Test } from 'tap'
import { listenersAt, ownerOf } from '../../lib/system/listeners.js'
import { sockets } from '../../lib/system/platform/current.js'
import { bareEnv, fixture, start } from '../support/child.js'
import { onLinux } from '../support/processes.js'
import { until } from '../support/until.js'

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))
const needsIPv6 = hasIPv6 ? {} : { skip: 'this machine has no ::1' }

const listen = async (t: Test, options: { host: string; port?: number; ipv6Only?: boolean }) => {
  const server = createServer()
  server.listen({ port: 0, ...options })
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

for (const host of ['127.0.0.1', '0.0.0.0', '127.0.0.2', '::1', '::']) {
  t.test(`a socket that listens on ${host} is seen with its address and its owner`, host.includes(':') ? needsIPv6 : {}, async (t) => {
    const { port } = await listen(t, { host })
    const found = await listenersAt(host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port)
    t.match(found, [{ address: host, uid: process.getuid?.(), inode: /^[1-9]\d*$/ }])
    t.same(ownerOf(found), { pid: process.pid, launchId: undefined })
    t.same(ownerOf(found, process.pid), { pid: process.pid, launchId: undefined }, 'when it was expected')
    t.same(ownerOf(found, process.ppid), { pid: process.pid, launchId: undefined }, 'and when another process was')
  })
}

t.test('two addresses of one port are two listeners', needsIPv6, async (t) => {
  const { port } = await listen(t, { host: '127.0.0.1' })
  await listen(t, { host: '::1', port, ipv6Only: true })
  for (const address of ['127.0.0.1', '::1']) t.same((await listenersAt(address, port)).map((one) => one.address), [address])
})

const reads = (): number => Number(/^syscr: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])

t.test('who listens costs no more reads beside 300 connections, on either address', onLinux, async (t) => {
  for (const host of hasIPv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
    const { server, port } = await listen(t, { host })
    const counted = async (): Promise<number> => {
      const before = reads()
      t.match(await sockets.reachedAt(host, port), [{ address: host }])
      return reads() - before
    }
    const few = await counted()
    const accepted: Socket[] = []
    server.on('connection', (socket) => accepted.push(socket))
    const clients = Array.from({ length: 300 }, () => connect(port, host))
    await until(() => accepted.length === 300, 'the server to accept them')
    // A chunk more or less, since others may have begun to listen.
    const many = await counted()
    t.ok(many <= few + 8, `${few} reads, and ${many} beside 300 connections`)
    for (const socket of [...clients, ...accepted]) socket.destroy()
  }
})

t.test('a connection is no listener, and a port that was closed has none', async (t) => {
  const { server, port } = await listen(t, { host: '127.0.0.1' })
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  t.equal((await listenersAt('127.0.0.1', port)).length, 1)
  t.same(await listenersAt('127.0.0.1', client.localPort!), [])
  client.destroy()
  server.close()
  await once(server, 'close')
  t.same(await listenersAt('127.0.0.1', port), [])
})

t.test('a starved machine, or a firewall: where a connection is neither accepted nor refused, the table of the kernel decides', async (t) => {
  const { server, port } = await listen(t, { host: '127.0.0.1' })
  const real = net.connect
  t.teardown(() => { net.connect = real })
  net.connect = (() => new Socket()) as typeof real
  const shown = process.platform === 'linux'
  t.match(await listenersAt('127.0.0.1', port), [{ address: '127.0.0.1', inode: shown ? /^[1-9]\d*$/ : undefined }])
  server.close()
  await once(server, 'close')
  t.equal((await listenersAt('127.0.0.1', port)).length, shown ? 0 : 1, shown ? 'it is free' : 'nothing shows that it is free')
})

t.test('the launch id comes with the owner', async (t) => {
  const child = start(t, process.execPath, [fixture('plain-http-server.mjs')], { env: { ...bareEnv(), PORT: '0', ONE_SERVER_LAUNCH_ID: 'abc' }, stdio: ['ignore', 'pipe', 'inherit'] })
  const line = String((await once(child.stdout!, 'data'))[0])
  const found = await listenersAt('127.0.0.1', Number(/port (\d+)/.exec(line)![1]))
  t.same(ownerOf(found), { pid: child.pid, launchId: 'abc' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until(() => ownerOf(found) === undefined, 'the sockets to go')
})

t.test('no socket has no owner', async (t) => {
  t.equal(ownerOf([]), undefined)
  t.equal(ownerOf([{ address: '127.0.0.1', uid: undefined, inode: undefined }]), undefined, 'where inodes are not told')
})
