/**
 * What people see of a server that two hosts share, by real processes over a real etcd: two homes are two hosts here, since each has its
 * own state. `status`, `list`, `stop` and `doctor` as text and as JSON on both, the words of failures, and no password in any of it.
 */
import { hostname } from 'node:os'
import t, { type Test } from 'tap'
import { keysOf, written } from '../../lib/across/claim.js'
import { fixture, home, type Ended, type Home } from '../cli/command-line.js'
import { until } from '../support/until.js'
import { enableUsers, noEtcd, startEtcd, type Etcd } from './etcd-server.js'
import { aHost, PREFIX, urlOf } from './hosts.js'

interface Status {
  readonly state: string
  readonly url: string
  readonly address: string
  readonly port: number
  readonly pid: number
  readonly host: string
  readonly epoch: number
  readonly role: string | null
  readonly users: readonly { readonly host: string; readonly since: string }[] | null
  readonly silentFor: number
  readonly trouble: string | null
  readonly leases: readonly unknown[]
  readonly launcher: number
}

interface Finding {
  readonly topic: string
  readonly level: string
  readonly text: string
  readonly advice: string | null
}

const keys = keysOf(PREFIX, 'web')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

const keysIn = async ({ call }: Etcd, key: string): Promise<unknown[]> => {
  const { fields } = await call('/v3/kv/range', { key: base64(key) })
  return (fields['kvs'] ?? []) as unknown[]
}

const put = async ({ call }: Etcd, key: string, value: string): Promise<void> => {
  await call('/v3/kv/put', { key: base64(key), value: base64(value) })
}

const START = ['start', 'web', '--script', fixture('echo'), '--timeout', '60s', '--json', '--quiet']

const start = async (t: Test, here: Home): Promise<Status> => {
  const { code, stdout, stderr } = await here.start(START)
  t.equal(code, 0, stderr)
  return JSON.parse(stdout) as Status
}

const statusOf = async (here: Home): Promise<Status> => JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as Status

const findingsOf = async (here: Home, env: NodeJS.ProcessEnv = {}): Promise<readonly Finding[]> =>
  (JSON.parse((await here.run(['doctor', 'web', '--json'], env)).stdout) as { findings: Finding[] }).findings

const about = (findings: readonly Finding[], topic: string): readonly Finding[] => findings.filter((finding) => finding.topic === topic)

/** Plain, and no line is longer than a terminal but for one whose last word alone is: a path. */
const fits = (t: Test, { stdout }: Pick<Ended, 'stdout'>): void => {
  t.notOk(stdout.includes('\u001B'))
  t.same(stdout.split('\n').filter((line) => line.length > 80 && !/^ *(?:→ )?(?:pid file|log) +\S+$|^\S* *\S* *(?:→ )?\S+$/.test(line)), [])
}

t.test('a server that two hosts share, and that is well', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const [owner, follower] = [aHost(t, etcd), aHost(t, etcd)]
  const first = await start(t, owner)
  const second = await start(t, follower)
  t.match(second, { url: first.url, pid: first.pid, host: hostname(), epoch: first.epoch, started: false })
  await until(async () => (await statusOf(owner)).users?.length === 1, 'the owner to see the other host')

  await t.test('status', async (t) => {
    const [here, there] = [await statusOf(owner), await statusOf(follower)]
    const same = { state: 'ready', url: first.url, address: first.url, port: first.port, pid: first.pid, host: hostname(), epoch: first.epoch, coordinator: `etcd at 127.0.0.1:${etcd.members[0]!.port}`, trouble: null }
    t.match(here, { ...same, role: 'owner', users: [{ host: hostname(), since: /^\d{4}-.*Z$/ }] })
    t.match(there, { ...same, role: 'follower', users: null })
    t.strictSame([here.leases, there.leases], [[], []], "a steward's own lease is no client")
    t.ok(here.silentFor < 20_000 && there.silentFor < 20_000)
    t.equal(Number(new URL(first.url).port), first.port)
    t.match(await (await fetch(`${first.url}/env`)).json(), { ONE_SERVER_EPOCH: String(first.epoch) })
    const text = [await owner.run(['status', 'web']), await follower.run(['status', 'web'])]
    for (const one of text) fits(t, one)
    t.match(text[0]!.stdout, new RegExp(`^state     ready\nurl       ${first.url}\nhost      ${hostname()}, this host, epoch ${first.epoch}\nengine    etcd at 127\\.0\\.0\\.1:\\d+\nrenewed   \\d+m?s ago\npid       ${first.pid}\n(?:.*\n)*used by   ${hostname()} for .*\n`))
    t.match(text[1]!.stdout, new RegExp(`\nhost      ${hostname()}, another host, epoch ${first.epoch}\n(?:.*\n)*stops     when ${hostname()} ends it: `))
    t.notMatch(text[0]!.stdout + text[1]!.stdout, /trouble|client/)
  })

  await t.test('list, once and for ever', async (t) => {
    const text = await owner.run(['list', '--named'])
    fits(t, text)
    t.equal(text.stdout, `web  ready  ${hostname()}  ${first.pid}  1 other host, pinned  ${first.url}\n`)
    t.match(JSON.parse((await follower.run(['list', '--named', '--json'])).stdout), { servers: [{ name: 'web', host: hostname(), role: 'follower', pid: first.pid }] })
    const watching = follower.begin(['list', '--named', '--watch'])
    await watching.prints(`web  ready  ${hostname()}  ${first.pid}  pinned  ${first.url}\n`)
    watching.child.kill('SIGINT')
    await watching.ended
    const alone = home(t)
    const { pid, url } = JSON.parse((await alone.start(['start', 'own', '--port', 'auto', '--json', '--quiet', '--script', fixture('echo')])).stdout) as Status
    t.equal((await alone.run(['list', '--named'])).stdout, `own  ready  ${pid}  pinned  ${url}\n`, 'no column that says nothing')
    t.notOk('host' in JSON.parse((await alone.run(['status', 'own', '--json'])).stdout))
  })

  await t.test('doctor', async (t) => {
    for (const [here, whose] of [[owner, 'this host runs the server for all hosts'], [follower, `this host uses the server of ${hostname()}`]] as const) {
      const found = await findingsOf(here)
      t.same(found.filter(({ level }) => level === 'problem'), [])
      t.match(about(found, 'steward'), [{ level: 'ok', text: new RegExp(`^${whose} \\(${keys.under}\\); the claim was renewed .* ago$`) }])
      t.match(about(found, 'coordinator').map(({ text }) => text), [
        /^etcd at 127\.0\.0\.1:\d+, keys below ci\/1234\/web\/, with no TLS, no user$/, /is etcd 3\.\d+\.\d+; an answer takes [\d.]+ ms/, /has compacted nothing yet/,
        /^this host may read and write below ci\/1234\/web\/$/,
      ])
      t.match(about(found, 'owner').map(({ text }) => text), [
        new RegExp(`^${hostname()}, this host, has it \\(ready, epoch ${first.epoch}, ttl 20s, since `), `${first.url} accepts connections from this host`, /^used by /,
      ])
      t.match(about(found, 'address'), [{ level: 'note', text: /^this host tells others 127\.0\.0\.1, a loopback address/, advice: /--advertise/ }])
      t.match(about(found, 'leases'), [{ text: 'nobody holds a lease; pinned, so that no lease ends it' }])
      const text = await here.run(['doctor', 'web'])
      fits(t, text)
      t.match(text, { code: 0, stdout: /\nok {7}steward {6}this host / })
    }
    t.same(await keysIn(etcd, `${keys.under}doctor`), [], 'the key that it wrote is gone')
    t.match(about(await findingsOf(follower, { ONE_SERVER_TTL: '9s' }), 'owner').filter(({ level }) => level === 'note'), [{ text: `${hostname()} has a ttl of 20s, and this host has one of 9s` }])
    t.match(about(await findingsOf(follower, { ONE_SERVER_COORDINATOR: '' }), 'coordinator'), [{ level: 'note', text: /no coordinator was named/, advice: /--coordinator/ }])
    const flags = await home(t).run(['doctor', 'web', '--coordinator', urlOf(etcd), '--no-host', '--ttl', '20s'])
    t.match(flags.stdout, /ok {7}address {6}this host may not run the server/)
  })

  await t.test('stop', async (t) => {
    t.match(await follower.run(['stop', 'web', '--if-idle']), { code: 0, stderr: new RegExp(`${hostname()} runs it, and knows who uses it.*\n(?:.*\n)*.*it was left running`) })
    t.match(await owner.run(['stop', 'web', '--if-idle']), { code: 0, stderr: new RegExp(`1 other host uses it:\none-server: +${hostname()} for .*\none-server: it was left running`) })
    t.equal((await statusOf(follower)).state, 'ready')
    const held = owner.begin(['hold', 'web', '--script', fixture('echo'), '--quiet'], { stdin: 'pipe' })
    await held.prints('"url"')
    t.match((await owner.run(['stop', 'web'])).stderr, new RegExp(`1 other host uses it:\n.*\none-server: 1 client uses it:\none-server: +PID ${held.child.pid} .*\n(?:.*\n)*.*stopped \\(PID ${first.pid}\\)`))
    held.child.kill('SIGKILL')
    await until(async () => (await follower.run(['status', 'web'])).code === 3, 'the other host to see that it has gone')
    const again = await start(t, owner)
    t.ok(again.epoch > first.epoch)
    t.match(await owner.run(['stop', 'web', '--if-idle']), { code: 0, stderr: /stopped \(PID / }, 'nobody uses it')
  })
})

t.test('a server that does not answer: the steward says where and why', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const [owner, follower] = [aHost(t, etcd), aHost(t, etcd)]
  const { pid, url } = await start(t, owner)
  await start(t, follower)
  process.kill(pid, 'SIGSTOP')
  const thaw = (): void => { process.kill(pid, 'SIGCONT') }
  try {
    const why = (where: string): RegExp => new RegExp(`the server${where} does not answer this host at\\s+${url}:`)
    const patience = ['start', 'web', '--script', fixture('echo'), '--timeout', '2s', '--quiet', '--json']
    const failed = async (here: Home, args: readonly string[]): Promise<{ code: string; message: string; hint: string; pid?: number }> =>
      // A call waits for its own ttl besides; the owner's stays.
      (JSON.parse((await here.run(args, { ONE_SERVER_TTL: '5s' })).stdout) as { error: { code: string; message: string; hint: string } }).error
    t.match(await failed(follower, patience), { code: 'SERVER_UNHEALTHY', message: why(` on ${hostname()}`), hint: /^Give .* an address that this host reaches: advertise/, pid })
    t.match(await failed(owner, patience), { code: 'SERVER_UNHEALTHY', message: why(''), hint: /left alone/, pid })
    t.match(await failed(follower, ['wait', 'web', '--timeout', '1s', '--json', '--quiet']), { code: 'START_TIMEOUT', message: why(` on ${hostname()}`) })
    t.match(await statusOf(follower), { state: 'unhealthy', trouble: why(` on ${hostname()}`), role: 'follower', host: hostname() })
    t.match((await owner.run(['status', 'web'])).stdout, /\nstate {5}unhealthy|^state {5}unhealthy/)
    const found = await findingsOf(follower)
    t.match(about(found, 'steward'), [{ level: 'ok' }, { level: 'problem', text: why(` on ${hostname()}`), advice: /advertise/ }])
  } finally {
    thaw()
  }
  await until(async () => (await statusOf(follower)).state === 'ready', 'it to answer again')
  t.equal((await statusOf(follower)).trouble, null)
})

t.test('a steward that is frozen', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  // Its fuse must not burn while this looks.
  const owner = aHost(t, etcd, { ONE_SERVER_TTL: '10m' })
  await start(t, owner)
  const found = about(await findingsOf(owner), 'processes')[0] as Finding & { readonly data: { readonly leader: number } }
  process.kill(found.data.leader, 'SIGSTOP')
  try {
    t.match(await statusOf(owner), { state: 'unhealthy', trouble: 'its steward on this host does not answer', role: null, host: hostname() })
    t.match(about(await findingsOf(owner), 'steward'), [{ level: 'problem', text: 'the steward of this host does not answer' }])
    t.match((await owner.run(['stop', 'web', '--if-idle'])).stderr, /left running/, 'what is not known to be idle is spared')
  } finally {
    process.kill(found.data.leader, 'SIGCONT')
  }
})

t.test('an engine that is away for a while', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const owner = aHost(t, etcd, { ONE_SERVER_TTL: '60s' })
  await start(t, owner)
  await etcd.members[0]!.kill()
  const { trouble, state } = await until(async () => {
    const status = await statusOf(owner)
    return status.trouble === null ? undefined : status
  }, 'a renewal to fail')
  t.equal(state, 'ready', 'for a while it serves on')
  t.match(trouble, /^etcd at 127\.0\.0\.1:\d+ has not answered for .*: 127\.0\.0\.1:\d+: connection refused$/)
  t.match((await owner.run(['status', 'web'])).stdout, /\ntrouble   etcd at 127\.0\.0\.1:\d+ has not answered for /)
  const found = await findingsOf(owner)
  t.match(about(found, 'coordinator'), [{ level: 'ok' }, { level: 'problem', text: /cannot be reached: connection refused$/ }])
  t.match(about(found, 'steward'), [{ level: 'ok' }, { level: 'problem', text: /has not answered for / }])
  t.same(about(found, 'owner'), [], 'nobody knows')
  await etcd.members[0]!.start()
  await until(async () => (await statusOf(owner)).trouble === null, 'a renewal to be confirmed')
})

t.test('an engine that is not there, or refuses', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const PASSWORD = 'hunter2-SECRET'
  await enableUsers(etcd, { ci: { password: PASSWORD, prefix: PREFIX }, other: { password: PASSWORD, prefix: 'elsewhere' } })
  const login = (user: string, password: string): NodeJS.ProcessEnv => ({ ONE_SERVER_COORDINATOR_USER: user, ONE_SERVER_COORDINATOR_PASSWORD: password })
  const refused = async (env: NodeJS.ProcessEnv, why: RegExp, advice: RegExp): Promise<void> => {
    const here = aHost(t, etcd, env)
    const started = await here.run(START)
    t.match(started, { code: 8 })
    t.match(JSON.parse(started.stdout), { error: { code: 'COORDINATOR_REFUSED', message: why, hint: advice } })
    const [text, json] = [await here.run(['doctor', 'web']), await here.run(['doctor', 'web', '--json'])]
    t.equal(text.code, 1)
    fits(t, text)
    const problems = (JSON.parse(json.stdout) as { findings: Finding[] }).findings.filter(({ level, topic }) => level === 'problem' && topic === 'coordinator')
    t.match(problems, [{ text: why, advice }])
    t.equal(problems.length, 1, 'it is said once')
    t.notMatch(started.stdout + started.stderr + text.stdout + json.stdout, /SECRET/)
  }
  await refused(login('ci', 'wrong-SECRET'), /user or password is wrong/, /ONE_SERVER_COORDINATOR_PASSWORD/)
  await refused({}, /wants a user and a password/, /ONE_SERVER_COORDINATOR_USER/)
  await refused(login('other', PASSWORD), /may not read and write below ci\/1234\//, /grant-permission/)
  await refused({ ONE_SERVER_COORDINATOR: urlOf(etcd).replace('://', '://ci:wrong-SECRET@') }, /user or password is wrong/, /ONE_SERVER_COORDINATOR_PASSWORD/)

  const well = await aHost(t, etcd, login('ci', PASSWORD)).run(['doctor', 'web', '--json'])
  t.match(about((JSON.parse(well.stdout) as { findings: Finding[] }).findings, 'coordinator').map(({ text }) => text), [/with no TLS, a user and a password$/, /is etcd .* ms(?:, \d+ kB)?, revision \d+/, /compacted nothing yet/, /may read and write/])
  t.notMatch(well.stdout, /SECRET/)

  const away = aHost(t, etcd, { ONE_SERVER_COORDINATOR: 'etcd://127.0.0.1:1/ci' })
  t.match(await away.run(START), { code: 8, stdout: /"COORDINATOR_UNREACHABLE"/ })
  t.match(about(await findingsOf(away), 'coordinator'), [{ level: 'ok' }, { level: 'problem', text: '127.0.0.1:1 cannot be reached: connection refused', advice: /host, port, firewall/ }])
  const wrong = await findingsOf(aHost(t, etcd, { ONE_SERVER_COORDINATOR: 'redis://:SECRET@a' }))
  t.match(about(wrong, 'coordinator'), [{ level: 'problem', text: /coordinator/ }])
  t.notMatch(JSON.stringify(wrong), /SECRET/)
})

t.test('what others left in the engine', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const here = aHost(t, etcd)
  const owner = async (): Promise<readonly Finding[]> => about(await findingsOf(here), 'owner')
  const claim = (more: object): string => written({
    launch: '0123456789abcdef', host: 'ci-3', where: 'elsewhere', steward: { pid: 12, start: '34', group: 12 }, ttl: 5000, state: 'ready', url: 'http://127.0.0.1:1', pid: 99, epoch: 3,
    since: '2026-11-26T07:00:00.000Z', beat: 7, identity: { command: 'c', env: {} }, ...more,
  })
  t.match(await owner(), [{ level: 'ok', text: `no host runs it: there is no ${keys.claim}` }])
  await put(etcd, keys.claim, claim({}))
  t.match(await owner(), [
    { level: 'note', text: /^ci-3 has it \(ready, epoch 3, ttl 5s, since .*\), and has been silent for the \ds of this look$/, advice: /another host may start the server 5s after/ },
    { level: 'note', text: 'ci-3 has a ttl of 5s, and this host has one of 20s' },
    { level: 'problem', text: 'http://127.0.0.1:1 accepts no connection from this host: the connection was refused', advice: /^Give ci-3 an address that this host reaches/ },
    { level: 'ok', text: 'no other host says that it uses it' },
  ])
  await put(etcd, keys.claim, claim({ ttl: 600_000, state: 'starting', url: undefined }))
  t.match(await owner(), [{ level: 'ok', text: /it renews each 2m, and this looked for 4s only$/ }, { level: 'note' }, { level: 'ok' }])
  await put(etcd, keys.claim, claim({ state: 'over' }))
  t.match(await owner(), [{ level: 'ok', text: 'no host runs it: ci-3 has given it back' }])
  await put(etcd, keys.claim, 'something of another program')
  t.match(await owner(), [{ level: 'problem', text: /that one-server did not write$/ }])
  await put(etcd, keys.claim, JSON.stringify({ format: 2 }))
  t.match(await owner(), [{ level: 'problem', text: /of a newer one-server$/ }])
  await put(etcd, `${keys.under}doctor`, 'of a doctor that was killed')
  t.match(about(await findingsOf(here), 'coordinator').at(-1), { level: 'ok', text: /may read and write/ })
  t.same(await keysIn(etcd, `${keys.under}doctor`), [])
  await etcd.call('/v3/maintenance/alarm', { action: 'ACTIVATE', alarm: 'NOSPACE', memberID: '0' })
  t.match(about(await findingsOf(here), 'coordinator').filter(({ level }) => level === 'problem'), [{ text: /NOSPACE/, advice: /alarm disarm/ }, { text: /database space exceeded/ }])
})
