/** What URLs and options of etcd mean, what is none, and what no message repeats. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { OneServerError } from '../../lib/errors.js'
import { ALL_SCHEMES, describe, etcdPlan, fromEnvironment, isEtcdPlan, type EtcdOptions, type EtcdPlan } from '../../lib/across/etcd-url.js'
import { etcd } from '../../lib/etcd.js'
import { tempFolder } from '../support/temp-folder.js'

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

const failure = (call: () => unknown): OneServerError => {
  try {
    const value = call()
    throw new Error(`it returned ${JSON.stringify(value)}`)
  } catch (error) {
    if (error instanceof OneServerError) return error
    throw error
  }
}

const at = (...hosts: string[]) => hosts.map((text) => {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
})

t.test('a URL names endpoints, whether there is TLS, and a prefix', async (t) => {
  const cases: readonly (readonly [string, Partial<EtcdPlan>])[] = [
    ['etcd://a', { endpoints: at('a:2379'), secure: false, prefix: 'one-server' }],
    ['etcd://a/', { endpoints: at('a:2379'), prefix: 'one-server' }],
    ['etcds://a:1,b:65535,c/ci/1234', { endpoints: at('a:1', 'b:65535', 'c:2379'), secure: true, prefix: 'ci/1234' }],
    ['ETCDS://Etcd-1.Example.COM', { endpoints: at('etcd-1.example.com:2379'), secure: true }],
    ['etcd://[::1],[2001:db8::7]:12', { endpoints: at('::1:2379', '2001:db8::7:12') }],
    ['etcd://10.0.0.1:2379,10.0.0.1,10.0.0.1:2380', { endpoints: at('10.0.0.1:2379', '10.0.0.1:2380') }],
    ['etcd://etcd_1.svc.cluster.local.:2379//ci/1//', { endpoints: at('etcd_1.svc.cluster.local.:2379'), prefix: 'ci/1' }],
    ['etcd://a/ci/feature%2Fx:y,z/@1', { prefix: 'ci/feature%2Fx:y,z/@1' }],
    ['etcd://bücher/ä', { endpoints: at('bücher:2379'), prefix: 'ä' }],
    ['etcd://ci:pw@a', { user: 'ci', password: 'pw', endpoints: at('a:2379') }],
    ['etcd://c%40i:p%2F%3Aw%3F%23:x@a,b/p', { user: 'c@i', password: 'p/:w?#:x', endpoints: at('a:2379', 'b:2379'), prefix: 'p' }],
    ['etcd://ci:p@w@a', { user: 'ci', password: 'p@w' }],
  ]
  for (const [url, expected] of cases) {
    const plan = etcdPlan(url)
    for (const [name, value] of Object.entries(expected)) t.same(plan[name as keyof EtcdPlan], value, `${url}: ${name}`)
    t.equal(plan.engine, 'etcd')
    t.same(JSON.parse(JSON.stringify(plan)), plan, 'it survives JSON')
    t.ok(isEtcdPlan(JSON.parse(JSON.stringify(plan))))
    t.ok([plan, plan.endpoints, ...plan.endpoints].every((part) => Object.isFrozen(part)))
  }
})

t.test('the library takes the schemes of etcd as well, where the engine is named', async (t) => {
  t.same(etcd('https://a:2379,b:2379/ci/1234'), etcdPlan('etcds://a,b/ci/1234'))
  t.same(etcd('http://a'), etcdPlan('etcd://a'))
  t.same(etcd('etcds://a'), etcdPlan('etcds://a'))
  t.equal(failure(() => etcdPlan('https://a')).code, 'INVALID_OPTION')
  t.equal(failure(() => etcd('redis://a')).code, 'INVALID_OPTION')
})

t.test('what is no such URL is an invalid option, in words that say what is missing', async (t) => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['', /etcd:\/\/HOST/], ['a:2379', /etcd:\/\/HOST/], ['redis://a', /etcd:\/\/HOST/], ['etcd:a', /etcd:\/\/HOST/], ['etcd:/a', /etcd:\/\/HOST/], ['__proto__://a', /etcd:\/\/HOST/], ['constructor://a', /etcd:\/\/HOST/],
    ['etcd://', /host before and after each comma/], ['etcd:///ci', /host before and after each comma/], ['etcd://a,', /each comma/], ['etcd://,a', /each comma/], ['etcd://a,,b', /each comma/], ['etcd://:2379', /each comma/], ['etcd://u:p@', /each comma/],
    ['etcd://a:', /ports from 1 to 65535/], ['etcd://a:0', /ports/], ['etcd://a:65536', /ports/], ['etcd://a:-1', /ports/], ['etcd://a:1e3', /ports/], ['etcd://a:2379:1', /ports/], ['etcd://a: 1', /white space/], ['etcd://a:0x1', /ports/], ['etcd://a:١', /ports/],
    ['etcd://a?x=1', /without \? and #/], ['etcd://a/p?x', /without \? and #/], ['etcd://a#x', /without \? and #/],
    ['etcd://::1', /brackets/], ['etcd://2001:db8::7', /brackets/], ['etcd://[::1', /brackets/], ['etcd://[a]', /brackets/], ['etcd://[]', /brackets/], ['etcd://[::1]x', /brackets/], ['etcd://[127.0.0.1]', /brackets/],
    ['etcd://a*', /names or addresses/], ['etcd://-a', /names or addresses/], ['etcd://a$(x)', /names or addresses/], ['etcd://..', /names or addresses/],
    ['etcd://a/../b', /\. or \.\. in the prefix/], ['etcd://a/b/./c', /in the prefix/], ['etcd://a/b//c', /in the prefix/], ['etcd://a/..', /in the prefix/], ['etcd://a//.', /in the prefix/],
    ['etcd://a/b c', /white space/], ['etcd://a/b\u0000', /control/], ['etcd://a\n', /control/], ['etcd://a/\u001b[31m', /control/], ['etcd://a\u2028b', /control/], ['etcd://a/\u202e', /control/],
    ['etcd://%zz:p@a', /percent-encoded/], ['etcd://u:%e4@a', /percent-encoded/],
    [undefined, /got a value of type undefined|got "a value of type undefined"/], [null, /null/], [7, /number/], [{ engine: 'etcd' }, /object/],
  ]
  for (const [url, message] of cases) {
    const { code, message: text, hint } = failure(() => etcdPlan(url))
    t.equal(code, 'INVALID_OPTION', encodeURI(String(url)))
    t.match(text, /^coordinator must be /)
    t.match(text, message)
    t.notMatch(text, /[\p{Cc}\p{Cf}]/u)
    t.ok(hint)
  }
})

t.test('no message repeats a user, a password or a query, however the URL is broken', async (t) => {
  const secret = 's3cr3t'
  const urls = [
    `redis://:${secret}@a`, `etcd://ci:${secret}@`, `etcd://ci:${secret}@a:0`, `etcd://ci:${secret}@a?x`, `etcd://ci:%zz${secret}@a`, `etcd://${secret}:x@a/..`, `etcd://ci:x/${secret}@a`, `etcd://ci:x?${secret}@a`, `etcd://ci:x#${secret}@a`,
    `etcd://ci:${secret}`, `etcd://ci:${secret}/p`, `etcd://ci:${secret},b`, `etcd://a?password=${secret}`, `etcd://a#${secret}`, `etcd://ci:a@b/${secret}@a:x`, `etcd:ci:${secret}@a`, `etcd://ci:12/${secret}@a`, `etcd://${secret}/x@a:1`, `ci:${secret}@a`, `etcd://ci:${secret}\n@a`, `etcd://${secret}@a`, `etcd://:${secret}@a`,
    `//ci:${secret}@a`, `etcd://[::1]:${secret}`, `etcd://ci:1${secret}`, `etcd://ci:${secret}:2`,
  ]
  for (const url of urls) {
    const error = failure(() => etcdPlan(url))
    t.equal(error.code, 'INVALID_OPTION', url)
    t.notOk([error.message, error.hint, error.stack, JSON.stringify(error), inspect(error)].join().includes(secret), `${url}: ${error.message}`)
  }
  for (const options of [{ user: secret }, { password: secret }, { cert: `${PEM}${secret}` }, { key: secret }, { ca: `/${secret}` }, { user: { secret } }, { password: [secret] }]) {
    const error = failure(() => etcd('https://a', options as EtcdOptions))
    t.equal(error.code, 'INVALID_OPTION')
    t.notOk([error.message, error.hint, inspect(error)].join().includes(secret), error.message)
  }
})

t.test('any text is a plan or an invalid option', async () => {
  const part = fc.oneof(fc.constantFrom('etcd', 'etcds', '://', ':', '@', '/', ',', '?', '#', '[', ']', '::1', '%', '..', 'a', '2379', ' '), fc.string({ unit: 'binary', maxLength: 3 }))
  fc.assert(fc.property(fc.array(part, { maxLength: 12 }), fc.boolean(), (parts, isMarked) => {
    const url = (isMarked ? 'etcd://' : '') + parts.join('')
    try {
      const plan = etcdPlan(url, {}, ALL_SCHEMES)
      return isEtcdPlan(JSON.parse(JSON.stringify(plan))) && !/[\p{Cc}\s]/u.test(plan.prefix) && describe(plan).startsWith('etcd at ')
    } catch (error) {
      return error instanceof OneServerError && error.code === 'INVALID_OPTION'
    }
  }), { numRuns: 300 })
})

t.test('options fill what the URL leaves out', async (t) => {
  t.match(etcd('https://a', { user: 'ci', password: 'pw', ca: PEM, cert: Buffer.from(PEM), key: new Uint8Array(Buffer.from(PEM)) }), { user: 'ci', password: 'pw', ca: PEM, cert: PEM, key: PEM })
  t.match(etcd('https://own:word@a', { user: 'ci', password: 'pw' }), { user: 'own', password: 'word' })
  t.match(etcd('https://own@a', { password: 'pw' }), { user: 'own', password: 'pw' })
  t.same(etcd('https://a', { user: undefined, password: '', ca: undefined, cert: '' }), etcd('https://a'))
  const cases: readonly (readonly [string, EtcdOptions, RegExp])[] = [
    ['https://a', { user: 'ci' }, /no password/], ['https://ci@a', {}, /no password/], ['https://a', { password: 'pw' }, /no user/], ['https://:pw@a', {}, /no user/],
    ['https://a', { cert: PEM }, /needs its key/], ['https://a', { key: PEM }, /needs its key/], ['http://a', { ca: PEM }, /without TLS/], ['etcd://a', { cert: PEM, key: PEM }, /without TLS/],
    ['https://a', { ca: '/etc/ca.pem' }, /^ca must be the contents of a PEM file/], ['https://a', { key: 7 as never }, /^key must be/], ['https://a', { user: 7 as never, password: 'x' }, /^user must be a string/],
    ['https://a', { username: 'ci' } as never, /user, password, ca, cert, key.*username/],
  ]
  for (const [url, options, message] of cases) t.match(failure(() => etcd(url, options)), { code: 'INVALID_OPTION', message })
})

t.test('the environment says what the URL leaves out, certificates by their paths', async (t) => {
  const folder = tempFolder(t)
  const file = (name: string, text = PEM): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const env = { ONE_SERVER_COORDINATOR_USER: 'ci', ONE_SERVER_COORDINATOR_PASSWORD: 'pw', ONE_SERVER_COORDINATOR_CA: file('ca.pem'), ONE_SERVER_COORDINATOR_CERT: file('cert.pem', `${PEM}2`), ONE_SERVER_COORDINATOR_KEY: file('key.pem', `${PEM}3`) }
  t.match(etcdPlan('etcds://a', fromEnvironment(env)), { user: 'ci', password: 'pw', ca: PEM, cert: `${PEM}2`, key: `${PEM}3` })
  t.match(etcdPlan('etcds://own:word@a', fromEnvironment(env)), { user: 'own', password: 'word' })
  t.same(fromEnvironment({}), {})
  t.same(fromEnvironment(Object.fromEntries(Object.keys(env).map((name) => [name, '']))), {})
  mkdirSync(join(folder, 'folder'))
  const bad: readonly (readonly [string, RegExp])[] = [
    [join(folder, 'nothing'), /does not exist/], [join(folder, 'folder'), /is a folder/], ['/dev/zero', /is a device/], [file('empty', ''), /holds no PEM/], [file('text', 'x'), /holds no PEM/], [file('large', 'x'.repeat(1024 * 1024 + 1)), /bytes long/],
    [PEM, /its contents/], [`${folder}/\u0000`, /./],
  ]
  for (const name of ['CA', 'CERT', 'KEY']) {
    for (const [path, message] of bad) {
      const error = failure(() => fromEnvironment({ [`ONE_SERVER_COORDINATOR_${name}`]: path }))
      t.equal(error.code, 'INVALID_OPTION')
      t.match(error.message, new RegExp(`^ONE_SERVER_COORDINATOR_${name} must be the path of a PEM file`))
      t.match(error.message, message)
      t.notOk(error.message.includes('MIIB'))
    }
  }
})

t.test('an engine in words has no secrets', async (t) => {
  t.equal(describe(etcd('https://ci:pw@a,[::1]:7,b:1/ci')), 'etcd at a:2379, [::1]:7, b:1')
})

t.test('what is no plan is told from one', async (t) => {
  const plan = JSON.parse(JSON.stringify(etcd('https://ci:pw@a', { ca: PEM }))) as Record<string, unknown>
  t.ok(isEtcdPlan(plan))
  for (const change of [{ engine: 'x' }, { endpoints: [] }, { endpoints: 'a' }, { endpoints: [{ host: 'a' }] }, { endpoints: [{ host: 'a', port: '1' }] }, { endpoints: [{ host: '', port: 1 }] }, { endpoints: [{ host: 'a', port: 0 }] }, { endpoints: [null] }, { secure: 1 }, { prefix: '' }, { user: 7 }, { more: 'x' }]) {
    t.notOk(isEtcdPlan({ ...plan, ...change }), JSON.stringify(change))
  }
  for (const value of [undefined, null, 'etcd://a', [], 7]) t.notOk(isEtcdPlan(value))
})
