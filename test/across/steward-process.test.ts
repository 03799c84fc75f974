/** A steward as a real process, over a real etcd: what its server gets, and what ends with it. */
import { once } from 'node:events'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { bareEnv, run, runModule } from '../support/child.js'
import { isAlive } from '../support/processes.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { noEtcd, startEtcd } from './etcd-server.js'

const CLI = join(process.cwd(), 'dist/cli.js')
const INDEX = pathToFileURL(join(process.cwd(), 'dist/index.js')).href
const noRedis = noEtcd || (spawnSync('redis-server', ['--version']).error === undefined ? false : 'there is no redis-server in the PATH (apt-get install redis-server)')

/** Serves its environment. */
const SHOWS = "require('http').createServer((_, r) => r.end(JSON.stringify(process.env))).listen(process.env.PORT, '127.0.0.1')"

const setUp = async (t: Test) => {
  const etcd = await startEtcd(t)
  const home = tempFolder(t)
  const env = { ...bareEnv(), HOME: home, XDG_STATE_HOME: join(home, 'state') }
  const shared = { ...env, ONE_SERVER_COORDINATOR: `etcd://127.0.0.1:${etcd.members[0]!.port}/ci/1`, ONE_SERVER_TTL: '5s' }
  const call = async (words: readonly string[], more: NodeJS.ProcessEnv) => {
    const { code, stdout, stderr } = await run(t, process.execPath, [CLI, ...words], { env: more })
    return { code, stderr, stdout }
  }
  t.teardown(async () => {
    for (const name of ['alone', 'across', 'redis', 'ends']) for (const of of [env, shared]) await call(['stop', name], of)
  })
  return { env, shared, call, home }
}

t.test('the server gets the environment that it has without a coordinator, and its epoch', { skip: noEtcd }, async (t) => {
  const { env, shared } = await setUp(t)
  const own = { MINE: 'a {port}', NODE_OPTIONS: '--no-warnings', ONE_SERVER_COORDINATOR_USER: '', GONE: 'x' }
  // Together more than the 128 KiB that Linux takes in one variable.
  const options = { command: [process.execPath, '-e', SHOWS], healthPath: '/', port: 'auto' }
  const environmentOf = async (name: string, of: NodeJS.ProcessEnv) => {
    const { stdout, stderr } = await runModule(t, `
      import { ClientProcessManager } from '${INDEX}'
      const { url } = await new ClientProcessManager({ name: '${name}', ...${JSON.stringify(options)}, env: { LARGE: 'x'.repeat(90_000), OTHER: 'y'.repeat(90_000), AT: 'at {port}', GONE: undefined, HOST: undefined }, ...${JSON.stringify(of === shared ? { coordinator: shared.ONE_SERVER_COORDINATOR } : {})} }).ensureServerRunning()
      console.log(await (await fetch(url)).text())`, [], { env: { ...of, ...own } })
    t.equal(stderr, '')
    return JSON.parse(stdout) as Record<string, string>
  }
  const [wanted, found] = [await environmentOf('alone', env), await environmentOf('across', shared)]
  t.match(found['ONE_SERVER_EPOCH'], /^\d+$/)
  t.equal(found['AT'], `at ${found['PORT']}`)
  for (const name of ['PORT', 'SESSION_SERVER_PORT', 'ONE_SERVER_LAUNCH_ID', 'ONE_SERVER_PID_FILE', 'ONE_SERVER_EPOCH', 'AT']) {
    delete wanted[name]
    delete found[name]
  }
  t.strictSame(found, wanted)
})

t.test('a daemon that erases its environment ends with a steward that is killed', { skip: noRedis }, async (t) => {
  const { shared, call, home } = await setUp(t)
  const log = join(home, 'redis.log')
  const redis = ['redis-server', '--daemonize', 'yes', '--port', '{port}', '--logfile', log, '--dir', home, '--save', '']
  const { code, stderr } = await call(['start', 'redis', '--json', '--port', 'auto', '--ready', 'tcp:{port}', '--', ...redis], shared)
  t.equal(code, 0, stderr)
  const server = Number(/^(\d+):M /m.exec(readFileSync(log, 'utf8'))?.[1])
  const [, steward] = /\.(\d+)\.\d+\.\d+\.claim$/m.exec(readdirSync(home, { recursive: true, encoding: 'utf8' }).join('\n'))!
  t.ok(isAlive(server))
  process.kill(Number(steward), 'SIGKILL')
  await until(() => !isAlive(server), 'the daemon to end')
})

t.test('what a first process has left is asked to stop, and ends by itself before the claim is given back', { skip: noEtcd }, async (t) => {
  const { shared, call, home } = await setUp(t)
  const there = { ...shared, HOME: tempFolder(t), XDG_STATE_HOME: tempFolder(t) }
  const log = join(home, 'end')
  const text = `require('http').createServer((_, response) => response.end()).listen(process.env.PORT, '127.0.0.1')
    process.on('SIGTERM', () => setTimeout(() => { require('fs').writeFileSync(${JSON.stringify(log)}, 'by itself'); process.exit() }, 500))`
  for (const of of [shared, there]) {
    const { code, stderr } = await call(['start', 'ends', '--port', 'auto', '--health', '/', '--', 'sh', '-c', '"$0" "$@" &', process.execPath, '-e', text], of)
    t.equal(code, 0, stderr)
  }
  t.match(await call(['stop', 'ends', '--stop-timeout', '60s'], there), { code: 0, stderr: /stopped/ })
  t.equal(readFileSync(log, 'utf8'), 'by itself')
})

t.test('a steward whose port another program has taken leaves with 1, and says so in a line', { skip: noEtcd }, async (t) => {
  const { shared, call, home } = await setUp(t)
  const { code, stderr } = await call(['start', 'ends', '--port', 'auto', '--health', '/', '--', process.execPath, '-e', SHOWS], shared)
  t.equal(code, 0, stderr)
  const [, steward] = /\.(\d+)\.\d+\.\d+\.claim$/m.exec(readdirSync(home, { recursive: true, encoding: 'utf8' }).join('\n'))!
  const own = readFileSync(`/proc/${steward}/environ`, 'utf8').split('\0').flatMap((one) => (one === '' ? [] : [[one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]]))
  const port = /:(\d+)\//.exec(shared.ONE_SERVER_COORDINATOR)![1]!
  // Its fuse ends its process group, and what bears the id of the launch.
  const second = await run(t, process.execPath, ['-e', 'eval(process.env.ONE_SERVER_STEWARD_CODE)', port], { env: Object.fromEntries(own) as NodeJS.ProcessEnv, detached: true })
  t.match(second, { code: 1, stdout: /^one-server: listen EADDRINUSE: .*\n$/, stderr: '' })
})

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

t.test('a host that reaches the engine by IPv6 offers its server at that address', { skip: noEtcd || (hasIPv6 ? false : 'there is no ::1') }, async (t) => {
  const { shared, call } = await setUp(t)
  const relay = createServer((socket) => {
    const onward = connect(Number(/:(\d+)\//.exec(shared.ONE_SERVER_COORDINATOR)![1]), '127.0.0.1')
    socket.on('error', () => { onward.destroy() }).pipe(onward).on('error', () => { socket.destroy() }).pipe(socket)
  }).listen(0, '::1')
  await once(relay, 'listening')
  t.teardown(() => { relay.close() })
  const of = { ...shared, ONE_SERVER_COORDINATOR: `etcd://[::1]:${(relay.address() as AddressInfo).port}/ci/1` }
  const { stdout, stderr } = await call(['start', 'ends', '--port', 'auto', '--health', '/', '--json', '--', process.execPath, '-e', SHOWS], of)
  const { url } = JSON.parse(stdout) as { url: string }
  t.match(url, /^http:\/\/\[::1\]:\d+$/, stderr)
  t.equal((await fetch(url)).status, 200)
  t.equal((await call(['stop', 'ends'], of)).code, 0)
})
