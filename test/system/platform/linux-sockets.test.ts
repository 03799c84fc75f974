/** Which of several sockets a connection reaches. That the tables are read right, real sockets show in listeners.test.ts. */
import t from 'tap'
import { reachedBy } from '../../../lib/system/platform/linux-sockets.js'

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
