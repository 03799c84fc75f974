/**
 * The kinds of servers that one-server runs, under a steward: what ends, fails, answers and listens in every way that a local call knows.
 * Each by one start over a real etcd; a second host, by the library, sees the same server or the same failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import getPort from 'get-port'
import t, { type Test } from 'tap'
import { parseClaim, type Claim } from '../../lib/across/claim.js'
import type { ClientProcessManagerOptions, ServerInfo } from '../../lib/index.js'
import { fixture, isAlive, send } from '../support/clients.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { noEtcd, startEtcd, type Etcd } from './etcd-server.js'
import { aSite, failureOf, PREFIX, urlOf, valuesBelow, type Site } from './hosts.js'

const onEtcd = { skip: noEtcd }
let etcd: Etcd | undefined
const theEtcd = async (): Promise<Etcd> => (etcd ??= await startEtcd(t))

const claimOf = async (name: string): Promise<Claim | undefined> => {
  const [text] = await valuesBelow(await theEtcd(), `${PREFIX}/${name}/claim`)
  return text === undefined ? undefined : (parseClaim(text) as Claim)
}

const usersOf = async (name: string): Promise<string[]> => valuesBelow(await theEtcd(), `${PREFIX}/${name}/users/`)

interface Pair {
  readonly here: Site
  readonly there: Site
  /** A file that commands may write a line to for each start. */
  readonly runs: string
  attempts(): number
}

/** Two hosts that want the same server. */
const aPair = async (t: Test, options: ClientProcessManagerOptions = {}): Promise<Pair> => {
  const all = { coordinator: urlOf(await theEtcd()), ttl: '20s', ...options }
  const runs = join(tempFolder(t), 'runs')
  return {
    here: aSite(t, all), there: aSite(t, all), runs,
    attempts: () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').length - 1 : 0),
  }
}

const statusAt = async (url: string): Promise<number> => (await fetch(url)).status

/** Starts a server here, and asks for it there: it is the same. */
const shared = async (t: Test, { here, there }: Pair, name: string, options: ClientProcessManagerOptions): Promise<ServerInfo> => {
  const first = await here.client(name, options).ensureServerRunning()
  t.match(first, { started: true, host: hostname(), epoch: Number, pid: Number })
  const second = await there.client(name, options).ensureServerRunning()
  t.match(second, { url: first.url, host: first.host!, epoch: first.epoch!, pid: first.pid!, started: false })
  t.match(await here.client(name, options).ensureServerRunning(), { url: first.url, epoch: first.epoch!, pid: first.pid!, started: false })
  t.ok(isAlive(first.pid!))
  return first
}

/** A server by its text, on Node. */
const node = (text: string): readonly string[] => [process.execPath, '-e', text]
const HTTP = (answer: string, then = ''): readonly string[] =>
  node(`const server = require('http').createServer((request, response) => { ${answer} }).listen(process.env.PORT, '127.0.0.1', () => { ${then} })`)

t.test('a server that exits with 3: one attempt for all that wait, on every host', onEtcd, async (t) => {
  const pair = await aPair(t)
  const go = `${pair.runs}.go`
  const command = ['sh', '-c', `echo run >>'${pair.runs}'; echo the reason why; until [ -e '${go}' ]; do sleep 0.05; done; exit 3`]
  const calls = [pair.here, pair.here, pair.here].map((site) => failureOf(() => site.client('exits', { command }).ensureServerRunning()))
  await until(() => pair.attempts() === 1, 'the start')
  calls.push(failureOf(() => pair.there.client('exits', { command }).ensureServerRunning()))
  await until(async () => (await usersOf('exits')).length === 1, 'the other host to wait')
  writeFileSync(go, '')
  for (const error of await Promise.all(calls)) {
    t.match({ code: error.code, exitCode: error.exitCode, logTail: error.logTail }, { code: 'SERVER_EXITED', exitCode: 3, logTail: /the reason why/ })
  }
  t.equal(pair.attempts(), 1)
  t.equal((await claimOf('exits'))?.state, 'over', 'the claim was given back')
})

t.test('a server that is never ready: one attempt, and the time that it had', onEtcd, async (t) => {
  const pair = await aPair(t, { ttl: '5s', startupTimeout: '2s' })
  const command = ['sh', '-c', `echo run >>'${pair.runs}'; echo still waiting for something; exec sleep 1000`]
  const call = (site: Site) => failureOf(() => site.client('never', { command }).ensureServerRunning())
  const began = performance.now()
  const own = call(pair.here)
  await until(() => pair.attempts() === 1, 'the start')
  const other = await call(pair.there)
  const error = await own
  t.ok(performance.now() - began >= 6900, 'startupTimeout, and the ttl for a silent host')
  t.match({ code: error.code, message: error.message, logTail: error.logTail }, { code: 'START_TIMEOUT', message: /7000 ms/, logTail: /still waiting for something/ })
  t.match({ code: other.code, message: other.message }, { code: 'START_TIMEOUT', message: /7000 ms/ })
  t.equal(pair.attempts(), 1)
  await until(async () => (await claimOf('never'))?.state === 'over', 'the claim to be given back')
})

t.test('a port that somebody has is PORT_IN_USE, and says whose it is', onEtcd, async (t) => {
  const pair = await aPair(t)
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const error = await failureOf(() => pair.here.client('taken', { serverScript: fixture('echo'), port }).ensureServerRunning())
  t.match({ code: error.code, message: error.message, pid: error.pid }, { code: 'PORT_IN_USE', message: new RegExp(`${port}`), pid: process.pid })
})

t.test('a command that is not there is COMMAND_NOT_FOUND', onEtcd, async (t) => {
  const pair = await aPair(t)
  for (const command of [['no-such-program-at-all'], ['/no/such/program'], [tempFolder(t)]]) {
    const error = await failureOf(() => pair.here.client('absent', { command }).ensureServerRunning())
    t.match({ code: error.code, message: error.message }, { code: 'COMMAND_NOT_FOUND', message: new RegExp(command[0]!) }, command[0]!)
  }
  const error = await failureOf(() => pair.here.client('absent', { serverScript: '/no/such.mjs' }).ensureServerRunning())
  t.match(error.message, /no\/such\.mjs/)
})

t.test('each kind of readiness', onEtcd, async (t) => {
  const pair = await aPair(t)
  const late = "response.end('well')"
  const kinds: readonly (readonly [name: string, options: ClientProcessManagerOptions])[] = [
    ['log', { command: HTTP(late, "setTimeout(() => console.log('it is up on', process.env.PORT), 300)"), ready: { log: /^it is up on \d+$/ } }],
    ['command', { command: HTTP(late), ready: { command: ['bash', '-c', '</dev/tcp/127.0.0.1/$0', '{port}'] }, healthTimeout: 5000 }],
    ['tcp', { command: HTTP(late), ready: 'tcp:{port}' }],
    ['match', { command: HTTP("response.end(request.url === '/h' ? 'is well' : 'no')"), healthPath: '/h', healthMatch: /^is w/ }],
    ['status', { command: HTTP("response.statusCode = 401; response.end('who?')"), healthPath: '/', healthStatus: [401] }],
    ['url', { command: HTTP("response.statusCode = request.headers.mine === 'x' ? 200 : 500; response.end()"), healthUrl: 'http://localhost:{port}/deep/h?x', healthHeaders: { mine: 'x' } }],
  ]
  for (const [name, options] of kinds) {
    const { url } = await shared(t, pair, `ready-${name}`, options)
    t.match(url, 'ready' in options ? /^tcp:\/\/127\.0\.0\.1:\d+$/ : /^http:\/\/127\.0\.0\.1:\d+$/, name)
    t.ok(await statusAt(url.replace('tcp:', 'http:')) > 0, name)
    t.equal(await pair.there.client(`ready-${name}`, options).stopServer(), true)
  }
  const tls = await shared(t, pair, 'https', { serverScript: fixture('https'), healthUrl: 'https://localhost:{port}/api/health' })
  t.match(tls.url, /^https:/)
})

t.test("another host checks by its own health options, at the owner's URL", onEtcd, async (t) => {
  const pair = await aPair(t)
  const command = HTTP("response.statusCode = request.url === '/there' ? 200 : request.url === '/here' ? 204 : 404; response.end('for ' + request.url)")
  const first = await pair.here.client('own', { command, healthPath: '/here' }).ensureServerRunning()
  const second = await pair.there.client('own', { command, healthPath: '/there', healthMatch: /^for .there$/ }).ensureServerRunning()
  t.match(second, { url: first.url, started: false })
  const third = aSite(t, { coordinator: urlOf(await theEtcd()), ttl: '20s' })
  const error = await failureOf(() => third.client('own', { command, healthPath: '/nowhere' }).ensureServerRunning())
  t.match({ code: error.code, message: error.message }, { code: 'HOST_UNREACHABLE', message: new RegExp(`${hostname()}.*404`) })
  t.ok(isAlive(first.pid!), 'it was left alone')
})

t.test('what a server is given: environment, folder, arguments, stdin', onEtcd, async (t) => {
  const pair = await aPair(t)
  const file = join(pair.here.folder, 'e.env')
  writeFileSync(file, 'FROM_FILE=1\nBOTH=file\n')
  const get = async (url: string, what: string): Promise<Record<string, string>> => (await (await fetch(`${url}/${what}`)).json()) as Record<string, string>
  const given = { serverScript: fixture('echo'), env: { OWN: 'x', BOTH: 'env', HOME: undefined }, envFile: file, cwd: pair.here.folder }
  const { url, epoch } = await shared(t, pair, 'given', given)
  const env = await get(url, 'env')
  t.match(env, { OWN: 'x', BOTH: 'env', FROM_FILE: '1', PATH: process.env['PATH']!, ONE_SERVER_EPOCH: String(epoch), ONE_SERVER_LAUNCH_ID: /^[0-9a-f]{16}$/, NODE_ENV: /./ })
  t.notOk('HOME' in env)
  t.same(Object.keys(env).filter((name) => /^ONE_SERVER_(STEWARD|COORDINATOR|FUSE)/.test(name)), [])
  t.equal(await get(url, 'cwd') as unknown, pair.here.folder)
  const fds = await get(url, 'fds')
  t.match(fds['0'], /stdin|fifo|pipe|\.d\//, 'a FIFO, open and silent')
  t.notMatch(fds['0'], /null/)
  t.equal(fds['0'], fds['9'])
  t.same(Object.entries(fds).filter(([fd, at]) => Number(fd) > 2 && Number(fd) < 8 && !/anon_inode|socket|pipe|random/.test(at)), [])
  for (const inheritEnv of [false, ['LANG']] as const) {
    const name = `bare-${String(inheritEnv)}`
    const bare = await shared(t, pair, name, { command: [process.execPath, fixture('echo')], inheritEnv })
    t.same(Object.keys(await get(bare.url, 'env')).filter((one) => !/^(ONE_SERVER_|PORT$|HOST$|SESSION_SERVER_PORT$|LANG$|PWD$|NODE_ENV$)/.test(one)), [], name)
  }
  const stays = await shared(t, pair, 'stdin', { command: HTTP('response.end()', "process.stdin.on('end', () => process.exit(4)).resume()"), healthPath: '/' })
  t.equal(await statusAt(stays.url), 200)
  const bundled = await shared(t, pair, 'bundled', {})
  t.equal(await statusAt(`${bundled.url}/api/health`), 200)
})

t.test('stopSignal is what the server gets, and the stop of another host asks by it', onEtcd, async (t) => {
  const pair = await aPair(t, { stopSignal: 'SIGINT', stopTimeout: '30s' })
  const log = `${pair.runs}.signals`
  const command = HTTP('response.end()', `for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => { require('fs').appendFileSync(${JSON.stringify(log)}, name + ' '); setTimeout(process.exit, 200) })`)
  for (const site of [pair.here, pair.there]) {
    await shared(t, pair, 'signal', { command, healthPath: '/' })
    t.equal(await site.client('signal').stopServer(), true)
  }
  t.equal(readFileSync(log, 'utf8'), 'SIGINT SIGINT ', 'one each: many a server takes a second one for impatience')
})

t.test('a server that takes longer to stop than its ttl keeps the claim meanwhile, ends by itself, and is not burnt', onEtcd, async (t) => {
  const pair = await aPair(t, { ttl: '5s', stopTimeout: '60s' })
  const log = `${pair.runs}.ends`
  const command = HTTP('response.end()', `process.on('SIGTERM', () => setTimeout(() => { require('fs').appendFileSync(${JSON.stringify(log)}, 'by itself'); process.exit() }, 8000))`)
  const client = pair.here.client('slow', { command, healthPath: '/' })
  const { pid } = await client.ensureServerRunning()
  const stopping = client.stopServer()
  await until(async () => (await claimOf('slow'))?.state === 'ending', 'the claim to say so')
  const { beat, launch } = (await claimOf('slow'))!
  await until(async () => (await claimOf('slow'))!.beat >= beat + 3, 'renewals while it ends')
  t.ok(isAlive(pid!))
  t.equal((await claimOf('slow'))!.launch, launch)
  t.equal(await stopping, true)
  t.equal(readFileSync(log, 'utf8'), 'by itself')
  t.equal((await claimOf('slow'))!.state, 'over')
})

t.test('after a SIGKILL of the server the next call starts one, on any host', onEtcd, async (t) => {
  const pair = await aPair(t)
  const options = { serverScript: fixture('healthy') }
  for (const next of [pair.here, pair.there]) {
    const { pid, epoch } = await shared(t, pair, 'killed', options)
    send(pid!, 'SIGKILL')
    await until(async () => (await claimOf('killed'))?.state === 'over', 'its steward to see it')
    const again = await next.client('killed', options).ensureServerRunning()
    t.ok(again.started && again.epoch! > epoch!)
    t.equal(await next.client('killed', options).stopServer(), true)
  }
})

t.test('SIGTERM to the steward ends the server and gives the claim back at once', onEtcd, async (t) => {
  const pair = await aPair(t, { ttl: '10m' })
  const options = { serverScript: fixture('healthy') }
  const { pid } = await shared(t, pair, 'steward', options)
  send((await claimOf('steward'))!.steward.pid, 'SIGTERM')
  await until(async () => (await claimOf('steward'))?.state === 'over', 'the claim to be given back')
  t.notOk(isAlive(pid!), 'the server had ended before')
  t.match(await pair.there.client('steward', options).ensureServerRunning(), { started: true })
})

t.test('servers that are several processes, or whose first one leaves', onEtcd, async (t) => {
  const pair = await aPair(t)
  const server = `'${process.execPath}' '${fixture('healthy')}'`
  const npm = tempFolder(t)
  writeFileSync(join(npm, 'package.json'), JSON.stringify({ scripts: { start: server.replaceAll("'", '') } }))
  for (const [name, options] of [
    ['behind', { command: ['sh', '-c', `${server} &`] }], ['daemon', { command: ['sh', '-c', `setsid ${server} & exit 0`] }],
    ['npm', { command: ['npm', 'start'], cwd: npm }], ['child', { serverScript: fixture('grandchild-holds-port') }],
  ] as const) {
    const first = await pair.here.client(name, options).ensureServerRunning()
    t.match(await pair.there.client(name, options).ensureServerRunning(), { url: first.url, started: false }, name)
    const { pid } = (await (await fetch(`${first.url}/api/health`)).json()) as { pid: number }
    const { beat } = (await claimOf(name))!
    await until(async () => (await claimOf(name))!.beat > beat, 'a renewal')
    t.ok(isAlive(pid), `${name} serves on`)
    t.equal(await pair.here.client(name, options).stopServer(), true)
    t.notOk(isAlive(pid), `${name} has ended, whoever serves`)
    t.equal((await claimOf(name))!.state, 'over')
  }
})

const noRedis = noEtcd || (spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).error === undefined ? false : 'there is no redis-server in the PATH')
t.test('redis-server --daemonize yes', { skip: noRedis }, async (t) => {
  const pair = await aPair(t)
  const folder = tempFolder(t)
  const command = ['redis-server', '--port', '{port}', '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'yes', '--pidfile', join(folder, 'pid')]
  const options = { command, ready: 'tcp:{port}' } as const
  const { url } = await pair.here.client('redis', options).ensureServerRunning()
  t.match(await pair.there.client('redis', options).ensureServerRunning(), { url, started: false })
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  t.ok(isAlive(pid))
  t.equal(await pair.there.client('redis', options).stopServer(), true)
  t.notOk(isAlive(pid))
})

t.test('a variable above what the kernel takes is refused as on one host, and the errand of a steward has no such limit', onEtcd, async (t) => {
  const pair = await aPair(t)
  const options = { serverScript: fixture('healthy'), env: { LARGE: 'x'.repeat(130 * 1024) } }
  const error = await failureOf(() => pair.here.client('large', options).ensureServerRunning())
  t.match({ code: error.code, message: error.message }, { code: 'COMMAND_NOT_FOUND', message: /arguments and environment are too long \(E2BIG\)/ })
  const many = { serverScript: fixture('echo'), env: Object.fromEntries(['A', 'B', 'C', 'D'].map((name) => [name, name.repeat(90_000)])) }
  const { url } = await shared(t, pair, 'many', many)
  t.match((await (await fetch(`${url}/env`)).json()), many.env)
})

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

t.test('where the server is offered', onEtcd, async (t) => {
  const port = await getPort()
  for (const [name, options, url] of [
    ['port', { advertise: `127.0.0.1:${port}` }, `http://127.0.0.1:${port}`],
    ['all', { listen: '0.0.0.0', advertise: `127.0.0.2:${port}` }, `http://127.0.0.2:${port}`],
    ['name', { advertise: 'localhost' }, /^http:\/\/localhost:\d+$/],
    ...(hasIPv6 ? [['six', { advertise: '[::1]' }, /^http:\/\/\[::1\]:\d+$/], ['six-port', { advertise: `[::1]:${port}` }, `http://[::1]:${port}`]] as const : []),
  ] as const) {
    const pair = await aPair(t, options)
    const info = await shared(t, pair, `at-${name}`, { serverScript: fixture('healthy') })
    t.match(info.url, url, name)
    for (const at of [info.url, ...(name === 'all' ? [`http://127.0.0.1:${port}`] : [])]) t.equal(await statusAt(`${at}/api/health`), 200, at)
    t.equal(await pair.here.client(`at-${name}`).stopServer(), true)
  }
  const other = createServer().listen(port, '127.0.0.1')
  t.teardown(() => other.close())
  const pair = await aPair(t, { advertise: `127.0.0.1:${port}` })
  const error = await failureOf(() => pair.here.client('at-taken', { serverScript: fixture('healthy') }).ensureServerRunning())
  t.match({ code: error.code, message: error.message, hint: error.hint }, { code: 'PORT_IN_USE', message: new RegExp(`127\\.0\\.0\\.1:${port}`), hint: /advertise/ })
  const away = await aPair(t, { advertise: '192.0.2.1' })
  const none = await failureOf(() => away.here.client('at-none', { serverScript: fixture('healthy') }).ensureServerRunning())
  t.match({ code: none.code, message: none.message, hint: none.hint }, { code: 'INVALID_OPTION', message: /192\.0\.2\.1/, hint: /--advertise/ })
})
