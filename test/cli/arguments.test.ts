/**
 * A call that is wrong ends with 2 and one line that says what is expected, under the name that was
 * typed, before anything has been touched; a call that is right becomes the library's options.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { read, type Accepts } from '../../lib/cli/arguments.js'
import { COMMANDS } from '../../lib/cli/commands.js'
import { tempFolder } from '../support/temp-folder.js'
import { call } from './command-line.js'

const WRONG: [argv: string[], line: string][] = [
  [['strat'], 'unknown command "strat"; did you mean start?'],
  [['frobnicate'], 'unknown command "frobnicate"; expected start, status, wait, stop, restart, logs, list, doctor, run, hold or completion'],
  [['constructor'], 'unknown command "constructor"; expected start, status, wait, stop, restart, logs, list, doctor, run, hold or completion'],
  [['help', 'lgos'], 'unknown command "lgos"; did you mean logs?'],
  [['--port', '1', 'start'], 'the command comes first: one-server start [options], got --port'],
  [['start', '--prot', '1'], 'unknown option --prot for start; did you mean --port?'],
  [['stop', '--stop', '1s'], 'unknown option --stop for stop; did you mean --stop-timeout?'],
  [['start', '-x'], 'unknown option -x for start; see one-server start --help'],
  [['stop', '--script', 'x'], '--script does not apply to stop; see one-server stop --help'],
  [['start', '-f'], '-f does not apply to start; see one-server start --help'],
  [['start', '--port'], '--port needs a value, such as --port 3000'],
  [['start', '--port='], '--port needs a value, such as --port 3000'],
  [['start', '--port', '--host', 'a'], '--port needs a value, such as --port 3000'],
  [['logs', '-n'], '-n needs a value, such as -n 50'],
  [['start', '--quiet=yes'], '--quiet takes no value, got "yes"'],
  [['start', '--port', '99999'], `--port must be an integer from 1 to 65535, a list of such, or 'auto', got "99999"`],
  [['start', '--timeout', 'banana'], `--timeout must be a number of milliseconds of at least 1, or a string such as '500ms', '30s' or '2m', got "banana"`],
  [['start', '--interval', '0'], `--interval must be a number of milliseconds of at least 1, or a string such as '500ms', '30s' or '2m', got "0"`],
  [['stop', '--stop-timeout', '5y'], `--stop-timeout must be a number of milliseconds, or a string such as '500ms', '30s' or '2m', got "5y"`],
  [['start', '--host', 'a b'], `--host must be a host name or an IP address, such as 'localhost' or '::1', got "a b"`],
  [['start', '--health', 'ok'], `--health must be a path that begins with '/', or a whole URL, got "ok"`],
  [['start', '--health', 'ftp://a/'], `--health must be a URL with http or https, such as 'https://localhost:{port}/health', got "ftp://a/"`],
  [['logs', '--lines', 'x'], '--lines must be a whole number of lines, got "x"'],
  [['logs', '-nx'], '-n must be a whole number of lines, got "x"'],
  [['start', 'a', 'b'], `start takes one name, got "a" "b"; the server's command goes after --`],
  [['stop', 'a', 'b'], 'stop takes one name, got "a" "b"'],
  [['list', 'a'], 'list takes no name, got "a"'],
  [['start', '../a'], `name must be letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100, and no device of Windows (con, nul, com1, …), got "../a"`],
  [['start', 'a', '--pid-file', 'b'], 'give a name or --pid-file, not both: each names the server'],
  [['start', '--', 'serve'], 'a command after -- needs a name, such as one-server start web -- serve'],
  [['start', 'a', '--'], "-- must be followed by the server's command, such as -- node server.js"],
  [['start', 'a', '--script', 'b', '--', 'c'], 'give --script or a command after --, not both'],
  [['status', 'a', '--', 'b'], 'status takes no command after --; see one-server status --help'],
  [['rnu'], 'unknown command "rnu"; did you mean run?'],
  [['hodl'], 'unknown command "hodl"; did you mean hold?'],
  [['run'], "run needs the client's command after --, such as one-server run -- npm test"],
  [['run', 'web', '--'], "-- must be followed by the client's command, such as -- npm test"],
  [['run', 'web', '--', ''], "-- must be followed by the client's command, such as -- npm test"],
  [['run', 'web', 'npm', 'test'], `run takes one name, got "web" "npm" "test"; the client's command goes after --`],
  [['run', '--sever', 'a', '--', 'b'], 'unknown option --sever for run; did you mean --server?'],
  [['run', 'web', '--server', '--', 'a'], '--server needs a value, such as --server "node server.js"'],
  [['run', 'web', '--server', '', '--', 'a'], '--server needs a value, such as --server "node server.js"'],
  [['run', 'web', '--server', ' ', '--', 'a'], '--server must be a command, such as "node server.js", got " "'],
  [['run', 'web', '--server', '"" a', '--', 'a'], `--server must be a command, such as "node server.js", got "\\"\\" a"`],
  [['run', 'web', '--server', "node 'a", '--', 'a'], `--server must be a command in words and quotes as a shell has them (' is not closed), got "node 'a"`],
  [['run', '--server', 'node a', '--', 'b'], '--server needs a name, such as one-server run web --server "node server.js" -- npm test'],
  [['run', 'web', '--script', 'a', '--server', 'node b', '--', 'c'], 'give --script or --server, not both'],
  [['start', 'web', '--server', 'node a'], '--server does not apply to start; see one-server start --help'],
  [['stop', '--if'], 'unknown option --if for stop; did you mean --if-idle?'],
  [['start', '--if-idle'], '--if-idle does not apply to start; see one-server start --help'],
]

/** Told by JSON: asked for, or by `hold`, which does so in any case. */
const WRONG_BY_JSON: [argv: string[], line: string][] = [
  [['run', '--json', '--', 'a'], '--json does not apply to run; see one-server run --help'],
  [['logs', '--json'], '--json does not apply to logs; see one-server logs --help'],
  [['hold', 'web', '--server', 'node a', '--', 'node', 'b'], 'give --server or a command after --, not both'],
  [['hold', '--server', 'node a'], '--server needs a name, such as one-server hold web --server "node server.js"'],
  [['hold', '--', 'node', 'a'], 'a command after -- needs a name, such as one-server hold web -- node'],
  [['hold', 'web', '--script', 'a', '--', 'b'], 'give --script or a command after --, not both'],
]

for (const [argv, line] of WRONG) {
  t.test(`one-server ${argv.join(' ')}`, async (t) => {
    t.same(await call(...argv), { code: 2, stdout: '', stderr: `one-server: ${line}\n` })
  })
}

for (const [argv, message] of WRONG_BY_JSON) {
  t.test(`one-server ${argv.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await call(...argv)
    t.same({ code, stdout: JSON.parse(stdout), stderr }, {
      code: 2, stdout: { schemaVersion: 1, error: { code: 'INVALID_OPTION', message, hint: 'See one-server --help.' } }, stderr: `one-server: ${message}\n`,
    })
  })
}

t.test('with --json a wrong call is one document on stdout, and the line on stderr unless --quiet', async (t) => {
  const message = '--port needs a value, such as --port 3000'
  const loud = await call('start', '--json', '--port')
  t.same(JSON.parse(loud.stdout), { schemaVersion: 1, error: { code: 'INVALID_OPTION', message, hint: 'See one-server --help.' } })
  t.equal(loud.stderr, `one-server: ${message}\n`)
  const quiet = await call('start', '--json', '--quiet', '--port')
  t.equal(quiet.stdout, loud.stdout)
  t.equal(quiet.stderr, '')
  t.equal(quiet.code, 2)
})

t.test('without --json, --quiet does not silence an error', async (t) => {
  t.match(await call('start', '--quiet', '--port'), { code: 2, stderr: /^one-server: --port needs a value/ })
})

t.test('what stands after -- belongs to the server, whatever it looks like', async (t) => {
  const { options, help } = await read(['web', '--quiet', '--', 'node', '--help', '--port', '{port}', '--', '-n'], COMMANDS.start)
  t.same(options, { name: 'web', command: ['node', '--help', '--port', '{port}', '--', '-n'] })
  t.equal(help, false)
  t.match(await call('start', '--', '--json'), { code: 2, stdout: '' }, 'nor does its --json make our output JSON')
})

t.test('flags become options of the library, and only those that were given', async (t) => {
  const options = async (...argv: string[]): Promise<object> => (await read(argv, COMMANDS.start)).options
  t.same(await options(), {})
  t.same(await options('--port', 'auto'), { port: 'auto' })
  t.same(await options('--port', '0'), { port: 'auto' })
  t.same(await options('--port=3000,3001'), { port: [3000, 3001] })
  t.same(await options('--port', '3000', '--port', '4000'), { port: 4000 }, 'the last one counts')
  t.same(await options('--health', '/ok'), { healthPath: '/ok' })
  t.same(await options('--health', 'https://localhost:{port}/ok'), { healthUrl: 'https://localhost:{port}/ok' })
  t.same(
    await options('--pid-file', '/p', '--script', 's.js', '--host', '::1', '--timeout', '2m', '--interval', '50', '--stop-timeout', '0', '--idle-timeout', '1h', '--log-file', '/l', '--cwd', '/c'),
    { pidFile: '/p', serverScript: 's.js', host: '::1', startupTimeout: 120_000, healthCheckInterval: 50, stopTimeout: 0, idleTimeout: 3_600_000, logFile: '/l', cwd: '/c' },
  )
})

t.test("the server's command by --server, the client's after --", async (t) => {
  t.match(await read(['web', '--server', `node 'a b' --port "{port}"`, '--', 'npm', '--server', 'x', '--json'], COMMANDS.run), {
    options: { name: 'web', command: ['node', 'a b', '--port', '{port}'] }, client: ['npm', '--server', 'x', '--json'],
  })
  t.match(await read(['web', '--', 'npm'], COMMANDS.run), { options: { command: undefined }, client: ['npm'] })
  t.match(await read(['web', '--server', 'node a'], COMMANDS.hold), { options: { command: ['node', 'a'] }, client: [] })
  t.match(await read(['web', '--', 'node', 'a'], COMMANDS.hold), { options: { command: ['node', 'a'] }, client: [] })
})

t.test("a CI's tool waits a minute, unless a flag, the environment or a file says otherwise", async (t) => {
  const time = async (command: keyof typeof COMMANDS, argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
    (await read(['--pid-file', '/p', ...argv, ...(command === 'run' ? ['--', 'npm'] : [])], COMMANDS[command], env)).settings.startupTimeout
  t.equal(await time('run'), 60_000)
  t.equal(await time('run', ['--timeout', '10s']), 10_000)
  t.equal(await time('run', [], { ONE_SERVER_TIMEOUT: '2s' }), 2000)
  t.equal(await time('run', [], { ONE_SERVER_TIMEOUT: '' }), 60_000)
  for (const command of ['start', 'restart', 'hold'] as const) t.equal(await time(command), 10_000, command)
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers: { slow: { command: ['a'], startupTimeout: '3s' }, api: { command: ['a'] } } }))
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  for (const [name, ms] of [['slow', 3000], ['api', 60_000]] as const) {
    t.equal((await read([name, '--', 'npm'], COMMANDS.run, {})).settings.startupTimeout, ms, name)
  }
})

t.test('the flags of stop', async (t) => {
  t.match(await read(['web'], COMMANDS.stop), { ifIdle: false })
  t.match(await read(['web', '--if-idle'], COMMANDS.stop), { ifIdle: true, options: { name: 'web' } })
})

t.test('the flags of logs', async (t) => {
  t.match(await read(['web'], COMMANDS.logs), { follow: false, lines: undefined })
  t.match(await read(['-fn5', 'web'], COMMANDS.logs), { follow: true, lines: 5, options: { name: 'web' } })
  t.match(await read(['--lines', '0'], COMMANDS.logs), { follow: false, lines: 0 })
  t.match(await read(['web', '--prev'], COMMANDS.logs), { follow: false, prev: true })
})

t.test('help is given whatever else is wrong with the call', async (t) => {
  const accepts: Accepts = COMMANDS.stop
  t.match(await read(['a', 'b', '--port', '99999', '--bogus', '-h', '--', 'x'], accepts), { help: true })
})
