/** Users and passwords at a real etcd: who may what, tokens that end, and what no message may hold. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Refused } from '../../lib/across/coordinator.js'
import { until } from '../support/until.js'
import { failure, open, shown } from './engine.js'
import { enableUsers, noEtcd, startEtcd } from './etcd-server.js'
import { startForwarder } from './forwarder.js'

const onEtcd = noEtcd === false ? {} : { skip: noEtcd }

t.test('users: the right one, wrong ones, none, one of another prefix; and no message holds a secret', onEtcd, async (t) => {
  const etcd = await startEtcd(t)
  await enableUsers(etcd, { 'u-ci-7': { password: 'p/ss-ci:7', prefix: 'ci/1' }, 'u-dev-7': { password: 'p/ss-dev:7', prefix: 'dev' } })
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const through = { endpoints: [{ host: '127.0.0.1', port: forwarder.port }] }
  const right = { user: 'u-ci-7', password: 'p/ss-ci:7' }
  const engine = open(t, etcd.plan({ ...through, ...right }))
  await Promise.all([engine.read('ci/1/a'), engine.list('ci/1/'), engine.write('ci/1/a', 'x', undefined)])
  const logins = (): number => forwarder.answered.filter(({ path }) => path === '/v3/auth/authenticate').length
  t.equal(logins(), 1, 'one login for all')

  let hints = 0
  engine.watch!('ci/1/', () => { hints++ })
  await until(() => hints === 1, 'the watch of a user')

  const { token } = (await etcd.call('/v3/auth/authenticate', { name: right.user, password: right.password })).fields as { token: string }
  const errors = [
    { error: await failure(open(t, etcd.plan({ user: 'u-ci-7', password: 'p-wrong-7' })).read('ci/1/a')), why: /user or password is wrong$/ },
    { error: await failure(open(t, etcd.plan({ user: 'u-nobody-7', password: 'p/ss-ci:7' })).write('ci/1/a', 'x', 'any')), why: /user or password is wrong$/ },
    { error: await failure(open(t, etcd.plan()).read('ci/1/a')), why: /it wants a user and a password$/ },
    { error: await failure(open(t, etcd.plan()).write('ci/1/a', 'x', 'any')), why: /it wants a user and a password$/ },
    { error: await failure(engine.read('dev/a')), why: /the user may not read and write below ci\/1\/$/ },
    { error: await failure(engine.write('dev/a', 'x', 'any')), why: /the user may not read and write below ci\/1\/$/ },
    { error: await failure(engine.remove('dev/a')), why: /the user may not read and write below ci\/1\/$/ },
  ]
  for (const { error, why } of errors) {
    t.equal(error.name, 'Refused')
    t.match(error.message, why)
    t.match(error.message, /^127\.0\.0\.1:\d+: /)
    t.match((error as Refused).hint, /ONE_SERVER_COORDINATOR_PASSWORD|etcdctl role grant-permission/)
  }
  const gone = await failure(open(t, etcd.plan({ ...right, endpoints: [{ host: '127.0.0.1', port: 1 }] })).read('x'))
  const all = [...errors.map(({ error }) => error), gone, engine].map(shown).join('\n')
  for (const secret of ['u-ci-7', 'p/ss-ci:7', 'u-nobody-7', 'p-wrong-7', token]) t.notOk(all.includes(secret), secret)
})

t.test('a token that has ended is got again, and what it was refused for is carried out once', onEtcd, async (t) => {
  const etcd = await startEtcd(t, { args: ['--auth-token-ttl', '1'] })
  await enableUsers(etcd, { ci: { password: 'pw', prefix: 'ci/1' } })
  const forwarder = await startForwarder(t, etcd.members[0]!.port)
  const engine = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }], user: 'ci', password: 'pw' }))
  const refused = (): number => forwarder.answered.filter(({ status }) => status === 401).length
  let version = await engine.write('ci/1/a', '0', undefined)
  // Each use of a token prolongs it.
  for (let pause = 1500; refused() === 0; pause += 500) {
    await sleep(pause)
    const next = await engine.write('ci/1/a', String(pause), version)
    if (next === undefined) break
    version = next
  }
  t.equal(refused(), 1)
  t.equal((await engine.read('ci/1/a'))?.version, version)
  t.equal(forwarder.answered.filter(({ path }) => path === '/v3/auth/authenticate').length, 2)

  const watching = open(t, etcd.plan({ user: 'ci', password: 'pw' }))
  let hints = 0
  watching.watch!('ci/1/', () => { hints++ })
  await until(() => hints === 1, 'the watch')

  // This makes etcd forget all of them, and several calls find out together.
  const { token: root } = (await etcd.call('/v3/auth/authenticate', { name: 'root', password: 'root' })).fields as { token: string }
  await etcd.call('/v3/auth/disable', {}, root)
  await etcd.call('/v3/auth/enable', {})
  await Promise.all(Array.from({ length: 5 }, (_, at) => engine.write(`ci/1/${at}`, 'x', undefined)))
  t.same((await engine.list('ci/1/')).map(({ key }) => key), ['ci/1/0', 'ci/1/1', 'ci/1/2', 'ci/1/3', 'ci/1/4', 'ci/1/a'])
  t.equal(forwarder.answered.filter(({ path }) => path === '/v3/auth/authenticate').length, 3, 'one login for all')
  // A watch with an old token is answered that it is cancelled, in a stream that stays open.
  await until(() => hints === 6, 'a hint at each of the five')
  await etcd.members[0]!.kill()
  await etcd.members[0]!.start()
  await until(async () => {
    await engine.write('ci/1/w', 'x', 'any')
    return hints > 6 + 5
  }, 'the watch to log in again')
  t.pass('the watch logged in again')

  forwarder.cut.push('/v3/auth/authenticate')
  const cut = open(t, etcd.plan({ endpoints: [{ host: '127.0.0.1', port: forwarder.port }], user: 'ci', password: 'pw' }))
  t.match(await failure(cut.remove('ci/1/a')), { name: 'Unreachable', sent: false }, 'a login was sent, and the write was not')
})
