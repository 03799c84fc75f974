/**
 * A name on the command line is a server of the nearest config file, with all that the file says of it; flags
 * come before the environment before the file. A name that the file does not have is what it was without one.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { read } from '../../lib/cli/arguments.js'
import { COMMANDS } from '../../lib/cli/commands.js'
import { FLAGS, type Flag } from '../../lib/cli/flags.js'
import { run } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { fixture, home, PROGRAM, type Home } from './command-line.js'

const SERVER = { command: [process.execPath, fixture('healthy')], port: 'auto', host: '127.0.0.1' }

/** A file in the folder that the commands are called in. */
const configure = ({ folder }: Pick<Home, 'folder'>, servers: object, at = '.'): string => {
  mkdirSync(join(folder, at), { recursive: true })
  const file = join(folder, at, 'one-server.config.json')
  writeFileSync(file, JSON.stringify({ servers }, undefined, 1))
  return file
}

t.test('start, status, logs, restart, run, hold, list and stop by the name alone', async (t) => {
  const here = home(t)
  configure(here, { api: SERVER })
  const { start, run, begin, folder } = here
  const cold = await start(['start', 'api'])
  t.match(cold, { code: 0, stdout: /^http:\/\/127\.0\.0\.1:\d+\n$/ })
  const pidFile = /^pid file +(\S+)$/m.exec((await run(['status', 'api'])).stdout)?.[1]
  t.match(pidFile, /\/state\/api-[0-9a-f]{8}\.pid$/)
  t.match(await run(['logs', 'api']), { code: 0, stdout: /listening/ })
  t.match(await run(['restart', 'api', '--quiet']), { code: 0, stdout: cold.stdout }, 'at the same port, without being told the command')
  t.match(await run(['run', 'api', '--quiet', '--', process.execPath, '-e', 'console.log(process.env.ONE_SERVER_URL)']), { code: 0, stdout: cold.stdout })
  const { child, ended, prints } = begin(['hold', 'api'], { stdin: 'pipe' })
  await prints('\n')
  t.match(JSON.parse((await run(['status', 'api', '--json'])).stdout), { leases: [{ command: 'one-server hold api' }] })
  child.stdin!.end()
  await ended
  t.match(await run(['list', '--named']), { code: 0, stdout: `api (${folder})  ready  ` })
  t.match(JSON.parse((await run(['list', '--named', '--json'])).stdout), { servers: [{ name: 'api', folder, state: 'ready', pidFile }] })
  t.match(await run(['status', '--pid-file', pidFile!]), { code: 0 }, 'it can be named from elsewhere, too')
  t.match(await run(['stop', 'api']), { code: 0, stderr: /^one-server: stopped/m })
})

t.test('the same name in two folders is two servers, and the list tells them apart', async (t) => {
  const here = home(t)
  const folders = ['a', 'b'].map((name) => join(here.folder, name))
  for (const at of ['a', 'b']) configure(here, { api: SERVER }, at)
  const calls = (...args: string[]) => Promise.all(folders.map((cwd) => here.begin(args, { cwd }).ended))
  t.teardown(() => calls('stop', 'api', '--quiet'))
  const pids = (await calls('start', 'api', '--json', '--quiet')).map(({ stdout }) => JSON.parse(stdout).pid as number)
  t.equal(new Set(pids).size, 2)
  const { stdout } = await here.run(['list', '--named'])
  for (const [index, folder] of folders.entries()) t.match(stdout, `api (${folder})  ready  ${pids[index]}`)
  t.match(await here.run(['status', 'api', '--json']), { code: 3 }, 'above them the name is just a name')
  for (const { code, stderr } of await calls('stop', 'api')) t.match({ code, stderr }, { code: 0, stderr: /stopped/ })
})

t.test('logs are where the running server has them, whatever the file says by now', async (t) => {
  const here = home(t)
  configure(here, { api: SERVER })
  await here.start(['start', 'api', '--log-file', join(here.folder, 'first.log'), '--quiet'])
  configure(here, { api: { ...SERVER, logFile: 'second.log' } })
  t.match(await here.run(['logs', 'api']), { code: 0, stdout: /listening/ })
})

t.test('a working directory that was removed has no file, and names go on', async (t) => {
  const here = home(t)
  configure(here, { api: SERVER }, 'gone')
  const folder = join(here.folder, 'gone')
  t.match(await run(t, 'bash', ['-c', 'cd "$0" && rm -r "$0" && exec "$@"', folder, ...PROGRAM, 'status', 'api'], { env: here.env }), { code: 3, stdout: /\/state\/api\.pid$/m, stderr: '' })
})

/** What a call becomes in a folder. */
const readIn = async (folder: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}, command: keyof typeof COMMANDS = 'start') => {
  const before = process.cwd()
  process.chdir(folder)
  try {
    return await read(argv, COMMANDS[command], env)
  } finally {
    process.chdir(before)
  }
}

t.test('flags come before the environment before the file', async (t) => {
  const folder = tempFolder(t)
  configure({ folder }, { api: { command: ['a'], port: 1, host: 'a', health: '/a', startupTimeout: 1, env: { A: '1' } } })
  const env = { ONE_SERVER_PORT: '2', ONE_SERVER_HOST: 'b', ONE_SERVER_HEALTH: 'http://b/', ONE_SERVER_TIMEOUT: '' }
  const { options, typed } = await readIn(folder, ['api', '--port', '3', '--', 'c', 'd'], env)
  t.match(options, { command: ['c', 'd'], port: 3, host: 'b', healthUrl: 'http://b/', healthPath: undefined, startupTimeout: 1, env: { A: '1' }, cwd: folder, name: undefined, configured: { name: 'api', folder } })
  t.same(typed, { name: 'api', command: ['c', 'd'], port: 3 })
  t.match((await readIn(folder, ['api', '--health', '/c'], env)).options, { command: ['a'], healthPath: '/c', healthUrl: undefined })
  t.match((await readIn(folder, ['api', '--script', 's.js'])).options, { command: undefined, serverScript: 's.js' })
  t.match((await readIn(folder, ['api'], { ONE_SERVER_SCRIPT: 's.js' })).options, { command: undefined, serverScript: 's.js' })
  t.match((await readIn(folder, ['api', '--', 'c'], { ONE_SERVER_SCRIPT: 's.js' })).options, { command: ['c'], serverScript: undefined })
  t.same((await readIn(folder, ['--pid-file', '/p'], env)).options, { pidFile: '/p', port: 2, host: 'b', healthUrl: 'http://b/' }, 'a PID file says it all')
  t.same((await readIn(folder, [])).options, {}, 'no name, no guess, even if there is only one')
  t.same((await readIn(folder, ['api', '--help'], { ONE_SERVER_PORT: 'x' })).help, true)
})

t.test('each variable is a flag by another name', async (t) => {
  const folder = tempFolder(t)
  const values: Record<string, [value: string, options: object, wrong?: string]> = {
    SCRIPT: ['s.js', { serverScript: 's.js' }], PORT: ['1,2', { port: [1, 2] }, 'x'], HOST: ['::1', { host: '::1' }, 'a b'], HEALTH: ['/h', { healthPath: '/h' }, 'h'],
    TIMEOUT: ['1s', { startupTimeout: 1000 }, '0'], INTERVAL: ['1s', { healthCheckInterval: 1000 }, '0'], HEALTH_TIMEOUT: ['1s', { healthTimeout: 1000 }, '0'], STOP_TIMEOUT: ['0', { stopTimeout: 0 }, 'x'],
    IDLE_TIMEOUT: ['1m', { idleTimeout: 60_000 }, 'x'], LOG_FILE: ['l', { logFile: 'l' }], CWD: ['c', { cwd: 'c' }],
    COORDINATOR: ['etcd://e', { coordinator: 'etcd://e' }], ADVERTISE: ['h:1', { advertise: 'h:1' }], LISTEN: ['::', { listen: '::' }],
    MAY_HOST: ['no', { mayHost: false }, 'maybe'], TTL: ['20s', { ttl: 20_000 }, 'x'],
  }
  t.same(Object.values<Flag>(FLAGS).flatMap(({ variable }) => variable ?? []).toSorted(), Object.keys(values).map((name) => `ONE_SERVER_${name}`).toSorted())
  for (const [name, [value, options, wrong]] of Object.entries(values)) {
    t.same((await readIn(folder, ['x'], { [`ONE_SERVER_${name}`]: value })).options, { name: 'x', ...options }, name)
    if (wrong !== undefined) await t.rejects(readIn(folder, ['x'], { [`ONE_SERVER_${name}`]: wrong }), { code: 'INVALID_OPTION', message: `ONE_SERVER_${name} must be ` }, name)
  }
  t.same((await readIn(folder, ['x'], { ONE_SERVER_PORT: '1', ONE_SERVER_LOG_FILE: 'l' }, 'logs')).options, { name: 'x', logFile: 'l' }, 'only what the command takes')
  t.same((await readIn(folder, ['x'], { ONE_SERVER_URL: 'http://a', ONE_SERVER_LAUNCH_ID: 'a' })).options, { name: 'x' })
})

t.test('a name that the file does not have stays a name, with a word where it looks like a slip', async (t) => {
  const here = home(t)
  const file = configure(here, { frontend: SERVER })
  const { run, start } = here
  t.match(await run(['status', 'fronted']), { code: 3, stdout: /\/state\/fronted\.pid$/m, stderr: `one-server: ${file} has no "fronted"; did you mean frontend?\n` })
  t.match(await run(['status', 'fronted', '--quiet']), { code: 3, stderr: '' })
  t.match(await run(['status', 'other']), { code: 3, stdout: /\/state\/other\.pid$/m, stderr: '' })
  const { stderr } = await start(['start', 'fronted', '--port', 'auto', '--', process.execPath, fixture('healthy')])
  t.notMatch(stderr, 'did you mean', 'with a command it is meant')
  t.same(await run(['status', 'fronted']).then(({ code, stderr: words }) => ({ code, words })), { code: 0, words: '' }, 'and so is one that is there')
})

t.test('a mistake in the file is a wrong call that names file, line and key; --pid-file does without the file', async (t) => {
  const here = home(t)
  const file = configure(here, { api: { command: ['x'], prot: 5 } })
  const { run } = here
  t.same(await run(['start', 'api']), { code: 2, signal: null, stdout: '', stderr: `one-server: ${file}:7: servers.api.prot: unknown key; did you mean port?\n` })
  t.match(await run(['status', '--pid-file', join(here.folder, 'x.pid')]), { code: 3, stderr: '' })
})
