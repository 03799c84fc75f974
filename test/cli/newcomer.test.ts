/**
 * The ten commonest mistakes of a newcomer, by the printed text of the command line. Each test makes the mistake, reads in the message
 * what it needs to know, does what the hint says, and sees it work.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { atLeast } from '../support/within.js'
import { fixture, home, type Home } from './command-line.js'

const unfolded = ({ stderr }: { stderr: string }): string => stderr.replace(/\s+/g, ' ')

/** Enough for a server to boot and to be asked. */
const SHORT = ['--timeout', `${atLeast(2000)}ms`]
const LONG = ['--timeout', '30m']

/** A server that a newcomer writes. */
const script = (here: Home, text: string): string => {
  const file = join(here.folder, 'server.cjs')
  writeFileSync(file, text)
  return file
}

const http = (port: string): string => `require('http').createServer((q, a) => { a.statusCode = q.url === '/ok' ? 200 : 404; a.end() }).listen(${port}, '127.0.0.1')`

const onLinux = { skip: process.platform === 'linux' ? false : 'the kernel does not tell who listens where' }

t.test('1 a wrong port: the message names the right one', onLinux, async (t) => {
  const here = home(t)
  const file = script(here, http('process.argv[2] ?? 0'))
  const failed = await here.run(['start', 'web', '--port', 'auto', '--health', '/ok', ...SHORT, '--', process.execPath, file])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 4, text: /It listens on 127\.0\.0\.1:\d+\. .*hint: Give it the port: \{port\} in its command/ })
  t.match(await here.start(['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file, '{port}']), { code: 0 })
})

t.test('2 a wrong path: the answer, and which option to check', async (t) => {
  const here = home(t)
  const file = script(here, http('process.env.PORT'))
  const failed = await here.run(['start', 'web', '--port', 'auto', ...SHORT, '--', process.execPath, file])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 4, text: /\/api\/health: it answered 404\. .*at another path, name that: healthPath \(--health\)/ })
  t.match(await here.start(['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file]), { code: 0 })
})

t.test('3 a slow server: how to give it longer', async (t) => {
  const here = home(t)
  const file = script(here, `setTimeout(() => { ${http('process.env.PORT')} }, 2500)`)
  const failed = await here.run(['start', 'web', '--port', 'auto', '--health', '/ok', '--timeout', '500ms', '--', process.execPath, file])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 4, text: /within 500 ms: .*the connection was refused.*raise startupTimeout \(--timeout\)/ })
  t.match(await here.start(['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file]), { code: 0 })
})

t.test('3 a slow server: one whose every answer takes 700 ms', async (t) => {
  const here = home(t)
  // A check that had no processor may take longer than it was given. So the check has a seventh of that time and not the default, and on a
  // busy machine the answer takes longer, too.
  const takes = atLeast(700)
  const file = script(here, `require('http').createServer((q, a) => setTimeout(() => a.end(), ${takes})).listen(process.env.PORT, '127.0.0.1')`)
  const args = ['--port', 'auto', '--health', '/ok', '--', process.execPath, file]
  const failed = await here.run(['start', 'web', '--health-timeout', '100ms', ...SHORT, ...args])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 4, text: /\/ok: it did not answer within 100 ms\. .*hint: If it needs longer.*If answers take longer than one check may, raise healthTimeout \(--health-timeout\)\./ })
  const longer = ['--health-timeout', `${takes * 10}ms`]
  t.match(await here.start(['start', 'web', ...longer, ...LONG, ...args]), { code: 0 })
  // What the launch was given counts for each later look at the server.
  t.match(await here.run(['status', 'web']), { code: 0, stdout: /ready/ })
  t.match(await here.run(['start', 'web', ...args]), { code: 0, stderr: /already running/ })
  t.match(await here.run(['start', 'web', ...args], { ONE_SERVER_HEALTH_TIMEOUT: '1ms' }), { code: 0, stderr: /already running/ }, "the launch's own")
})

t.test('4 https for http, in both directions', async (t) => {
  const here = home(t)
  const [key, cert] = ['key', 'cert'].map((name) => JSON.stringify(fileURLToPath(new URL(`../../../fixtures/https-${name}.pem`, import.meta.url))))
  const file = script(here, `const fs = require('fs'); require('https').createServer({ key: fs.readFileSync(${key}), cert: fs.readFileSync(${cert}) }, (q, a) => a.end()).listen(process.env.PORT)`)
  const failed = await here.run(['start', 'web', '--port', 'auto', '--health', '/', ...SHORT, '--', process.execPath, file])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 4, text: 'If it speaks https, say so: --health https://localhost:{port}/path.' })
  t.match(await here.start(['start', 'web', '--port', 'auto', '--health', 'https://localhost:{port}/', ...LONG, '--', process.execPath, file]), { code: 0 })
  const other = script(here, http('process.env.PORT'))
  const plain = await here.run(['start', 'plain', '--port', 'auto', '--health', 'https://localhost:{port}/ok', ...SHORT, '--', process.execPath, other])
  t.match({ code: plain.code, text: unfolded(plain) }, { code: 4, text: 'If it speaks plain http, say so: --health http://localhost:{port}/path.' })
  t.match(await here.start(['start', 'plain', '--port', 'auto', '--health', 'http://localhost:{port}/ok', ...LONG, '--', process.execPath, other]), { code: 0 })
})

t.test('5 a missing dependency: the line of the log that names it', async (t) => {
  const here = home(t)
  const file = script(here, `require('./is-missing.cjs'); ${http('process.env.PORT')}`)
  const args = ['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file]
  const failed = await here.run(args)
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 5, text: /exited with code 1 .*Cannot find module '\.\/is-missing\.cjs'.*hint: Find the reason in its log/ })
  writeFileSync(join(here.folder, 'is-missing.cjs'), '')
  t.match(await here.start(args), { code: 0 })
})

t.test('6 words for a shell', async (t) => {
  const here = home(t)
  const file = script(here, http('process.env.PORT'))
  const failed = await here.run(['start', 'web', '--port', 'auto', '--health', '/ok', '--', 'MODE=x', process.execPath, file])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 2, text: "write env MODE=x …, sh -c 'MODE=x …'" })
  t.match(await here.start(['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', 'env', 'MODE=x', process.execPath, file]), { code: 0 })
  t.match(await here.start(['start', 'shell', '--port', 'auto', '--health', '/ok', ...LONG, '--', 'sh', '-c', `MODE=x exec '${process.execPath}' '${file}'`]), { code: 0 })
})

t.test('7 stdin: a server that goes when it ends stays, and the message of a command whose work ends says so', async (t) => {
  const here = home(t)
  const file = script(here, `if (process.argv[2] !== '--serve') process.exit(0); process.stdin.on('end', () => process.exit(0)).resume(); ${http('process.env.PORT')}`)
  const args = ['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file]
  const failed = await here.run(args)
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 5, text: /exited with code 0 .*If its command does some work and ends: name the command that serves\./ })
  t.notMatch(unfolded(failed), /stdin/, 'its stdin has not ended')
  t.match(await here.start([...args, '--serve']), { code: 0 })
  t.match(await here.run(['status', 'web']), { code: 0, stdout: /ready/ })
})

t.test('8 a daemon: drop the option', async (t) => {
  const here = home(t)
  const file = script(here, `if (process.argv[2] === '--daemon') process.exit(0); ${http('process.env.PORT')}`)
  const args = ['start', 'web', '--port', 'auto', '--health', '/ok', ...LONG, '--', process.execPath, file]
  const failed = await here.run([...args, '--daemon'])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 5, text: /If it put itself into the background: drop the option that does it/ })
  t.match(await here.start(args), { code: 0 })
})

t.test('9 a port that is taken: by whom, and another one', async (t) => {
  const here = home(t)
  const server = createServer((socket) => { socket.on('error', () => {}).end('x\n') }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo
  const args = ['--health', '/ok', ...LONG, '--', process.execPath, script(here, http('process.env.PORT'))]
  const failed = await here.run(['start', 'web', '--port', String(port), ...args])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 6, text: new RegExp(`Port ${port} is in use.*port: 'auto' \\(--port auto\\) takes a free one`) })
  if (process.platform === 'linux') t.match(unfolded(failed), `in use by PID ${process.pid}`)
  t.match(await here.start(['start', 'web', '--port', 'auto', ...args]), { code: 0 })
})

t.test('10 a misspelt word: a command, an option, a name, a program', async (t) => {
  const here = home(t)
  t.match(await here.run(['strat', 'web']), { code: 2, stderr: 'did you mean start?' })
  t.match(await here.run(['start', 'web', '--prot', '1']), { code: 2, stderr: 'did you mean --port?' })
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: { frontend: { command: [process.execPath, fixture('healthy')], port: 'auto' } } }))
  t.match(await here.run(['start', 'fronted']), { code: 2, stderr: 'did you mean frontend?' })
  const failed = await here.run(['start', 'web', '--port', 'auto', '--', 'ndoe', 'x'])
  t.match({ code: failed.code, text: unfolded(failed) }, { code: 1, text: /program was not found: ndoe .*Check the spelling/ })
  t.match(await here.start(['start', 'frontend', ...LONG]), { code: 0 })
})
