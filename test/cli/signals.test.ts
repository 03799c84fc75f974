/** The kind: `run` is not quite its command. A signal that would have ended the command ends `run`, in the same way for those who wait. */
import t from 'tap'
import { hasExecve } from '../support/execve.js'
import { fixture, home } from './command-line.js'
import { inTerminal, noTerminal, oneServer } from './terminal.js'

const LATE = ['--port', 'auto', '--idle-timeout', '0', '--timeout', '100s', '--script', fixture('never-listens')]

t.test('a signal before the command runs ends the call in order, whichever it is', async (t) => {
  for (const [signal, code] of [['SIGQUIT', 131], ['SIGUSR1', 138], ['SIGUSR2', 140], ['SIGALRM', 142], ['SIGTERM', 143]] as const) {
    const here = home(t)
    here.stopsAtEnd('web')
    const { child, ended, prints } = here.begin(['run', 'web', ...LATE, '--', 'touch', 'ran'], { detached: true })
    await prints('waiting for the health check', 'stderr')
    // env(1) became Node: the PID is that of one-server.
    process.kill(child.pid!, signal)
    const { stderr, ...how } = await ended
    t.match(how, { code, signal: null }, signal)
    t.match(stderr, `interrupted by ${signal}`)
    t.notMatch(stderr, 'Debugger')
  }
})

t.test('a command that died of SIGINT: so does run, for the shell loop around it', async (t) => {
  const here = home(t)
  here.stopsAtEnd('web')
  const own = ['web', '--port', 'auto', '--idle-timeout', '0', '--quiet', '--script', fixture('healthy')]
  const ended = await here.run(['run', ...own, '--', 'sh', '-c', 'kill -INT $$'])
  t.match(ended, { code: null, signal: 'SIGINT' })
  t.match(await here.run(['run', ...own, '--', 'sh', '-c', 'trap "exit 130" INT; kill -INT $$']), { code: 130, signal: null }, 'one that ended by itself has its own code')
  t.match(await here.run(['run', ...own, '--', 'sh', '-c', 'kill -TERM $$']), hasExecve ? { code: null, signal: 'SIGTERM' } : { code: 143, signal: null })
})

t.test('Ctrl-C ends a shell loop around run', { skip: noTerminal }, async (t) => {
  const here = home(t)
  here.stopsAtEnd('web')
  const call = oneServer(['run', 'web', '--port', 'auto', '--idle-timeout', '0', '--quiet', '--script', fixture('healthy'), '--', process.execPath, '-e', 'console.log("turn"); setInterval(() => {}, 1e6)'])
  const terminal = inTerminal(t, `for i in 1 2 3; do ${call}; done; echo went on`, { env: here.env, cwd: here.folder })
  await terminal.prints('turn')
  terminal.type('\u0003')
  const { stdout } = await terminal.ended
  t.equal(stdout.split('turn').length, 2, 'one turn')
  t.notMatch(stdout, 'went on')
})

t.test('Ctrl-\\ during start leaves a cursor', { skip: noTerminal }, async (t) => {
  const here = home(t)
  here.stopsAtEnd('web')
  const terminal = inTerminal(t, oneServer(['start', 'web', ...LATE]), { env: { ...here.env, TERM: 'xterm', CI: undefined }, cwd: here.folder })
  await terminal.prints('\u001B[?25l')
  terminal.type('\u001C')
  const { stdout } = await terminal.ended
  t.ok(stdout.lastIndexOf('\u001B[?25h') > stdout.lastIndexOf('\u001B[?25l'), 'it is shown again')
})
