/**
 * What servers of several hosts may be asked for. Bad input is INVALID_OPTION that names the option, by the library and by the command
 * line alike, before anything is launched or sent, and no message repeats a password. What is right comes from flags, variables and a
 * config file, in this order, to every call that starts or ends a server.
 */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { etcd } from '../../lib/etcd.js'
import { fixture, home, PROGRAM, type Home } from '../cli/command-line.js'
import { library, run, runModule } from '../support/child.js'
import { installPackage } from '../support/installed.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { AS_WINDOWS, aWindows } from '../support/windows.js'
import { noEtcd, startEtcd } from './etcd-server.js'
import { aHost, aSite, failureOf, PREFIX, urlOf, valuesBelow } from './hosts.js'

/** Nobody listens there: who tries to reach it fails otherwise than by INVALID_OPTION. */
const NOWHERE = 'etcd://127.0.0.1:1/ci'
const SECRET = 'S3CR3T'

const URLS: readonly (readonly [url: string, says: RegExp])[] = [
  [`redis://:${SECRET}@a`, /etcd:\/\/HOST/],
  [`http://ci:${SECRET}@a:2379`, /etcd:\/\/HOST/],
  [`etcd://ci:${SECRET}/x@a/ci`, /percent-encoded/],
  [`etcd://ci:${SECRET}#x@a/ci`, /percent-encoded/],
  [`etcd://a/ci?password=${SECRET}`, /without \? and #/],
  [`etcd://ci:${SECRET}%@a`, /percent-encoded/],
  [`etcd://ci:${SECRET}@/ci`, /a host before and after/],
  [`etcd://:${SECRET}@a/ci`, /a password and no user/],
  [`etcd://ci:${SECRET}@a:99999`, /ports from 1/],
  [`etcd://a:${SECRET}`, /ports from 1/],
  ['etcd://ci@a/ci', /a user and no password/],
  ['etcd://a/ci/../x', /no empty part/], ['etcd://a/ci//x', /no empty part/], ['etcd://a/c i', /white space/], ['etcd://a/c\u0007i', /control/],
  ['etcd://::1/ci', /in brackets/], ['etcd://a,,b', /a host before and after/], ['etcd://a_b!/ci', /names or addresses/],
]

const ADVERTISE = ['a b', ':80', 'a:', 'x:99999', 'x:y', '7000', '::1', '[::1', '[zz]', '[1.2.3.4]', '[:::]', 'http://a', 'a/b', 'a..b', '..', '-a', '1.2.3.400', '0.0.0.0', '[::]:80', '0', 'a:-1', 'a\nb']

const SAME = { coordinator: NOWHERE, serverScript: fixture('echo') }

/** Options, and the one that is named. */
const OPTIONS: readonly (readonly [options: object, names: RegExp])[] = [
  [{ ttl: '4s' }, /^ttl must be .* of at least 5000/], [{ ttl: 4999 }, /^ttl/], [{ ttl: '11m' }, /^ttl/], [{ ttl: 'soon' }, /^ttl/], [{ ttl: Number.NaN }, /^ttl/], [{ ttl: -1 }, /^ttl/],
  [{ reuseExisting: true }, /coordinator excludes reuseExisting/], [{ ready: 'socket:/tmp/x' }, /coordinator excludes ready: 'socket/],
  [{ name: undefined, pidFile: '/tmp/never.pid' }, /coordinator needs name, and pidFile/], [{ name: undefined }, /coordinator needs name/],
  ...ADVERTISE.map((advertise) => [{ advertise }, /^advertise must be/] as const), [{ advertise: 7000 }, /^advertise/], [{ advertise: '' }, /^advertise/],
  [{ listen: 'a b' }, /^listen/], [{ listen: 'a:80' }, /^listen/], [{ listen: '' }, /^listen/], [{ listen: 80 }, /^listen/], [{ mayHost: 'no' }, /^mayHost/], [{ mayHost: 0 }, /^mayHost/],
  ...URLS.map(([coordinator, says]) => [{ coordinator }, says] as const),
  ...[null, '', 5, true, {}, [], { engine: 'etcd' }, new Date(), () => SECRET].map((coordinator) => [{ coordinator }, /^coordinator must be/] as const),
  ...[
    { endpoints: [] }, { endpoints: [{ host: '', port: 1 }] }, { endpoints: [{ host: 'a', port: '1' }] }, { secure: 1 }, { prefix: '' }, { engine: 'redis' }, { password: 5 },
    { more: SECRET },
  ].map((wrong) => [{ coordinator: { ...etcd('etcd://a'), ...wrong } }, /^coordinator must be/] as const),
]

t.test('the library refuses each by the name of its option, and launches nothing', async (t) => {
  const site = aSite(t, SAME)
  for (const [options, names] of OPTIONS) {
    const what = JSON.stringify(options)
    const error = await failureOf(() => {
      const given = { ...SAME, port: 'auto', name: 'web', ...options } as ClientProcessManagerOptions
      // As who calls without a folder for its state has it.
      return site.client('web', given).ensureServerRunning()
    })
    t.match({ code: error.code, message: error.message }, { code: 'INVALID_OPTION', message: names }, what)
    t.notMatch(`${error.message} ${error.hint} ${error.stack}`, new RegExp(SECRET, 'i'), what)
    t.ok(error.hint, what)
  }
  t.notOk(existsSync(join(site.folder, 'state')), 'nothing was written')
})

t.test('stopServer refuses what says where the server is', async (t) => {
  const site = aSite(t, {})
  for (const [coordinator, says] of URLS) {
    const error = await failureOf(() => site.client('stopped', { coordinator }).stopServer())
    t.match({ code: error.code, message: error.message }, { code: 'INVALID_OPTION', message: says }, coordinator)
    t.notMatch(`${error.message} ${error.hint}`, new RegExp(SECRET, 'i'))
  }
})

t.test('etcd() refuses by the names of its options', async (t) => {
  for (const [args, names] of [
    [['etcd://a', { user: 'ci' }], /a user and no password/], [['etcd://a', { password: SECRET }], /a password and no user/],
    [['etcds://a', { cert: `-----BEGIN ${SECRET}` }], /needs its key/], [['etcds://a', { key: `-----BEGIN ${SECRET}` }], /needs its key/],
    [['etcds://a', { ca: `/path/${SECRET}.pem` }], /^ca must be the contents/], [['etcd://a', { ca: '-----BEGIN C' }], /without TLS/],
    [['etcd://a', { password: 5 }], /^password must be/], [['etcd://a', { pasword: SECRET }], /the options of etcd\(\)/], [[5], /^coordinator must be/], [[], /^coordinator must be/],
  ] as const) {
    const error = await failureOf(() => (etcd as (...words: readonly unknown[]) => unknown)(...args))
    t.match({ code: error.code, message: error.message }, { code: 'INVALID_OPTION', message: names })
    t.notMatch(`${error.message} ${error.hint}`, new RegExp(SECRET))
  }
})

t.test('the command line refuses each, as a flag and as a variable', async (t) => {
  const here = home(t)
  const pem = join(here.folder, 'pem')
  writeFileSync(pem, '-----BEGIN CERTIFICATE-----')
  const start = ['--port', 'auto', '--script', fixture('echo'), '--json']
  const at = ['web', ...start, '--coordinator', NOWHERE]
  const refused = async (args: readonly string[], names: RegExp, env: NodeJS.ProcessEnv = {}): Promise<void> => {
    const { code, stdout, stderr } = await here.run(args, env)
    const what = `${args.join(' ')} ${JSON.stringify(env)}`
    t.match({ code, error: JSON.parse(stdout || '{}').error }, { code: 2, error: { code: 'INVALID_OPTION', message: names } }, what)
    t.notMatch(stdout + stderr, new RegExp(SECRET, 'i'), what)
  }
  const bothWays = async (flag: string, variable: string, value: string, names: RegExp, ofFlag = names): Promise<void> => {
    await refused(['start', ...at, `${flag}=${value}`], ofFlag)
    await refused(['start', ...at.filter((word) => flag !== '--coordinator' || (word !== flag && word !== NOWHERE))], names, { [variable]: value })
  }
  await bothWays('--coordinator', 'ONE_SERVER_COORDINATOR', URLS[0]![0], URLS[0]![1], /takes no user and password/)
  await bothWays('--coordinator', 'ONE_SERVER_COORDINATOR', URLS[3]![0], URLS[3]![1], /takes no user and password/)
  await bothWays('--ttl', 'ONE_SERVER_TTL', '4s', /^(--ttl|ONE_SERVER_TTL) must be .* of at least 5000/)
  await bothWays('--ttl', 'ONE_SERVER_TTL', 'soon', /^(--ttl|ONE_SERVER_TTL) must be/)
  await bothWays('--advertise', 'ONE_SERVER_ADVERTISE', 'a b', /^advertise must be/)
  await bothWays('--listen', 'ONE_SERVER_LISTEN', 'a b', /^(--listen|ONE_SERVER_LISTEN) must be/)
  await refused(['start', ...at], /^ONE_SERVER_MAY_HOST must be 0 or 1/, { ONE_SERVER_MAY_HOST: 'maybe' })
  await refused(['start', '--pid-file', join(here.folder, 'x.pid'), ...at.slice(1)], /^coordinator needs name/)
  await refused(['start', ...at, '--ready', 'socket:/tmp/x'], /coordinator excludes ready/)
  await refused(['hold', ...at.filter((word) => word !== '--json'), '--linger', 'x'], /^--linger must be/)
  await refused(['restart', ...at, '--ttl', '11m'], /^ttl must be from 5s/)
  await refused(['stop', 'web', '--json', '--coordinator', URLS[0]![0]], /takes no user and password/)
  await refused(['stop', 'web', '--json'], URLS[0]![1], { ONE_SERVER_COORDINATOR: URLS[0]![0] })
  await refused(['start', ...at], /a user and no password/, { ONE_SERVER_COORDINATOR_USER: 'ci' })
  await refused(['start', ...at], /a password and no user/, { ONE_SERVER_COORDINATOR_PASSWORD: SECRET })
  const secure = ['start', ...at, '--coordinator', 'etcds://127.0.0.1:1']
  await refused(secure, /^ONE_SERVER_COORDINATOR_CA must be the path .*does not exist/, { ONE_SERVER_COORDINATOR_CA: join(here.folder, 'none') })
  await refused(secure, /^ONE_SERVER_COORDINATOR_CA must be the path/, { ONE_SERVER_COORDINATOR_CA: here.folder })
  await refused(secure, /^ONE_SERVER_COORDINATOR_KEY must be the path .*got "its contents"/, { ONE_SERVER_COORDINATOR_KEY: `-----BEGIN PRIVATE KEY----- ${SECRET}` })
  await refused(secure, /needs its key/, { ONE_SERVER_COORDINATOR_CERT: pem })
  const ran = await here.run(['run', 'web', ...start.slice(0, -1), '--coordinator', NOWHERE, '--linger', 'x', '--', 'true'])
  t.match(ran, { code: /^[1-9]/, stderr: /--linger must be/ })
  t.notOk(existsSync(here.env['ONE_SERVER_STATE_DIR']!), 'nothing was written')
})

t.test('Windows is refused by name, by the command line and by the library', async (t) => {
  const windows = aWindows(t)
  const folder = tempFolder(t)
  const env = { ...windows.env, HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state') }
  const args = ['start', 'web', '--port', 'auto', '--script', fixture('echo'), '--coordinator', NOWHERE, '--json']
  const { code, stdout } = await run(t, process.execPath, [...AS_WINDOWS, PROGRAM.at(-1)!, ...args], { cwd: folder, env })
  const error = { code: 'INVALID_OPTION', message: /^coordinator excludes Windows/, hint: /Linux or macOS/ }
  t.match({ code, ...JSON.parse(stdout) }, { code: 2, error })
  const called = await windows.runs(`
    import { ClientProcessManager } from '${library('index.js')}'
    const manager = new ClientProcessManager(${JSON.stringify({ ...SAME, name: 'web', port: 'auto' })})
    manager.ensureServerRunning().catch(({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })))`, env)
  t.match(JSON.parse(called.stdout), error)
})

t.test('etcd() of the installed package, in both kinds of module, with types', async (t) => {
  const folder = tempFolder(t)
  installPackage(folder)
  const text = "const plan = etcd('https://a,b:1/ci', { user: 'ci', password: 'x' }); console.log(JSON.stringify([plan, Object.isFrozen(plan)]))"
  writeFileSync(join(folder, 'a.mjs'), `import { etcd } from 'one-server/etcd'; ${text}`)
  writeFileSync(join(folder, 'a.cjs'), `const { etcd } = require('one-server/etcd'); ${text}`)
  const plan = { engine: 'etcd', endpoints: [{ host: 'a', port: 2379 }, { host: 'b', port: 1 }], secure: true, prefix: 'ci', user: 'ci', password: 'x' }
  for (const file of ['a.mjs', 'a.cjs']) {
    const { code, stdout, stderr } = await run(t, process.execPath, [file], { cwd: folder })
    t.equal(code, 0, stderr)
    t.same(JSON.parse(stdout), [plan, true])
  }
  const typed = `
    import { etcd, type EtcdPlan } from 'one-server/etcd'
    import { ClientProcessManager } from 'one-server'
    const coordinator: EtcdPlan = etcd('etcd://a', { user: 'ci', password: undefined })
    export const one = new ClientProcessManager({ name: 'web', coordinator, ttl: '20s', advertise: 'a:1', listen: '::', mayHost: false })
    export const other = new ClientProcessManager({ name: 'web', coordinator: 'etcd://a' })
    // @ts-expect-error -- no such option
    etcd('etcd://a', { pasword: 'x' })
    // @ts-expect-error -- frozen
    coordinator.prefix = 'x'
  `
  for (const name of ['a.mts', 'a.cts']) writeFileSync(join(folder, name), typed)
  const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url))
  mkdirSync(join(folder, 'node_modules', '@types'))
  for (const name of ['@types/node', 'undici-types']) symlinkSync(join(modules, name), join(folder, 'node_modules', name))
  const tsc = join(modules, 'typescript/bin/tsc')
  const checked = await run(t, process.execPath, [tsc, '--noEmit', '--strict', '--target', 'es2023', '--module', 'node16', '--skipLibCheck', 'false', 'a.mts', 'a.cts'], { cwd: folder })
  t.equal(checked.stdout, '')
})

t.test('where the coordinator comes from, and which calls take it', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const at = (prefix: string): string => urlOf(etcd).replace(PREFIX, prefix)
  const stateOf = async (prefix: string, name: string): Promise<string | undefined> => {
    const [claim] = await valuesBelow(etcd, `${prefix}/${name}/claim`)
    return claim && (JSON.parse(claim) as { state: string }).state
  }
  const [here, there] = [aHost(t, etcd, { ONE_SERVER_COORDINATOR: '' }), aHost(t, etcd, { ONE_SERVER_COORDINATOR: '' })]
  const server = { serverScript: fixture('echo'), port: 'auto', startupTimeout: '60s' }
  const configure = (db: object): void => {
    const servers = { api: { ...server, needs: ['db'], coordinator: at('file') }, db: { ...server, ...db } }
    for (const { folder } of [here, there]) writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers }))
  }
  configure({})
  const well = async (args: readonly string[], env: NodeJS.ProcessEnv = {}, host = here): Promise<string> => {
    const { code, stdout, stderr } = await host.run(args, env)
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const variable = { ONE_SERVER_COORDINATOR: at('variable') }
  const stopsAt = async (prefix: string): Promise<void> => {
    await well(['stop', 'api,db', '--coordinator', at(prefix)])
    t.strictSame([await stateOf(prefix, 'api'), await stateOf(prefix, 'db')], ['over', 'over'], prefix)
  }

  await well(['start', 'api'])
  t.strictSame([await stateOf('file', 'api'), await stateOf('file', 'db')], ['ready', undefined], 'each server has its own keys')
  await well(['stop', 'api,db'])
  t.strictSame(await stateOf('file', 'api'), 'over', 'stop takes it from the file')

  await well(['start', 'api'], variable)
  t.strictSame([await stateOf('variable', 'api'), await stateOf('variable', 'db'), await stateOf('file', 'api')], ['ready', 'ready', 'over'], 'a variable is for all that are started')
  const epoch = async (): Promise<number> => (JSON.parse(await well(['status', 'api', '--json'])) as { epoch: number }).epoch
  const before = await epoch()
  await well(['restart', 'api'], variable)
  t.ok(await epoch() > before)
  await stopsAt('variable')

  await well(['start', 'api,db', '--coordinator', at('flag')], variable)
  t.strictSame([await stateOf('flag', 'api'), await stateOf('flag', 'db'), await stateOf('variable', 'api')], ['ready', 'ready', 'over'], 'several names; a flag comes before a variable')
  await well(['stop', 'api,db', '--coordinator', at('flag')], {}, there)
  t.strictSame([await stateOf('flag', 'api'), await stateOf('flag', 'db')], ['over', 'over'], 'a host without a steward stops those of others')

  const url = await well(['run', 'api', '--coordinator', at('run'), '--idle-timeout', '0', '--', 'sh', '-c', 'echo $ONE_SERVER_URL'])
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+\n$/)
  await until(async () => (await stateOf('run', 'api')) === 'over' && (await stateOf('run', 'db')) === 'over', 'the end of what was run')
  const holding = here.begin(['hold', 'api', '--coordinator', at('hold'), '--idle-timeout', '0'])
  await until(async () => (await stateOf('hold', 'api')) === 'ready' && (await stateOf('hold', 'db')) === 'ready', 'what is held')
  await holding.prints('"url"')
  holding.child.kill('SIGTERM')
  await holding.ended
  await until(async () => (await stateOf('hold', 'api')) === 'over' && (await stateOf('hold', 'db')) === 'over', 'its end')

  await t.test('fromConfig: two checkouts on two hosts share it by its name alone', async (t) => {
    configure({ coordinator: at('file') })
    const call = async (host: Home, text: string): Promise<Record<string, unknown>> => {
      const { code, stdout, stderr } = await runModule(t, `
        import { fromConfig } from '${library('index.js')}'
        const manager = await fromConfig('api')
        console.log(JSON.stringify(await manager.${text}))`, [], { cwd: host.folder, env: host.env })
      t.equal(code, 0, stderr)
      return JSON.parse(stdout) as Record<string, unknown>
    }
    const [first, second] = [await call(here, 'ensureServerRunning()'), await call(there, 'ensureServerRunning()')]
    t.match(first, { started: true, pidFile: /\/api-[0-9a-f]{8}\.pid$/ })
    t.match(second, { started: false, url: first['url'], pid: first['pid'], epoch: first['epoch'], host: first['host'] })
    t.not(second['pidFile'], first['pidFile'])
    t.equal(await stateOf('file', 'api'), 'ready')
    t.equal(await call(there, 'stopServer()'), true)
    t.equal(await stateOf('file', 'api'), 'over')
    await well(['stop', 'api,db'])
    await well(['stop', 'api,db'], {}, there)
  })
})

t.test('a server that needs another, where one of them alone has a coordinator', { skip: noEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  const hosts = [aHost(t, etcd, { ONE_SERVER_COORDINATOR: '' }), aHost(t, etcd, { ONE_SERVER_COORDINATOR: '' })] as const
  const shared = { coordinator: urlOf(etcd) }
  interface Called { readonly url: string; readonly error?: { readonly code: string; readonly message: string } }
  /** `start web` on one host, and then on the other. */
  const both = async (web: object, db: object): Promise<readonly [Called, Called]> => {
    const server = { serverScript: fixture('echo'), port: 'auto', startupTimeout: '60s' }
    const servers = { db: { ...server, ...db }, web: { ...server, needs: ['db'], ...web } }
    for (const { folder } of hosts) writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers }))
    const call = async ({ run }: Home): Promise<Called> => JSON.parse((await run(['start', 'web', '--json'])).stdout) as Called
    return [await call(hosts[0]), await call(hosts[1])]
  }
  const dbOf = async ({ url }: Called): Promise<string | undefined> =>
    ((await (await fetch(`${url}/env`)).json()) as Record<string, string>)['ONE_SERVER_URL_DB']
  const stop = async (): Promise<void> => {
    for (const { run } of hosts) t.equal((await run(['stop', 'web,db'])).code, 0)
  }
  const [own, other] = await both({}, shared)
  t.not(own.url, other.url, 'each host has its own')
  t.match(await dbOf(own), /^http:/)
  t.equal(await dbOf(own), await dbOf(other), 'and both use the one that they share')
  await stop()
  const [first, second] = await both(shared, {})
  t.match(await dbOf(first), /^http:\/\/localhost:/)
  t.match(second.error, { code: 'CONFIG_MISMATCH', message: /env ONE_SERVER_URL_DB: another value/ })
  await stop()
})
