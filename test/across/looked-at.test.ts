/** What doctor makes of an etcd's answers and of an address: here both are made up, since no real one shows all of it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { EtcdPlan } from '../../lib/across/etcd-url.js'
import { advertised, flawOf } from '../../lib/doctor/address.js'
import { endpoints } from '../../lib/doctor/etcd.js'
import type { Finding } from '../../lib/doctor/finding.js'

interface Answers {
  readonly version?: string
  readonly status?: object
  /** etcd answers this in place of its status. */
  readonly refusal?: { readonly status: number; readonly body: object }
  readonly range?: { readonly status: number; readonly body: object }
  /** ms */
  readonly clock?: number
}

const answering = async (t: Test, { version = '3.5.9', status = {}, refusal, range = { status: 200, body: {} }, clock = 0 }: Answers): Promise<number> => {
  const server = createServer(({ url }, response) => {
    response.setHeader('date', new Date(Date.now() + clock).toUTCString())
    if (url === '/version') return void response.end(JSON.stringify({ etcdserver: version, etcdcluster: '3.5.0' }))
    const refused = url === '/v3/maintenance/status' ? refusal : undefined
    if (refused !== undefined) {
      response.statusCode = refused.status
      return void response.end(JSON.stringify(refused.body))
    }
    if (url === '/v3/maintenance/status') return void response.end(JSON.stringify({ header: { cluster_id: '1', revision: '50000' }, dbSize: '20480', ...status }))
    response.statusCode = range.status
    response.end(JSON.stringify(range.body))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return (server.address() as AddressInfo).port
}

const planFor = (...ports: number[]): EtcdPlan => ({ engine: 'etcd', endpoints: ports.map((port) => ({ host: '127.0.0.1', port })), secure: false, prefix: 'ci' })

const seen = async (t: Test, answers: Answers): Promise<readonly Finding[]> => (await endpoints(planFor(await answering(t, answers)))).found

const COMPACTED = { status: 400, body: { code: 11, message: 'etcdserver: mvcc: required revision has been compacted' } }

t.test('an etcd that is well', async (t) => {
  const found = await seen(t, { range: COMPACTED })
  t.match(found, [{ level: 'ok', text: /^127\.0\.0\.1:\d+ is etcd 3\.5\.9; an answer takes [\d.]+ ms, 20 kB, revision 50000$/, data: { version: '3.5.9', revision: 50000 } }])
  t.equal(found.length, 1)
})

t.test('what will fill it, and what has', async (t) => {
  t.match(await seen(t, {}), [{ level: 'ok' }, { level: 'note', text: /keeps all 50000 revisions: nothing was ever compacted$/, advice: /--auto-compaction-retention=1/ }])
  t.match(await seen(t, { status: { header: { revision: '12' } } }), [{ level: 'ok' }, { level: 'ok', text: /has compacted nothing yet; whether it will, its API does not tell$/ }])
  t.match(await seen(t, { range: COMPACTED, status: { errors: ['memberID:1 alarm:NOSPACE '] } }), [{ level: 'ok' }, { level: 'problem', text: /alarm NOSPACE/, advice: /alarm disarm/ }])
  t.match(await seen(t, { range: COMPACTED, status: { errors: ['memberID:1 alarm:CORRUPT '] } }), [{ level: 'ok' }, { level: 'problem', text: /alarm CORRUPT/ }])
})

t.test('one that shows its status to root alone: the look at the keys shows the revision, and what is not shown is said', async (t) => {
  const header = { cluster_id: '1', member_id: '1', revision: '60000', raft_term: '2' }
  for (const [status, code, message] of [[403, 7, 'permission denied'], [400, 3, 'user name is empty'], [401, 16, 'invalid auth token']] as const) {
    const refusal = { status, body: { code, message: `etcdserver: ${message}` } }
    const [well, note] = await seen(t, { refusal, range: { status: 200, body: { header, count: '2' } } })
    t.match(well, { level: 'ok', text: /is etcd 3\.5\.9; an answer takes [\d.]+ ms, revision 60000; its size and its alarms it shows to its user root alone$/ })
    t.match(note, { level: 'note', text: /keeps all 60000 revisions/ }, 'doctor notes a history that grows')
    t.match(await seen(t, { refusal, range: COMPACTED }), [{ level: 'ok', text: /ms; its size and its alarms/ }])
    const [nothing, ...more] = await seen(t, { refusal, range: refusal })
    t.same([Object.keys(JSON.parse(JSON.stringify(nothing!.data)) as object), more], [['endpoint', 'version', 'roundTrip'], []], 'no number that was not shown')
  }
})

t.test('one that is too old, and one with another clock', async (t) => {
  t.match(await seen(t, { version: '3.3.25' }), [{ level: 'problem', text: /is etcd 3\.3\.25$/, advice: /3\.4 or newer/ }])
  t.match(await seen(t, { range: COMPACTED, clock: -60_000 }), [{ level: 'ok' }, { level: 'note', text: /^the clocks of this host and of 127\.0\.0\.1:\d+ differ by (59s|1m)/ }])
})

t.test('members that are away are a problem only where none is there', async (t) => {
  const port = await answering(t, { range: COMPACTED })
  const one = await endpoints(planFor(1, port))
  t.ok(one.isReached)
  t.match(one.found, [{ level: 'note', text: '127.0.0.1:1 cannot be reached: connection refused' }, { level: 'ok' }])
  const none = await endpoints(planFor(1))
  t.notOk(none.isReached)
  t.match(none.found, [{ level: 'problem', advice: /this host reaches it/ }])
})

t.test('what answers and is no etcd', async (t) => {
  const server = createServer((_, response) => { response.end('<html>SECRET</html>') }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { found, isReached } = await endpoints(planFor((server.address() as AddressInfo).port))
  t.notOk(isReached)
  t.match(found, [{ level: 'problem', text: /refuses: what answers is not etcd v3/ }])
  t.notMatch(JSON.stringify(found), 'SECRET')
})

t.test('addresses that other hosts do not reach', async (t) => {
  const machine = { addresses: { '10.0.0.7': 'eth0', '172.18.0.1': 'br-1', '172.20.0.5': 'eth1' }, isBridge: (name: string) => name === 'br-1', isContainer: false }
  for (const [address, flaw] of [
    ['127.0.0.1', /loopback/], ['127.0.1.1', /loopback/], ['::1', /loopback/], ['::ffff:127.0.0.1', /loopback/], ['0.0.0.0', /where to listen/], ['::', /where to listen/],
    ['169.254.3.4', /link-local/], ['fe80::1', /link-local/], ['172.17.0.2', /Docker's own bridge/], ['172.18.0.1', /the bridge br-1/],
  ] as const) t.match(flawOf(address, machine), flaw, address)
  for (const address of ['10.0.0.7', '192.168.1.2', '172.20.0.5', '172.32.0.1', '2001:db8::1', '17.17.0.1']) t.equal(flawOf(address, machine), undefined, address)
  t.match(flawOf('172.20.0.5', { ...machine, isContainer: true }), /container's bridge/)
  for (const address of ['10.0.0.7', '172.15.0.1', '172.32.0.1']) t.equal(flawOf(address, { ...machine, isContainer: true }), undefined, address)
})

t.test('what is advertised: named, found, unknown, and of another machine', async (t) => {
  t.match(await advertised(undefined, undefined, '127.0.0.1', {}), [{ level: 'note', text: /^this host tells others 127\.0\.0\.1, a loopback address/ }])
  t.match(await advertised('localhost', undefined, '10.0.0.7', {}), [{ level: 'note', text: /^this host tells others localhost \((127\.0\.0\.1|::1)\), a loopback/ }])
  t.match(await advertised('[::1]', undefined, undefined, {}), [{ level: 'note', text: /^this host tells others ::1, a loopback/ }])
  t.match(await advertised(undefined, undefined, undefined, {}), [{ level: 'note', text: /not known/ }])
  t.match(await advertised('203.0.113.9', undefined, undefined, {}), [{ level: 'problem', text: /no address of this host/, advice: /--listen/ }])
  t.match(await advertised('203.0.113.9', '0.0.0.0', undefined, {}), [{ level: 'ok', text: 'this host tells others 203.0.113.9, that advertise names' }])
  t.match(await advertised('no-such-host.invalid', '0.0.0.0', undefined, {}), [{ level: 'problem', text: /does not resolve/ }])
})
