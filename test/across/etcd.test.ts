/** The client of etcd against a real one: each method, races, answers that are lost, leases and watches. */
import t from 'tap'
import { until } from '../support/until.js'
import { failure, open } from './engine.js'
import { noEtcd, startEtcd, type Etcd } from './etcd-server.js'
import { startForwarder } from './forwarder.js'

const onEtcd = noEtcd === false ? {} : { skip: noEtcd }

let shared: Promise<Etcd> | undefined
const anEtcd = (): Promise<Etcd> => (shared ??= startEtcd(t))

t.test('an entry is written where it is expected, and nowhere else', onEtcd, async (t) => {
  const engine = open(t, (await anEtcd()).plan())
  t.equal(await engine.read('one/a'), undefined)
  t.equal(engine.localAddress(), '127.0.0.1')
  const first = await engine.write('one/a', 'ä 1', undefined)
  t.same(await engine.read('one/a'), { key: 'one/a', value: 'ä 1', version: first })
  t.equal(await engine.write('one/a', 'another', undefined), undefined, 'absence is expected, and there is one')
  t.equal(await engine.write('one/a', 'another', String(Number(first) + 1)), undefined, 'another version is expected')
  t.equal(await engine.write('one/b', 'another', first), undefined, 'a version is expected, and there is none')
  t.same(await engine.read('one/a'), { key: 'one/a', value: 'ä 1', version: first }, 'what lost has written nothing')
  const second = await engine.write('one/a', '', first)
  t.same(await engine.read('one/a'), { key: 'one/a', value: '', version: second })
  const third = await engine.write('one/a', 'x', 'any')
  t.equal(typeof (await engine.write('one/c', 'y', 'any')), 'string', 'also where there is none')
  t.equal(await engine.remove('one/a', second), false, 'another version is expected')
  t.equal((await engine.read('one/a'))?.version, third)
  t.equal(await engine.remove('one/a', third), true)
  t.equal(await engine.remove('one/a'), false)
  t.equal(await engine.remove('one/c'), true)
})

t.test('a list has all keys that begin alike, and no others', onEtcd, async (t) => {
  const engine = open(t, (await anEtcd()).plan())
  const keys = ['two/', 'two/a', 'two/a/b', 'two/é', 'two0', 'two', 'tw/z']
  for (const key of keys) await engine.write(key, `of ${key}`, undefined)
  t.same((await engine.list('two/')).map(({ key, value }) => [key, value]), ['two/', 'two/a', 'two/a/b', 'two/é'].map((key) => [key, `of ${key}`]))
  t.same((await engine.list('two/é')).map(({ key }) => key), ['two/é'])
  t.same(await engine.list('two/nothing'), [])
  const all = new Set((await engine.list('')).map(({ key }) => key))
  t.ok(keys.every((key) => all.has(key)))
})

t.test('of 20 writers that expect the same version one wins, and no version comes back, not even after a removal', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const engines = Array.from({ length: 4 }, () => open(t, etcd.plan()))
  const versions: string[] = []
  let last: string | undefined
  for (let round = 0; round < 10; round++) {
    const results = await Promise.all(Array.from({ length: 20 }, (_, at) => engines[at % 4]!.write('race', String(at), last)))
    const won = results.flatMap((version, at) => (version === undefined ? [] : [{ version, value: String(at) }]))
    t.equal(won.length, 1, `round ${round}`)
    t.same(await engines[0]!.read('race'), { key: 'race', ...won[0]! })
    versions.push(won[0]!.version)
    last = won[0]!.version
    if (round % 3 === 2) {
      t.equal((await Promise.all(engines.map((engine) => engine.remove('race', last)))).filter(Boolean).length, 1)
      last = undefined
    }
  }
  t.same(versions.map(Number), [...new Set(versions.map(Number))].toSorted((one, other) => one - other))
})

t.test('a write whose answer is lost says that it may have been carried out, and is not sent again', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }, ...etcd.plan().endpoints] }))
  await engine.read('cut')
  forwarder.cut.push('/v3/kv/txn')
  t.match(await failure(engine.write('cut', 'x', undefined)), { name: 'Unreachable', sent: true, message: `127.0.0.1:${forwarder.port}: the connection was cut` })
  t.equal((await engine.read('cut'))?.value, 'x', 'it was carried out')
  t.same(forwarder.cut, [], 'and sent once: a second one, which the other endpoint would have answered, would have lost')
  forwarder.cut.push('/v3/kv/txn')
  const alone = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }] }))
  t.match(await failure(alone.remove('cut')), { name: 'Unreachable', sent: true })
  t.equal(await alone.read('cut'), undefined)
})

t.test('a read whose answer is lost is asked again at the next endpoint', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }, ...etcd.plan().endpoints] }))
  forwarder.cut.push('/v3/kv/range')
  t.equal(await engine.read('nothing'), undefined)
  t.same([forwarder.cut, forwarder.answered], [[], []])
  await engine.read('nothing')
  t.same(forwarder.answered, [], 'the endpoint that answered last is asked first')
})

t.test('what was certainly not sent goes on to the next endpoint, and is named where there is none', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const nobody = [{ host: '127.0.0.1', port: 1 }, { host: 'nobody.invalid', port: 2379 }]
  const engine = open(t, etcd.plan({ endpoints: [...nobody, ...etcd.plan().endpoints] }))
  t.equal(await engine.remove('onwards'), false, 'which needs no lease, so it is the first request of this client')
  t.equal(typeof (await engine.write('onwards', 'x', undefined)), 'string')
  const error = await failure(open(t, etcd.plan({ endpoints: nobody })).remove('onwards'))
  t.match(error, { name: 'Unreachable', sent: false, message: /^127\.0\.0\.1:1: connection refused; nobody\.invalid:2379: (no such host|the name server gives no answer)$/ })
})

t.test('a watch hints at changes below its keys, and at nothing else', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const engine = open(t, etcd.plan())
  let hints = 0
  const end = engine.watch!('seen/', () => { hints++ })
  await until(() => hints === 1, 'the watch to say that it is on')
  await engine.write('unseen/a', 'x', 'any')
  await engine.write('seen/a', 'x', 'any')
  await until(() => hints === 2, 'a hint at a write')
  await engine.remove('seen/a')
  await until(() => hints === 3, 'a hint at a removal')
  end()
  await engine.write('seen/a', 'y', 'any')
  await open(t, etcd.plan()).read('seen/a')
  t.equal(hints, 3)
})

t.test('a watch goes on to the next endpoint', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: 1 }, ...etcd.plan().endpoints] }))
  await new Promise<void>((resolve) => { engine.watch!('seen/', resolve) })
  t.equal(engine.localAddress(), undefined, 'no request but the watch was made')
})

t.test('writes share one lease of an hour, and get another where etcd has lost it', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }] }))
  const leaseOf = async (key: string): Promise<string> => {
    const { fields } = await etcd.call('/v3/kv/range', { key: Buffer.from(key).toString('base64') })
    return (fields['kvs'] as { lease: string }[])[0]!.lease
  }
  await Promise.all(['leased/a', 'leased/b', 'leased/c'].map((key) => engine.write(key, 'x', 'any')))
  t.equal(forwarder.answered.filter(({ path }) => path === '/v3/lease/grant').length, 1)
  const lease = await leaseOf('leased/a')
  t.equal(await leaseOf('leased/b'), lease)
  t.match((await etcd.call('/v3/lease/timetolive', { ID: lease })).fields, { grantedTTL: '3600' })
  await etcd.call('/v3/lease/revoke', { ID: lease })
  t.equal(await engine.read('leased/a'), undefined)
  t.equal(typeof (await engine.write('leased/a', 'x', undefined)), 'string', 'it was refused before it was carried out, so it was sent again')
  t.not(await leaseOf('leased/a'), lease)
})

t.test('no lease is used after half its time, whichever clock has stood still or was set', onEtcd, async (t) => {
  const etcd = await anEtcd()
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const { now } = Date
  t.teardown(() => { Date.now = now })
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }] }))
  const grants = (): number => forwarder.answered.filter(({ path }) => path === '/v3/lease/grant').length
  const minutes = async (shift: number): Promise<number> => {
    Date.now = () => now() + shift * 60_000
    await engine.write('half', 'x', 'any')
    return grants()
  }
  t.equal(await minutes(0), 1)
  t.equal(await minutes(29), 1)
  t.equal(await minutes(31), 2, 'a machine that slept')
  t.equal(await minutes(0), 3, 'a clock that was set back')
  Date.now = now
  const { performance } = globalThis
  const monotonic = performance.now.bind(performance)
  t.teardown(() => { performance.now = monotonic })
  performance.now = () => monotonic() + 31 * 60_000
  await engine.write('half', 'x', 'any')
  t.equal(grants(), 4, 'time that has passed')
})

t.test('a client that is closed asks nothing more, and holds nothing', onEtcd, async (t) => {
  const engine = open(t, (await anEtcd()).plan())
  let hints = 0
  engine.watch!('closed/', () => { hints++ })
  await until(() => hints > 0, 'the watch')
  const reading = failure(engine.read('x'))
  engine.close()
  t.match(await reading, { name: 'Unreachable' })
  t.match(await failure(engine.write('x', 'y', 'any')), { name: 'Unreachable', sent: false, message: 'the client is closed' })
  engine.close()
})

t.test('an etcd without users takes a client that has one', onEtcd, async (t) => {
  const engine = open(t, (await anEtcd()).plan({ user: 'ci', password: 'pw' }))
  t.equal(typeof (await engine.write('unasked', 'x', 'any')), 'string')
})
