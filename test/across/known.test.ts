/** What a steward knows, from its own requests alone: who has the server, since when nothing was heard, who uses it, and what is amiss. */
import t from 'tap'
import { keysOf, written, type Claim } from '../../lib/across/claim.js'
import { Unreachable, type Coordinator, type Entry } from '../../lib/across/coordinator.js'
import { Knowledge } from '../../lib/across/known.js'

const keys = keysOf('ci', 'web')
const [OWN, OTHER] = ['0123456789abcdef', 'fedcba9876543210']

const claimOf = (launch: string, more: { [Key in keyof Claim]?: Claim[Key] | undefined } = {}): string => JSON.stringify({ format: 1,
  launch, host: 'ci-3', where: 'there', steward: { pid: 12, start: '34', group: 12 }, ttl: 10_000, state: 'ready', url: 'http://10.0.0.7:4711', pid: 99, epoch: 41,
  since: '2026-11-26T07:00:00.000Z', beat: 1, identity: { command: 'c', env: {} }, ...more,
})

/** An engine that answers what `entries` holds after `takes` ms, or fails; and a clock. */
const place = () => {
  let [now, takes] = [1000, 0]
  let failure: Error | undefined
  const entries = new Map<string, Entry>()
  let version = 0
  const answer = async <T>(value: () => T): Promise<T> => {
    if (failure !== undefined) throw failure
    const found = value()
    now += takes
    return found
  }
  const put = (key: string, value: string): string => {
    entries.set(key, { key, value, version: String(++version) })
    return String(version)
  }
  const engine: Coordinator = {
    read: (key) => answer(() => entries.get(key)),
    list: (under) => answer(() => [...entries.values()].filter(({ key }) => key.startsWith(under))),
    write: (key, value) => answer(() => put(key, value)),
    remove: (key) => answer(() => entries.delete(key)),
    localAddress: () => undefined, close: () => {},
  }
  const known = new Knowledge('etcd at a:2379', keys, OWN, () => now)
  return {
    known, engine: known.watching(engine), put, entries, pass: (ms: number) => { now += ms },
    take: (ms: number) => { takes = ms }, fail: (reason?: string) => { failure = reason === undefined ? undefined : new Unreachable(reason, { sent: false }) },
  }
}

t.test('nothing is known before the first answer', async (t) => {
  const { known } = place()
  t.equal(known.told(2.7).jumped, 3)
  t.match(known.told(0), { role: undefined, host: undefined, users: undefined, silentFor: undefined, engine: 'etcd at a:2379', under: 'ci/web/', trouble: undefined, why: undefined })
})

t.test('a follower counts the silence from the first answer that showed a version, whichever request showed it', async (t) => {
  const { known, engine, put, pass } = place()
  put(keys.claim, claimOf(OTHER))
  await engine.read(keys.claim)
  pass(3000)
  await engine.list(keys.under)
  t.match(known.told(0), { role: 'follower', host: 'ci-3', url: 'http://10.0.0.7:4711', epoch: 41, pid: 99, silentFor: 3000, users: undefined, why: undefined })
  pass(2500)
  await engine.read(keys.claim)
  t.equal(known.told(0).why, undefined, 'a renewal may be late')
  pass(1500)
  await engine.read(keys.claim)
  t.equal(known.told(0).why, 'ci-3 has not been heard of for 7s, and after 10s another host may start the server')
  put(keys.claim, claimOf(OTHER, { beat: 2 }))
  await engine.read(keys.claim)
  t.match(known.told(0), { silentFor: 0, why: undefined })
})

t.test('an owner counts from the sending of its last confirmed write', async (t) => {
  const { known, engine, put, pass, fail } = place()
  await engine.write(keys.claim, claimOf(OWN), undefined)
  pass(1500)
  await engine.list(keys.under)
  t.match(known.told(0), { role: 'owner', silentFor: 1500, users: [] })
  fail('connection refused')
  await t.rejects(engine.write(keys.claim, claimOf(OWN, { beat: 2 }), '1'))
  t.match(known.told(0), { role: 'owner', silentFor: 1500 })
  fail()
  await engine.write(keys.claim, claimOf(OWN, { beat: 3 }), '1')
  t.match(known.told(0), { silentFor: 0, trouble: undefined })
  put(keys.claim, claimOf(OTHER))
  await engine.list(keys.under)
  t.match(known.told(0), { role: 'follower', users: undefined }, 'another host has taken it')
})

t.test('an owner counts from the sending, and what it says of its users is as old as its last look at them', async (t) => {
  const { known, engine, take } = place()
  take(400)
  await engine.write(keys.claim, claimOf(OWN), undefined)
  t.equal(known.told(0).silentFor, 400, 'not from the answer to its write')
  await engine.list(keys.under)
  t.equal(known.told(0).silentFor, 800, 'not from its look')
  await engine.write(keys.claim, claimOf(OWN, { beat: 2 }), '1')
  t.equal(known.told(0).silentFor, 800, 'since it asked for its users, and not since it renewed')
})

t.test('a write that lost says nothing', async (t) => {
  const { known, engine } = place()
  await known.watching({ ...engine, write: async () => undefined }).write(keys.claim, claimOf(OWN), undefined)
  t.equal(known.told(0).role, undefined)
})

t.test('users are those of this launch that have not been silent for their ttl', async (t) => {
  const { known, engine, put, pass } = place()
  const use = (host: string, of: string, ttl = 10_000): string => written({ of, host, since: '2026-11-26T07:00:00.000Z', ttl, beat: 1 })
  put(keys.claim, claimOf(OWN))
  put(`${keys.users}a`, use('ci-7', OWN))
  put(`${keys.users}b`, use('ci-8', OTHER))
  put(`${keys.users}c`, use('ci-9', OWN, 2000))
  put(`${keys.users}d`, JSON.stringify({ format: 99 }))
  put(`${keys.users}e`, 'something')
  const hosts = async (): Promise<(string | undefined)[]> => {
    await engine.list(keys.under)
    return (known.told(0).users ?? []).map(({ host }) => host)
  }
  t.same(await hosts(), ['ci-7', 'ci-9', 'a host with a newer one-server'])
  pass(2000)
  t.same(await hosts(), ['ci-7', 'a host with a newer one-server'])
})

t.test('trouble lasts from the first try without an answer until the next answer', async (t) => {
  const { known, engine, fail, pass } = place()
  fail('a:2379: connection refused')
  await t.rejects(engine.read(keys.claim))
  pass(4000)
  fail('a:2379: no answer within 500 ms')
  await t.rejects(engine.list(keys.under))
  const told = 'etcd at a:2379 has not answered for 4s: a:2379: no answer within 500 ms'
  t.match(known.told(0), { trouble: told, why: told })
  fail()
  await engine.remove(keys.stop)
  t.match(known.told(0), { trouble: undefined, why: undefined })
  const calls: readonly (() => Promise<unknown>)[] = [() => engine.write(keys.stop, '', 'any'), () => engine.remove(keys.stop), () => engine.list(''), () => engine.read('')]
  for (const call of calls) {
    fail('a:2379: connection refused')
    await t.rejects(call())
    t.match(known.told(0), { trouble: /connection refused$/ })
    fail()
    await call()
    t.match(known.told(0), { trouble: undefined })
  }
})

t.test('why no server is pointed to', async (t) => {
  const { known, engine, put, fail } = place()
  put(keys.claim, claimOf(OTHER, { state: 'starting', url: undefined }))
  await engine.read(keys.claim)
  t.equal(known.why(), 'ci-3 starts the server, which is not ready yet')
  known.checked('the connection was refused')
  t.equal(known.why(), 'ci-3 starts the server, which is not ready yet', 'there is no URL to speak of')
  put(keys.claim, claimOf(OTHER))
  await engine.read(keys.claim)
  known.checked('the connection was refused')
  t.equal(known.why(), 'the server on ci-3 does not answer this host at http://10.0.0.7:4711: the connection was refused')
  fail('cut off')
  await t.rejects(engine.read(keys.claim))
  t.match(known.why(), /: the connection was refused; etcd at a:2379 has not answered for /)
  fail()
  known.checked(undefined)
  await engine.read(keys.claim)
  t.equal(known.why(), undefined)
  put(keys.claim, claimOf(OTHER, { state: 'over' }))
  await engine.read(keys.claim)
  t.equal(known.told(0).role, undefined, 'nobody has it')
  await engine.write(keys.claim, claimOf(OWN, { state: 'starting', url: undefined }), '1')
  known.awaits('waiting for its port')
  t.equal(known.why(), 'waiting for its port')
  await engine.write(keys.claim, claimOf(OWN), '1')
  known.checked(undefined)
  t.equal(known.why(), undefined, 'what is ready is waited for no more')
  known.checked('it answered 500')
  t.equal(known.why(), 'the server fails its health check from this host at http://10.0.0.7:4711: it answered 500')
})
