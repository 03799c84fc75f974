/**
 * Readiness by a command, and by another status than 2xx: with the real redis-cli and pg_isready where they are installed, and with programs
 * that hang, fork, fail and pass too soon. A program writes down when it runs, so these tests count runs by that and not by the library's word.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { PROGRAM, watched } from '../cli/command-line.js'
import { allEnded, failureOf, fixture, isAlive, place, resultOf, together, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const isThere = (program: string): { skip?: string } => (spawnSync(program, ['--version']).error === undefined ? {} : { skip: `${program} is not installed` })

/** A program that writes its PID into `runs` when it begins, does `body`, and writes `end` into it. */
const program = ({ folder }: Place, body: string, name = 'check'): { path: string; runs: () => string[] } => {
  const [path, log] = [join(folder, `${name}.sh`), join(folder, `${name}.log`)]
  writeFileSync(path, `#!/bin/sh\necho "$$" >>${log}\n${body}\ncode=$?\necho end >>${log}\nexit $code\n`)
  chmodSync(path, 0o755)
  return { path, runs: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []) }
}

/** Passes where something listens at the port. */
const LISTENS = `exec 3<>/dev/tcp/127.0.0.1/"$PORT"`
const asks = (here: Place): { path: string; runs: () => string[] } => program(here, `bash -c '${LISTENS}' 2>/dev/null`)

const withCommand = (...command: string[]): ClientProcessManagerOptions => ({ ready: { command } })

t.test('Redis: clients at once, one start, and redis-cli says when it is ready', isThere('redis-cli'), async (t) => {
  const here = place(t)
  const options: ClientProcessManagerOptions = {
    pidFile: here.pidFile, command: ['redis-server', '--port', '{port}', '--save', '', '--dir', here.folder], port: 'auto', startupTimeout: 120_000, healthTimeout: '30s',
    ...withCommand('redis-cli', '-p', '{port}', 'ping'),
  }
  const infos = (await allEnded(await together(t, here, 5, options))).map((one) => resultOf(one).info)
  t.equal(new Set(infos.map(({ pid, url }) => `${pid} ${url}`)).size, 1)
  t.equal(infos.filter(({ started }) => started).length, 1)
  t.equal(execFileSync('redis-cli', ['-p', String(infos[0]!.port), 'ping'], { encoding: 'utf8' }), 'PONG\n')
  const manager = here.manager('unused', options)
  t.match(await manager.status(), { state: 'ready' })
  t.equal(await manager.stopServer(), true)
})

/** Debian keeps the programs of the server out of PATH. */
const [postgres] = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`).filter((bin) => existsSync(join(bin, 'initdb'))) : []
const mayRun = process.getuid?.() === 0 ? { skip: 'PostgreSQL refuses to run as root' } : postgres === undefined ? { skip: 'PostgreSQL is not installed' } : {}

t.test('PostgreSQL: pg_isready says when it is ready', mayRun, async (t) => {
  const here = place(t)
  const data = join(here.folder, 'data')
  execFileSync(join(postgres!, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'me'])
  const manager = here.manager('unused', {
    command: [join(postgres!, 'postgres'), '-D', data, '-p', '{port}', '-k', here.folder, '-c', 'listen_addresses=127.0.0.1'],
    ...withCommand(join(postgres!, 'pg_isready'), '-h', '127.0.0.1', '-p', '{port}'), healthTimeout: '30s',
  })
  t.match(await manager.ensureServerRunning(), { started: true, url: /^tcp:/ })
  t.equal(await manager.stopServer(), true)
})

t.test('it runs in the folder and with the variables of the server', async (t) => {
  const here = place(t)
  const { path } = program(here, `printf '%s|%s|%s\\n' "$(pwd -P)" "$MODE" "\${SECRET-none}" >${join(here.folder, 'seen.log')}; bash -c '${LISTENS}' 2>/dev/null`)
  mkdirSync(join(here.folder, 'sub'))
  process.env['SECRET'] = 'of the client'
  t.teardown(() => { delete process.env['SECRET'] })
  const manager = here.manager('no-http', { ...withCommand(path, '{port}'), cwd: join(here.folder, 'sub'), env: { MODE: 'port {port}' }, healthTimeout: '30s' })
  const { port } = await manager.ensureServerRunning()
  t.equal(readFileSync(join(here.folder, 'seen.log'), 'utf8'), `${join(here.folder, 'sub')}|port ${port}|none\n`, 'and inheritEnv holds for it, too')
  t.equal(await manager.stopServer(), true)
})

/** PIDs of what runs the program of the test. */
const running = (path: string): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path) && isAlive(pid)
  } catch {
    return false
  }
})

const onLinux = process.platform === 'linux' ? {} : { skip: 'it looks below /proc' }

t.test('nothing outlives a check', onLinux, async (t) => {
  const HABITS = { 'one that hangs': 'sleep 4711', 'one that hangs deaf to signals': "trap '' TERM INT HUP; while :; do sleep 1; done", 'one that leaves a child behind': 'sleep 4711 & exit 1' }
  for (const [name, body] of Object.entries(HABITS)) {
    const here = place(t)
    const { path, runs } = program(here, `sh -c ': ${here.folder}; ${body.replaceAll("'", `'\\''`)}'`)
    const error = await failureOf(here.manager('no-http', { ...withCommand(path, '{port}'), startupTimeout: 1500, healthTimeout: 200 }).ensureServerRunning())
    t.match(error, { code: 'START_TIMEOUT', message: /waiting for the command \S+check\.sh \d+ to exit with 0: it (?:did not answer within 200 ms|exited with 1)/ }, name)
    t.not(runs().length, 0)
    await until(() => running(here.folder).length === 0, `all of ${name} to end`)
  }
})

t.test('nor does a check outlive its client', onLinux, async (t) => {
  const here = place(t)
  const { path, runs } = program(here, 'sleep 4711')
  const args = ['start', '--pid-file', here.pidFile, '--port', 'auto', '--script', fixture('no-http'), '--ready', `cmd:${path} {port}`, '--health-timeout', '10m', '--timeout', '10m']
  const client = watched(spawn(PROGRAM[0], [...PROGRAM.slice(1), ...args], { env: { ...here.env, LEDGER: join(here.folder, 'ledger') }, stdio: ['ignore', 'pipe', 'pipe'] }))
  await until(() => runs().length > 0, 'the check to begin')
  t.not(running(path).length, 0)
  client.child.kill('SIGKILL')
  await until(() => running(path).every((pid) => pid === client.child.pid), 'the check to end with its client')
})

t.test('a client never runs it twice at once, and only clients that start run it', async (t) => {
  const here = place(t)
  // It lasts longer than it takes to start another one.
  const { path, runs } = program(here, `sleep 0.3; bash -c '${LISTENS}' 2>/dev/null`)
  const options = { ...withCommand(path, '{port}'), healthTimeout: '30s' }
  const managers = [1, 2, 3, 4, 5, 6].map((at) => here.manager('no-http', { ...options, onMismatch: at % 2 === 0 ? 'error' : 'reuse' }))
  await managers[0]!.ensureServerRunning()
  const before = runs().length
  await Promise.all(managers.map((manager) => manager.ensureServerRunning()))
  t.ok(runs().length > before, 'a ready server is asked again')
  t.same(runs().filter((line, at) => (line === 'end') !== (at % 2 === 1)), [], 'each run ended before the next one began')
  const asked = runs().length
  t.match(await managers[0]!.status(), { state: 'ready' })
  const config = { servers: { api: { pidFile: here.pidFile, ...options, command: [process.execPath, fixture('no-http')] } } }
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify(config))
  for (const [word, ...more] of [['status', 'api'], ['list'], ['doctor', 'api'], ['wait', 'api'], ['logs', 'api'], ['stop', 'api', '--if-idle']]) {
    const { code, stderr } = await watched(spawn(PROGRAM[0], [...PROGRAM.slice(1), word!, ...more], { cwd: here.folder, env: here.env, stdio: ['ignore', 'pipe', 'pipe'] })).ended
    t.equal(code, 0, `${word}: ${stderr}`)
  }
  t.equal(runs().length, asked, 'status, list, doctor, wait, logs and stop run nothing')
})

t.test('what a record says is never run', async (t) => {
  const here = place(t)
  const { path, runs } = asks(here)
  const manager = here.manager('no-http', { ...withCommand(path, '{port}'), healthTimeout: '30s' })
  const { pid } = await manager.ensureServerRunning()
  const asked = runs().length
  const other = program(here, 'true', 'other')
  for (const ready of [undefined, { command: [other.path, '{port}'] }, 'tcp:{port}', { log: 'never' }]) {
    t.match(await here.manager('no-http', ready === undefined ? {} : { ready }).ensureServerRunning(), { pid, started: false }, JSON.stringify(ready))
  }
  t.same([runs().length, other.runs().length], [asked, 0], 'neither the command of the record nor one that the launch did not have')
  t.equal(await manager.stopServer(), true)
})

t.test('a command that passes before there is a server, and one that is not there, fail at once', async (t) => {
  const here = place(t)
  t.match(await failureOf(here.manager('no-http', withCommand('true')).ensureServerRunning()), { code: 'PORT_IN_USE', message: /^The readiness command true exits with 0 before the server was started, / })
  t.match(await failureOf(here.manager('no-http', withCommand('no-such-program', '{port}')).ensureServerRunning()), { code: 'COMMAND_NOT_FOUND', message: 'The program of the readiness command (ready) was not found: no-such-program' })
  t.equal(here.starts().length, 0)
  here.nothingLeft(t)
})

/** A server that answers so when it is well. */
const answering = async (t: Test, status: number, healthStatus: NonNullable<ClientProcessManagerOptions['healthStatus']>): Promise<void> => {
  const here = place(t)
  const command = [process.execPath, '-e', `require('node:http').createServer((_, answer) => answer.writeHead(${status}, { location: '/x' }).end('well')).listen(process.env.PORT, '127.0.0.1')`]
  const manager = here.manager('unused', { command, healthStatus })
  const { pid } = await manager.ensureServerRunning()
  t.match(await here.manager('unused', { command }).ensureServerRunning(), { pid, started: false }, `${status} for a client that says nothing of it, too`)
  t.match(await manager.status(), { state: 'ready' })
  t.equal(await manager.stopServer(), true)
}

t.test('a server that answers 401, 404 or a redirect when it is well', async (t) => {
  await answering(t, 401, 401)
  await answering(t, 404, [200, '400-404'])
  await answering(t, 302, '200-399')
  const here = place(t)
  const error = await failureOf(here.manager('answers-404', { healthStatus: '401,200-299', startupTimeout: 700 }).ensureServerRunning())
  t.match(error, { code: 'START_TIMEOUT', message: /it answered 404/, hint: /healthStatus/ })
})

t.test('an answer that any server may give makes nobody the server', async (t) => {
  const here = place(t)
  const server = createServer((_, answer) => answer.writeHead(404).end('app')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const options = { port, host: '127.0.0.1', healthStatus: '200-499' } as const
  t.match(await failureOf(here.manager('healthy', options).ensureServerRunning()), { code: 'PORT_IN_USE', message: /used only if its health check asks for a 2xx, or for a body by healthMatch/ })
  t.match(await here.manager('healthy', { ...options, healthMatch: 'app' }).ensureServerRunning(), { adopted: true })
})
