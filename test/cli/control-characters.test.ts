/**
 * The kind: words of others on a person's terminal. Whatever a log, a path, a config file or a client's own description holds,
 * nothing that a command prints acts on the terminal; JSON has it as it is.
 */
/* oxlint-disable no-control-regex -- control characters are what this file is about */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { allGone, fixture, home, type Ended } from './command-line.js'
import { inTerminal, noTerminal, oneServer } from './terminal.js'

const HOSTILE = '\x1b]0;owned\x07\x1b[2J\x1b]52;c;aGk=\x07\u009b31m\u202etxt\u2066'

const ACTS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

const isClean = (t: Test, { stdout, stderr }: Ended, what: string): void => {
  t.notMatch(stdout, ACTS, what)
  t.notMatch(stderr, ACTS, what)
}

t.test('the log of a server that fails', async (t) => {
  const here = home(t)
  const server = ['--', process.execPath, '-e', `console.log(${JSON.stringify(`${HOSTILE}\rnow`)}); process.exit(3)`]
  const ended = await here.run(['start', 'web', '--port', 'auto', ...server])
  isClean(t, ended, 'its message')
  t.match(ended, { code: 5, stderr: /\| \??txt\??\n +\| now/ }, 'quoted without sequences')
  const { error } = JSON.parse((await here.run(['start', 'web', '--port', 'auto', '--json', ...server])).stdout) as { error: { logTail: string; message: string } }
  t.ok(error.logTail.includes(HOSTILE), 'as data it is as it was')
  t.notMatch(error.message, '\x1b')
})

t.test('paths, names, descriptions, words of a config file and of the command line', async (t) => {
  const here = home(t)
  const folder = join(here.folder, HOSTILE.replaceAll('/', ''))
  mkdirSync(folder)
  const pidFile = join(folder, 'a\nproblem  port  b.pid')
  const calls: [args: string[], cwd?: string][] = [
    [['status', '--pid-file', pidFile]], [['doctor', '--pid-file', pidFile]], [['logs', '--pid-file', pidFile]], [['stop', '--pid-file', pidFile]],
    [[HOSTILE]], [['start', `--${HOSTILE}`]], [['start', HOSTILE]], [['start', 'x', '--port', HOSTILE]], [['start', 'x', '--', HOSTILE]], [['run', '--', HOSTILE]],
    [['start', 'x', '--cwd', join(folder, HOSTILE), '--', 'true']], [['start', 'x', '--script', HOSTILE]],
  ]
  for (const [text, name] of [
    [`{"servers":{"api":{${JSON.stringify(HOSTILE)}:1}}}`, 'a key'], [`{"servers":{"api":{"command":["${HOSTILE.replace(/[\x00-\x1f]/g, '')}"]}}}`, 'a program'], [`{"servers":{${JSON.stringify(HOSTILE)}:{}}}`, 'a name'],
  ] as const) {
    const at = join(folder, name)
    mkdirSync(at)
    writeFileSync(join(at, 'one-server.config.json'), text)
    calls.push([['start', 'api'], at], [['status', 'api'], at])
  }
  for (const [args, cwd] of calls) isClean(t, await here.begin(args, cwd === undefined ? {} : { cwd }).ended, JSON.stringify(args))
  const doctor = await here.run(['doctor', '--pid-file', pidFile])
  t.notMatch(doctor.stdout, /^problem {2}port {2}b/m, 'a line break in a path begins no row')
  const { pidFile: told } = JSON.parse((await here.run(['status', '--pid-file', pidFile, '--json'])).stdout) as { pidFile: string }
  t.equal(told, pidFile, 'JSON has it as it is')
  isClean(t, await here.run(['status', '--pid-file', pidFile, '--json']), 'and by escapes')
})

t.test('a list with a folder, a description and a reason that hold such characters', async (t) => {
  const here = home(t)
  const folder = join(here.folder, HOSTILE.replaceAll('/', ''))
  mkdirSync(folder)
  writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers: { api: { command: [process.execPath, fixture('healthy')], port: 'auto' } } }))
  const { ended, prints, child } = here.begin(['run', 'api', '--idle-timeout', '0', '--', process.execPath, '-e', 'console.log("up"); process.stdin.resume(); setInterval(() => {}, 1e6)', HOSTILE], { cwd: folder })
  await prints('up')
  const odd = join(here.env['ONE_SERVER_STATE_DIR'] as string, `${HOSTILE.replaceAll('/', '')}\nx.pid`)
  writeFileSync(odd, HOSTILE, { mode: 0o600 })
  for (const args of [['list'], ['list', '--json'], ['status', 'api']]) isClean(t, await here.begin(args, { cwd: folder }).ended, args.join(' '))
  t.equal((await here.run(['list', '--named'])).stdout.trimEnd().split('\n').length, 2, 'a row each')
  child.kill('SIGTERM')
  await ended
  rmSync(odd)
  await allGone(here)
})

t.test('logs: byte for byte into a pipe, and at a terminal with colours and nothing else', { skip: noTerminal }, async (t) => {
  const here = home(t)
  const log = join(here.folder, 'web.log')
  writeFileSync(log, `\x1b[32mgreen\x1b[0m ${HOSTILE}\n`)
  t.equal((await here.run(['logs', 'web', '--log-file', log])).stdout, `\x1b[32mgreen\x1b[0m ${HOSTILE}\n`)
  const { ended } = inTerminal(t, oneServer(['logs', 'web', '--log-file', log]), { env: here.env, cwd: here.folder })
  const { stdout } = await ended
  t.match(stdout, '\x1b[32mgreen\x1b[0m')
  t.notMatch(stdout.replace(/\x1b\[[0-9;]*m|\r/g, ''), ACTS)
})
