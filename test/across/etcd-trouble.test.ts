/** The client of etcd while a real one is killed, frozen, full, restarted, or behind certificates. */
import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Unreachable, type Refused } from '../../lib/across/coordinator.js'
import { runModule, library } from '../support/child.js'
import { until } from '../support/until.js'
import { failure, open, shown } from './engine.js'
import { makeCertificates, noEtcd, noTls, startEtcd } from './etcd-server.js'

const onEtcd = noEtcd === false ? {} : { skip: noEtcd }
const withTls = noTls === false ? {} : { skip: noTls }

/** Asks until there is an answer. Each attempt takes its time, so the condition ends it and not the machine. */
const again = <T>(call: () => Promise<T>, what: string): Promise<{ value: T }> =>
  until(() => call().then((value) => ({ value }), (error: unknown) => {
    if (error instanceof Unreachable) return undefined
    throw error
  }), what)

t.test('three members: one that is killed or frozen is passed over, what is sent to a frozen one is not sent again', onEtcd, async (t) => {
  const etcd = await startEtcd(t, { members: 3 })
  const version = await open(t, etcd.plan()).write('a', '1', undefined)
  const first = etcd.members[0]!
  await first.kill()
  const engine = open(t, etcd.plan())
  const { value: second } = await again(() => engine.write('a', '2', version), 'a write beside a dead member')
  t.equal(typeof second, 'string', 'refused connections show that nothing was sent')
  await first.start()

  const leader = await etcd.leader()
  const frozen = etcd.members[leader]!
  const others = etcd.plan().endpoints.filter((_, at) => at !== leader)
  const led = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: frozen.port }, ...others] }), 500)
  t.equal(typeof (await led.write('leased', 'x', 'any')), 'string')
  await frozen.freeze()
  const error = await failure(led.write('a', '3', second))
  t.match(error, { name: 'Unreachable', sent: true, message: `127.0.0.1:${frozen.port}: no answer within 500 ms` })
  const { value: seen } = await again(() => led.read('a'), 'the others to elect a leader')
  t.equal(seen?.value, '2', 'the frozen one has carried nothing out')
  const { value: third } = await again(() => led.write('a', '4', seen!.version), 'a write at the others')
  frozen.thaw()
  // What the frozen one had in its socket is carried out now, and loses.
  const { value: late } = await again(() => open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: frozen.port }] })).read('a'), 'the frozen member to be back')
  t.match(late, { value: '4', version: third! })
  t.match(await led.read('a'), { value: '4', version: third! })
})

t.test('without a majority nothing is read or written, and what failed is named for each endpoint', onEtcd, async (t) => {
  const etcd = await startEtcd(t, { members: 3 })
  const engine = open(t, etcd.plan(), 1000)
  await engine.write('a', '1', undefined)
  await etcd.members[0]!.kill()
  await etcd.members[1]!.kill()
  const [a, b, c] = etcd.members.map(({ port }) => `127.0.0.1:${port}: `)
  const error = await failure(engine.read('a'))
  t.match(error, { name: 'Unreachable', sent: false })
  t.ok(error.message.includes(`${a}connection refused; ${b}connection refused; ${c}`) || error.message.includes(`${a}the connection was cut`), error.message)
  t.match(error.message, new RegExp(`${c}(no answer within 1000 ms|etcdserver: (no leader|request timed out.*|leader changed))`))
  const write = await failure(engine.write('a', '2', 'any'))
  t.match(write, { name: 'Unreachable' })
  t.equal((write as Unreachable).sent, write.message.includes(c!), 'where the last member had it')
})

t.test('a full etcd refuses writes and says how to free it, and lets read and remove', onEtcd, async (t) => {
  const etcd = await startEtcd(t, { args: ['--quota-backend-bytes', String(512 * 1024)] })
  const engine = open(t, etcd.plan())
  const version = await engine.write('kept', 'x', undefined)
  let error: Error | undefined
  for (let at = 0; error === undefined && at < 100; at++) await engine.write(`big/${at}`, 'x'.repeat(64 * 1024), 'any').catch((caught: Error) => { error = caught })
  t.match(error, { name: 'Refused', message: /^127\.0\.0\.1:\d+: mvcc: database space exceeded$/, hint: /[Cc]ompact.*defragment.*etcdctl alarm disarm/ })
  t.match(await failure(engine.write('kept', 'y', version)), { name: 'Refused', message: /database space exceeded$/ })
  t.equal((await engine.read('kept'))?.version, version)
  t.equal(await engine.remove('kept', version), true)
})

t.test('a value that etcd finds too large is refused', onEtcd, async (t) => {
  const engine = open(t, (await startEtcd(t)).plan())
  t.match(await failure(engine.write('large', 'x'.repeat(1_600_000), 'any')), { name: 'Refused', message: /etcdserver: request is too large$/ })
  await Promise.all(Array.from({ length: 4 }, (_, at) => engine.write(`much/${at}`, 'x'.repeat(300_000), 'any')))
  t.match(await failure(engine.list('much/')), { name: 'Refused', message: /an answer of more than 1048576 bytes/ })
  t.equal((await engine.read('much/1'))?.value.length, 300_000)
})

t.test('a watch goes on after a restart of etcd, and says that it may have missed something', onEtcd, async (t) => {
  const etcd = await startEtcd(t)
  const engine = open(t, etcd.plan())
  let hints = 0
  engine.watch!('w/', () => { hints++ })
  await until(() => hints === 1, 'the watch')
  await etcd.members[0]!.kill()
  await etcd.members[0]!.start()
  await until(() => hints === 2, 'the watch to be on again')
  await engine.write('w/a', 'x', 'any')
  await until(() => hints === 3, 'a hint after the restart')
})

t.test('a watch holds no process, and closing ends what is left', onEtcd, async (t) => {
  const etcd = await startEtcd(t)
  const { code, stdout, stderr } = await runModule(t, `
    const { etcdCoordinator } = await import(${JSON.stringify(library('across/etcd.js'))})
    const engine = etcdCoordinator(${JSON.stringify(etcd.plan())}, { timeout: 60000 })
    const nobody = etcdCoordinator({ ...${JSON.stringify(etcd.plan())}, endpoints: [{ host: '127.0.0.1', port: 1 }] }, { timeout: 60000 })
    nobody.watch('w/', () => {})
    const on = new Promise((resolve) => { engine.watch('w/', resolve) })
    await engine.write('w/a', 'x', 'any')
    await Promise.race([on, new Promise((resolve) => setTimeout(resolve, 60000).unref())])
    console.log('done')`, [], { env: { ...process.env, NODE_OPTIONS: '', HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1', NODE_USE_ENV_PROXY: '1', NO_PROXY: '' } })
  t.same([code, stdout, stderr], [0, 'done\n', ''])
})

/** Passes bytes on, from a port of its own. */
const passOn = async (t: Test, to: number): Promise<number> => {
  const server = createServer((client) => {
    const onward = connect(to, '127.0.0.1')
    client.on('error', () => { onward.destroy() }).pipe(onward)
    onward.on('error', () => { client.destroy() }).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as AddressInfo).port
}

t.test('TLS: the right authority, another one, none, another name, no TLS on either side', withTls, async (t) => {
  const tls = makeCertificates(t)
  const etcd = await startEtcd(t, { tls })
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.teardown(() => { if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']; else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  const engine = open(t, etcd.plan())
  const version = await engine.write('a', 'x', undefined)
  t.match(await engine.read('a'), { version: version! })
  let hints = 0
  engine.watch!('a', () => { hints++ })
  await until(() => hints > 0, 'the watch over TLS')

  const { ca: _, ...withoutCa } = etcd.plan()
  const port = etcd.members[0]!.port
  const cases: readonly [string, Parameters<typeof open>[1], RegExp, RegExp][] = [
    ['another authority', etcd.plan({ ca: tls.otherCa }), /^127\.0\.0\.1:\d+: certificate or TLS: /, /ONE_SERVER_COORDINATOR_CA/],
    ["Node's own authorities", withoutCa, /^127\.0\.0\.1:\d+: certificate or TLS: /, /ONE_SERVER_COORDINATOR_CA/],
    ['another name', etcd.plan({ endpoints: [{ host: 'localhost', port }] }), /^localhost:\d+: certificate or TLS: /, /must be one that the certificate names/],
    ['a key of another certificate', etcd.plan({ cert: tls.otherCa, key: tls.key }), /^127\.0\.0\.1:\d+: certificate or TLS: .*key values mismatch/, /_CERT and _KEY/],
  ]
  for (const [name, plan, message, hint] of cases) {
    const error = await failure(open(t, { ...plan, endpoints: [...plan.endpoints, ...etcd.plan().endpoints] }).write('a', 'y', 'any'))
    t.equal(error.name, 'Refused', name)
    t.match(error.message, message, name)
    t.match((error as Refused).hint, hint, name)
    t.notOk(shown(error).includes('PRIVATE KEY'), name)
  }
  t.match(await engine.read('a'), { value: 'x', version: version! }, 'none of them has written')
  const plain = await failure(open(t, { ...withoutCa, secure: false }, 2000).write('a', 'y', 'any'))
  t.match(plain, { name: 'Unreachable', message: /the connection was cut \(if that etcd has TLS, write etcds:\/\/\)$/ })
  const without = await failure(open(t, (await startEtcd(t)).plan({ secure: true })).write('a', 'y', 'any'))
  t.match(without, { name: 'Unreachable', sent: false, message: /the connection was cut \(if that etcd has no TLS, write etcd:\/\/\)$/ })
  t.equal(typeof (await open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: await passOn(t, port) }] })).write('a', 'z', 'any')), 'string')
})

t.test('clients that must show a certificate', withTls, async (t) => {
  const tls = makeCertificates(t)
  const etcd = await startEtcd(t, { tls, clientCertificates: true })
  const engine = open(t, etcd.plan())
  t.equal(typeof (await engine.write('a', 'x', undefined)), 'string')
  const { cert: _, key: __, ...without } = etcd.plan()
  const error = await failure(open(t, without).write('a', 'y', 'any'))
  t.match(error, { name: 'Refused', message: /certificate or TLS: .*(bad certificate|certificate required)/, hint: /_CERT and _KEY/ })
  t.equal((await engine.read('a'))?.value, 'x')
})

t.test('a gateway that etcd itself does not let in says what its certificate lacks', withTls, async (t) => {
  const etcd = await startEtcd(t, { tls: makeCertificates(t, 'serverAuth'), clientCertificates: true })
  t.match(await failure(open(t, etcd.plan()).read('a')), { name: 'Unreachable', message: /its JSON gateway does not reach etcd itself \(with --client-cert-auth its certificate must be good for clientAuth, too\)$/ })
})
