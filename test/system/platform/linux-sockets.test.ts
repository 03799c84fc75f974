/** Which of several sockets a connection reaches. That the tables are read right, real sockets show in listeners.test.ts. */
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { onLinux } from '../../support/processes.js'
import { linuxSockets, reachedBy } from '../../../lib/system/platform/linux-sockets.js'

t.test('a connection reaches the exact address before a wildcard', async (t) => {
  const at = (...addresses: string[]) => addresses.map((address) => ({ address, uid: undefined, inode: undefined }))
  const reached = (address: string, ...addresses: string[]) => reachedBy(at(...addresses), address).map((one) => one.address)
  t.same(reached('127.0.0.1', '0.0.0.0', '127.0.0.1', '::1', '::'), ['127.0.0.1'])
  t.same(reached('127.0.0.1', '::', '0.0.0.0'), ['0.0.0.0'])
  t.same(reached('127.0.0.1', '::'), ['::'], 'the IPv6 wildcard takes IPv4 as well')
  t.same(reached('::1', '0.0.0.0', '127.0.0.1'), [])
  t.same(reached('::1', '::', '0.0.0.0'), ['::'])
  t.same(reached('127.0.0.1', '127.0.0.2', '192.0.2.1', '::1'), [])
  t.same(reached('127.0.0.1', '127.0.0.1', '127.0.0.1'), ['127.0.0.1', '127.0.0.1'], 'all that share it')
})

t.test('questions that come together share one read of the table, which is as new as the last of them', onLinux, async (t) => {
  const reads = (): number => Number(/^syscr: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])
  const servers: ReturnType<typeof createServer>[] = []
  const listen = async (): Promise<number> => {
    const server = createServer().listen(0, '127.0.0.1')
    servers.push(server)
    await new Promise((resolve) => { server.once('listening', resolve) })
    return (server.address() as AddressInfo).port
  }
  t.teardown(() => { for (const server of servers) server.close() })
  const ports = await Promise.all(Array.from({ length: 40 }, listen))
  const before = reads()
  t.equal((await linuxSockets.reachedAt('127.0.0.1', ports[0]!))?.length, 1)
  const one = reads() - before
  const found = await Promise.all(ports.map((port) => linuxSockets.reachedAt('127.0.0.1', port)))
  t.ok(reads() - before - one < 4 * one, `${one} reads for one question, and ${reads() - before - one} for 40`)
  t.ok(found.every((listeners) => listeners?.length === 1))
  // A question that was asked before the read learns what is there when it is read.
  const early = linuxSockets.reachedAt('127.0.0.1', ports[0]!)
  servers[1]!.close()
  t.same(await linuxSockets.reachedAt('127.0.0.1', ports[1]!), [])
  t.equal((await early)?.length, 1)
})
