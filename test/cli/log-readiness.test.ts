/**
 * The kind: text for people, read by a machine. A log is matched by its words whatever colours it has, a regular expression is one
 * wherever it is written, and a launch that is not ready in time says what was awaited and where it listens instead.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { logPattern } from '../../lib/options/log-pattern.js'
import { home } from './command-line.js'

const prints = (text: string, before = ''): string[] => ['--', process.execPath, '-e', `${before}process.stdout.write(${JSON.stringify(text)}); setInterval(() => {}, 1e6)`]

t.test('a line matches by its words', async (t) => {
  for (const [pattern, text] of [
    ['ready in 5 ms', '\x1b[32mready\x1b[39m in \x1b[1m5\x1b[22m ms\n'], ['/^ready in \\d+ ms$/', 'building\r\x1b[2K\x1b[32mready in 5 ms\x1b[0m\r\n'], ['/READY$/i', '\x1b]0;vite\x07Ready\r\n'],
    ['/local:\\s+http/i', '  \x1b[32m➜\x1b[39m  \x1b[1mLocal\x1b[22m:   \x1b[36mhttp://localhost\x1b[39m\n'], ['\u009b1m'.slice(2) + 'x', 'a\u009b31m1m\u009b0mx'], ['\x1b[32mok', '\x1b[32mok\x1b[0m\n'], ['/\\x1b\\[3\\dmok/', '\x1b[32mok\n'],
  ] as const) {
    const here = home(t)
    t.match(await here.start(['start', 'web', '--ready', `log:${pattern}`, '--timeout', '20s', ...prints(text)]), { code: 0 }, pattern)
  }
})

t.test('a regular expression on the command line and in a config file', async (t) => {
  t.same(['ready', '/ready', '/usr/bin', '/api/health', 'a/b/', '//'].map((text) => logPattern('x', text)), ['ready', '/ready', '/usr/bin', '/api/health', 'a/b/', '//'], 'a path is a text')
  t.same(logPattern('x', '/a\\/b/i'), /a\/b/i)
  t.same(logPattern('x', '/\n/s'), /\n/s)
  for (const wrong of ['/(/', '/a/ii', '/[/']) t.throws(() => logPattern('--ready', wrong), { code: 'INVALID_OPTION', message: /^--ready must be a text or a regular expression .*, got "/ })
  const here = home(t)
  t.match(await here.run(['start', 'web', '--ready', 'log:/(/', '--', 'true']), { code: 2, stderr: /--ready must be a text or a regular expression/ })
  const line = prints('up after 12 ms\n').slice(1)
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: {
    a: { command: line, ready: { log: '/^UP AFTER \\d+/i' } }, b: { command: line, ready: 'log:/after \\d+ ms$/' }, c: { command: line, ready: 'log:up after' }, d: { command: line, ready: { log: '/(/' } },
  } }))
  for (const name of ['a', 'b', 'c']) t.match(await here.start(['start', name]), { code: 0 }, name)
  t.match(await here.run(['start', 'd']), { code: 2, stderr: /one-server\.config\.json:\d+: servers\.d\.ready: .*regular expression/s })
})

/** A message as one line. */
const unfolded = (text: string): string => text.replace(/\s+/g, ' ')

t.test('not in time: the pattern, where it listens instead, and why a log may be empty', async (t) => {
  const here = home(t)
  const start = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await here.run(['start', 'web', '--timeout', '1500ms', ...args])
    t.equal(code, 4, stderr)
    return unfolded(stderr)
  }
  const empty = await start('--ready', 'log:/ready on \\d+/i', ...prints(''))
  t.match(empty, 'waiting for a line of its log that matches /ready on \\d+/i: the awaited text is not in its log yet')
  t.match(empty, 'PYTHONUNBUFFERED=1')
  t.match(empty, 'stdbuf -oL')
  t.notMatch(empty, /health check|http:/)
  const other = await start('--ready', 'log:ready', ...prints('listening\n'))
  t.match(other, 'waiting for a line of its log with "ready"')
  t.notMatch(other, /PYTHONUNBUFFERED|health check|http:/)

  const onLinux = process.platform === 'linux'
  const listens = (host: string, port: string): string[] => ['--', process.execPath, '-e', `require('net').createServer().listen(${port}, '${host}')`]
  const elsewhere = await start('--port', 'auto', ...listens('::1', '0'))
  if (onLinux) t.match(elsewhere, /the connection was refused\. It listens on \[::1\]:\d+\. .*hint: Give it the port: \{port\} in its command, or PORT in its environment, stands for \d+; or ask where it listens: --port \d+/)
  const child = await start('--ready', 'log:never', '--port', 'auto', '--', 'sh', '-c', `"$0" -e "require('net').createServer().listen(0, '127.0.0.1')" & wait`, process.execPath)
  if (onLinux) t.match(child, /It listens on 127\.0\.0\.1:\d+\./, 'also by a child')
  const address = await start('--port', 'auto', '--host', '127.0.0.1', ...listens('127.0.0.2', 'process.env.PORT'))
  if (onLinux) t.match(address, /It listens on 127\.0\.0\.2:\d+\. .*Give it the address by \{host\}/)
  const tcp = await start('--ready', 'tcp:{port}', '--port', 'auto', ...prints(''))
  t.match(tcp, /waiting for a connection to tcp:\/\/127\.0\.0\.1:\d+: the connection was refused/)
  t.notMatch(tcp, /health check|http:/)
  const silent = await start('--port', 'auto', '--', process.execPath, '-e', `require('net').createServer(() => {}).listen(process.env.PORT)`)
  t.notMatch(silent, 'It listens on', 'where it is asked is no news')
})
