/**
 * `start` ends with a healthy server and prints its URL alone; when one runs it costs next to nothing;
 * each way to fail is told with its own exit code and leaves nothing behind.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { ServerInfo } from '../../lib/server-info.js'
import { fixture, home } from './command-line.js'

const URL_ALONE = /^http:\/\/localhost:\d+\n$/

t.test('the bundled server, cold and then warm', async (t) => {
  const { start, env, folder } = home(t)
  const cold = await start(['start', 'web', '--port', 'auto'])
  t.match(cold, { code: 0, stdout: URL_ALONE })
  const { status } = await fetch(`${cold.stdout.trim()}/api/health`)
  t.equal(status, 200)
  t.match(cold.stderr, /^one-server: starting the server on port \d+ \(PID \d+\)$/m)
  const pid = /^one-server: started \(PID (\d+)\), log: /m.exec(cold.stderr)?.[1]
  t.equal(readFileSync(join(env['ONE_SERVER_STATE_DIR'] as string, 'web.pid'), 'utf8').split('\n', 1)[0], pid)

  const warm = await start(['start', 'web'])
  t.same(warm, { code: 0, signal: null, stdout: cold.stdout, stderr: `one-server: already running (PID ${pid})\n` })

  const json = await start(['start', 'web', '--json', '--quiet'])
  t.equal(json.stderr, '')
  t.match(JSON.parse(json.stdout), { schemaVersion: 1, url: cold.stdout.trim(), pid: Number(pid), started: false, adopted: false, launchId: String })

  const coverage = join(folder, 'loaded')
  await start(['start', 'web'], { NODE_V8_COVERAGE: coverage })
  const [report] = readdirSync(coverage)
  const { result } = JSON.parse(readFileSync(join(coverage, report as string), 'utf8')) as { result: { url: string }[] }
  const loaded = result.map(({ url }) => url).filter((url) => url.startsWith('file:'))
  t.ok(loaded.some((url) => url.endsWith('/cli/start.js')), 'the report lists what was loaded')
  t.same(loaded.filter((url) => /node_modules|cli\/(status|stop|restart|logs|list|help|failure|configured)\.js$|\/did-you-mean\.js$/.test(url)), [], 'a warm start loads what it needs')
})

t.test('a script, by its PID file', async (t) => {
  const { start, folder } = home(t)
  const pidFile = join(folder, 'a.pid')
  const { code, stdout } = await start(['start', '--pid-file', pidFile, '--port', 'auto', '--script', fixture('healthy'), '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { schemaVersion: 1, started: true, adopted: false, pidFile: /a\.pid$/, logFile: /a\.log$/ })
})

t.test('a command, with its words as they are', async (t) => {
  const { start, run } = home(t)
  const program = 'console.log(JSON.stringify(process.argv.slice(1))); require("http").createServer((_, r) => r.end()).listen(process.argv[1], process.argv[2])'
  const started = await start(['start', 'web', '--port', 'auto', '--host', '127.0.0.1', '--', process.execPath, '-e', program, '--', '{port}', '{host}', '$HOME "a b"'])
  t.match(started, { code: 0, stdout: /^http:\/\/127\.0\.0\.1:\d+\n$/ })
  const port = new URL(started.stdout).port
  t.match(await run(['logs', 'web']), { code: 0, stdout: `${JSON.stringify([port, '127.0.0.1', '$HOME "a b"'])}\n` })
})

t.test('a crowd starts one server', async (t) => {
  const { start } = home(t)
  const all = await Promise.all(Array.from({ length: 6 }, () => start(['start', 'web', '--port', 'auto', '--json', '--quiet', '--script', fixture('boots-after-300ms')])))
  const servers = all.map(({ code, stdout, stderr }) => {
    t.match({ code, stderr }, { code: 0, stderr: '' })
    return JSON.parse(stdout) as ServerInfo
  })
  t.equal(new Set(servers.map(({ url, pid }) => `${url} ${pid}`)).size, 1)
  t.equal(servers.filter(({ started }) => started).length, 1)
})

t.test('4: not healthy in time', async (t) => {
  const { start, run } = home(t)
  const { code, stdout, stderr } = await start(['start', 'web', '--port', 'auto', '--timeout', '700ms', '--script', fixture('never-answers')])
  t.match({ code, stdout }, { code: 4, stdout: '' })
  t.match(stderr, /^one-server: Server failed to start within 700 ms/m)
  t.match(stderr, /^ {2}hint: /m)
  t.match(await run(['status', 'web']), { code: 3 })
})

t.test('5: exits while starting', async (t) => {
  const { start, run } = home(t)
  const { code, stdout, stderr } = await start(['start', 'web', '--port', 'auto', '--script', fixture('dies-at-once'), '--json'])
  t.equal(code, 5)
  t.match(JSON.parse(stdout), { schemaVersion: 1, error: { code: 'SERVER_EXITED', exitCode: 7, logTail: /boom/, hint: String } })
  t.match(stderr, /^one-server: Server exited with code 7/m)
  t.match(stderr, '  | boom: cannot start\n')
  t.match(await run(['status', 'web']), { code: 3 })
})

t.test('6: the port is taken', async (t) => {
  const { start } = home(t)
  const stranger = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => stranger.once('listening', resolve))
  t.teardown(() => stranger.close())
  const { port } = stranger.address() as AddressInfo
  const { code, stdout, stderr } = await start(['start', 'web', '--port', String(port), '--host', '127.0.0.1'])
  t.match({ code, stdout }, { code: 6, stdout: '' })
  t.match(stderr, new RegExp(`^one-server: Port ${port} is in use`, 'm'))
})

t.test('1: there is no such program', async (t) => {
  const { start } = home(t)
  const { code, stderr } = await start(['start', 'web', '--port', 'auto', '--', 'no-such-program-anywhere'])
  t.equal(code, 1)
  t.match(stderr, 'no-such-program-anywhere')
})

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  t.test(`${code}: interrupted by ${signal} while it waits`, async (t) => {
    const { begin, start } = home(t)
    const args = ['start', 'web', '--port', 'auto', '--timeout', '1m', '--script', fixture('never-answers')]
    const { child, ended, prints } = begin(args)
    await prints('waiting for the health check', 'stderr')
    child.kill(signal)
    t.match(await ended, { code, stdout: '', stderr: new RegExp(`one-server: interrupted by ${signal}\n`) })
    // Whatever it left is stopped with the home.
    await start(['start', 'web', '--timeout', '1ms'])
  })
}

t.test('a reader that is gone does not fail it', async (t) => {
  const { start, shell } = home(t)
  await start(['start', 'web', '--port', 'auto'])
  t.match(await shell(['start', 'web', '--quiet'], '| true'), { code: 0, stderr: '' })
})

t.test('a URL that cannot be written is a failure', process.platform === 'linux' ? {} : { skip: 'there is no /dev/full' }, async (t) => {
  const { start, shell } = home(t)
  await start(['start', 'web', '--port', 'auto'])
  t.match(await shell(['start', 'web', '--quiet'], '>/dev/full'), { code: 1, stderr: /ENOSPC/ })
})
