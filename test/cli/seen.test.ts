/** The kind: a reason guessed from one symptom. Each message says what was seen, and no more. */
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cannotStart, serverExited } from '../../lib/errors.js'
import { refused } from '../../lib/cli/program.js'
import { home } from './command-line.js'

const unfolded = (text: string): string => text.replace(/\s+/g, ' ')

t.test('a spawn that failed: what the system said, and what helps against that', async (t) => {
  for (const [code, message, hint] of [
    ['EMFILE', 'too many open files', /ulimit -n/], ['ENFILE', 'too many open files', /ulimit -n/], ['EAGAIN', 'no more processes', /ulimit -u/], ['E2BIG', 'too long', /inheritEnv/],
    ['ENOENT', 'does not exist', /working directory/], ['EACCES', 'permission denied', /enter the working directory/], ['ENOEXEC', 'no program', /by hand/], ['EBADF', 'could not pass a file', /^(?!.*ulimit)/],
  ] as const) {
    t.match(cannotStart(Object.assign(new Error(`spawn ${code}`), { code })), { code: 'COMMAND_NOT_FOUND', message: `The server cannot be started: `, hint }, code)
    t.match(cannotStart(Object.assign(new Error(`spawn ${code}`), { code })).message, message, code)
  }
  t.match(refused('x', Object.assign(new Error('spawn E2BIG'), { code: 'E2BIG' })).error.message, 'arguments and environment are too long (E2BIG)')
  const here = home(t)
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: { long: { command: [process.execPath, '-e', '', 'x'.repeat(140_000)], port: 'auto' } } }))
  t.match(await here.run(['start', 'long']), { code: 1, stderr: /too\s+long\s+\(E2BIG\)/ })
  const script = join(here.folder, 'odd')
  writeFileSync(script, '#!/no/such/interpreter\n')
  chmodSync(script, 0o755)
  t.match(await here.run(['start', 'web', '--port', 'auto', '--', script]), { code: 5, stderr: /exited with code 12[67] before .*\|.*odd/s }, 'by the word of the shell, in the log')
})

t.test('an exit with 0: what it may come from, with what to do about each, and no guess beyond that', async (t) => {
  const { hint } = serverExited({ exitCode: 0 })
  t.match(hint, /^It ended by itself, and no process of it is seen any more\. If it .*background: drop .*\. If a script .*: let the script wait .*\. If its command .*: name the command that serves\.$/)
  // Its stdin stays open for its whole life, and a lost port is an error.
  t.notMatch(hint, /stdin|port/)
  const here = home(t)
  // A script that ends without waiting, and does what the hint says.
  const serve = `"$0" -e "require('http').createServer((q, a) => a.end()).listen(process.env.PORT)"`
  const start = (text: string) => here.start(['start', 'web', '--port', 'auto', '--health', '/', '--timeout', '60s', '--', 'sh', '-c', text, process.execPath])
  t.match(await start(`${serve} & kill -9 $!; exit 0`), { code: 5, stderr: /wait, or exec/ })
  t.match(await start(`exec ${serve}`), { code: 0 })
})

t.test('an exit with 0 is never a lost port, whatever its log says and whoever listens there', async (t) => {
  const here = home(t)
  const start = (script: string) => here.run(['start', 'web', '--port', 'auto', '--timeout', '60s', '--', process.execPath, '-e', script])
  t.match(await start("console.log('EADDRINUSE: address already in use')"), { code: 5, stderr: /exited with code 0 before/ })
  // A daemon that nothing shows to be of the launch: no environment, no group, no descriptor.
  const daemon = "require('http').createServer((q, a) => { a.statusCode = 404; a.end() }).listen(process.argv[1], '127.0.0.1', () => console.log('up'))"
  const pidFile = join(here.folder, 'daemon.pid')
  t.teardown(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL'))
  t.match(await start(`
    const child = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(daemon)}, process.env.PORT], { env: {}, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid))
    child.stdout.once('data', () => process.exit(0))`), { code: 5, stderr: /exited with code 0 before/ })
})

t.test('without a health check no message speaks of one', async (t) => {
  const here = home(t)
  for (const ready of ['log:up', 'tcp:{port}', `socket:${join(here.folder, 's')}`]) {
    const { code, stderr } = await here.run(['start', 'web', '--port', 'auto', '--ready', ready, '--', process.execPath, '-e', 'process.exit(3)'])
    t.match({ code, text: unfolded(stderr) }, { code: 5, text: 'exited with code 3 before it was ready.' }, ready)
    t.notMatch(unfolded(stderr), /health check|http:/, ready)
  }
})

t.test('a port that is lost: by whom, or that nobody is there', async (t) => {
  const here = home(t)
  const words = `console.error('Error: listen EADDRINUSE: address already in use :::1'); process.exit(1)`
  t.match(unfolded((await here.run(['start', 'web', '--port', '45871', '--', process.execPath, '-e', words])).stderr), 'Its log says so, and nothing listens there now.')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.match(unfolded((await here.run(['start', 'web', '--port', String(port), '--ready', 'tcp:{port}', '--', 'true'])).stderr), process.platform === 'linux' ? `Port ${port} is in use by PID ${process.pid}` : `Port ${port} is in use`)
})
