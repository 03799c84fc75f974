/**
 * `run` is to its command as if that had been called alone: streams, signals and exit code are the
 * command's. And it uses the server for exactly as long.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive } from '../support/clients.js'
import { hasExecve } from '../support/execve.js'
import { onLinux } from '../support/processes.js'
import { allGone, fixture, home, leaseFiles, PROGRAM, type Home, type Running } from './command-line.js'
import { inTerminal, noTerminal, oneServer } from './terminal.js'

/** Says which signals reach it, and its parent's PID; SIGUSR2 ends it. */
const LISTENS = `
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM', 'SIGUSR1', 'SIGALRM']) process.on(signal, () => console.log(signal))
  process.on('SIGUSR2', () => { console.log('over'); process.exit(3) })
  setTimeout(() => process.exit(4), 60_000)
  console.log('run is ' + (${hasExecve} ? process.pid : process.ppid))`

/** Where `run` becomes its command the signal shows, and elsewhere what a shell makes of it. */
const endedBy = (signal: NodeJS.Signals, code: number) => (hasExecve ? { code: null, signal } : { code, signal: null })

/** A process that has become its command cannot release its lease, which counts for nothing: over a pinned server the next lease sweeps it. */
const leasesGo = async (here: Home): Promise<void> => {
  if (hasExecve) t.match(JSON.parse((await here.run(['status', 'web', '--json'])).stdout), { leases: [] })
  else t.same(leaseFiles(here), [])
}

const LISTENING = ['--', process.execPath, '-e', LISTENS]

const heard = (stdout: string): string[] => stdout.split(/\r?\n/).filter((line) => /SIG[A-Z0-9]+$/.test(line)).map((line) => line.replace(/.*SIG/, 'SIG'))

const pidIn = (text: string): number => Number(/run is (\d+)/.exec(text)?.[1])

t.test('with a server that runs', async (t) => {
  const here = home(t)
  const { run, start, begin, shell, folder } = here
  const url = (await start(['start', 'web', '--port', 'auto', '--quiet', '--script', fixture('healthy')])).stdout.trim()
  const { port } = new URL(url)

  t.test('its environment, its output and its exit code', async (t) => {
    const ended = await run(['run', 'web', '--', 'sh', '-c', 'echo "$ONE_SERVER_URL $ONE_SERVER_PORT $ONE_SERVER_HOST"; echo oops >&2; exit 9'])
    t.match(ended, { code: 9, signal: null, stdout: `${url} ${port} ${new URL(url).hostname}\n`, stderr: /^one-server: already running \(PID \d+\)\noops\n$/ })
  })

  t.test('a name that means something else to the command: its own PORT and BASE_URL stay, or are absent', async (t) => {
    const told = ['run', 'web', '--quiet', '--', 'sh', '-c', 'echo "${PORT-none} ${BASE_URL-none} ${HOST-none}"']
    t.match(await run(told, { PORT: '1', BASE_URL: 'http://mine', HOST: 'my.host' }), { code: 0, stdout: '1 http://mine my.host\n' })
    t.match(await run(told), { code: 0, stdout: 'none none none\n' })
  })

  t.test('a name that means something else to one-server: a call below run does not ask for the port of the server above', async (t) => {
    // What the file says is overruled by the environment, and not by what `run` tells its command.
    const below = join(folder, 'below')
    mkdirSync(below)
    writeFileSync(join(below, 'one-server.config.json'), JSON.stringify({ servers: { nested: { command: [process.execPath, fixture('echo')], port: 'auto', host: '0.0.0.0' } } }))
    const nested = `cd '${below}' && "$0" "$@" start nested --quiet`
    const { code, stdout, stderr } = await run(['run', 'web', '--quiet', '--', 'sh', '-c', nested, ...PROGRAM])
    t.equal(code, 0, stderr)
    t.not(new URL(stdout.trim()).port, port)
    t.match(await (await fetch(`${stdout.trim()}/env`)).json(), { HOST: '0.0.0.0' })
    t.equal((await begin(['stop', 'nested', '--quiet'], { cwd: below }).ended).code, 0)
  })

  t.test('other names by --env, filled in, as often as they are given', async (t) => {
    const env = ['--env', 'BASE_URL={url}', '--env', 'PORT={port}', '--env=ORIGIN={host}:{port}', '--env', 'EMPTY=', '--env', 'PLAIN={x} a=b']
    const told = 'echo "$BASE_URL|$PORT|$ORIGIN|${EMPTY-none}|$PLAIN"'
    t.match(await run(['run', 'web', '--quiet', ...env, '--', 'sh', '-c', told], { PORT: '1' }),
      { code: 0, stdout: `${url}|${port}|${new URL(url).hostname}:${port}||{x} a=b\n` })
    for (const wrong of ['BASE_URL', '=x', '1A=x', 'a b=c']) {
      t.match(await run(['run', 'web', '--env', wrong, '--', 'true']), { code: 2, stderr: /--env must be NAME=VALUE/ }, wrong)
    }
    t.match(await run(['start', 'web', '--env', 'A=b']), { code: 2, stderr: /--env does not apply to start/ })
  })

  t.test('its stdin, and words as they are', async (t) => {
    const words = ['a b', '', "it's", '$HOME', '*', '--quiet', '--']
    const { code, stdout, stderr } = await shell(['run', 'web', '--quiet', '--', 'sh', '-c', 'printf "<%s>" "$@"; cat', 'sh', ...words], '<<<hello')
    t.same({ code, stdout, stderr }, { code: 0, stdout: `${words.map((word) => `<${word}>`).join('')}hello\n`, stderr: '' })
  })

  t.test('a command that a signal ends', async (t) => {
    t.match(await run(['run', 'web', '--quiet', '--', 'sh', '-c', 'kill -KILL $$']), { ...endedBy('SIGKILL', 137), stdout: '', stderr: '' })
  })

  t.test('a script whose interpreter is missing, and one that names none', async (t) => {
    const [missing, none] = [join(folder, 'missing'), join(folder, 'none')]
    writeFileSync(missing, '#!/no/such/interpreter\n', { mode: 0o755 })
    writeFileSync(none, 'exit 5\n', { mode: 0o755 })
    t.match(await run(['run', 'web', '--quiet', '--', missing]), { code: 127, stdout: '', stderr: /interpreter[^]*hint: / })
    t.match(await run(['run', 'web', '--quiet', '--', './none']), { code: 5, stdout: '', stderr: '' }, 'as execvp has it')
  })

  t.test('every signal is passed on, again and again, and the lease ends before it does', async (t) => {
    const { child, ended, prints } = begin(['run', 'web', '--quiet', ...LISTENING], { detached: true })
    await prints('run is')
    t.equal(leaseFiles(here).length >= 1, true)
    const sent = ['SIGINT', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM', 'SIGTERM', 'SIGUSR1', 'SIGALRM'] as const
    for (const [index, signal] of sent.entries()) {
      child.kill(signal)
      await prints(sent.slice(0, index + 1).join('\n'))
    }
    child.kill('SIGUSR2')
    const { code, stdout } = await ended
    t.equal(code, 3)
    t.same(heard(stdout), sent)
    await leasesGo(here)
  })

  t.test('a signal that ends its command', async (t) => {
    const { child, ended, prints } = begin(['run', 'web', '--quiet', '--', 'sh', '-c', 'echo ready; exec sleep 100'], { detached: true })
    await prints('ready')
    child.kill('SIGTERM')
    t.match(await ended, { ...endedBy('SIGTERM', 143), stdout: 'ready\n', stderr: '' })
    await leasesGo(here)
  })

  t.test('in a terminal', { skip: noTerminal }, async (t) => {
    const at = { env: here.env, cwd: folder }
    const over = async ({ prints, ended }: Running, pid: () => number): Promise<string[]> => {
      // Passed on after whatever came before it.
      process.kill(pid(), 'SIGUSR2')
      await prints('over')
      return heard((await ended).stdout)
    }
    const watchingPid = ({ child }: Running) => {
      let text = ''
      child.stdout?.on('data', (part: string) => { text += part })
      return () => pidIn(text)
    }

    t.test('what is typed reaches it once', async (t) => {
      const terminal = inTerminal(t, `exec ${oneServer(['run', 'web', '--quiet', ...LISTENING])}`, at)
      const pid = watchingPid(terminal)
      await terminal.prints('run is')
      // Two signals that are pending at once are one, so one Ctrl-C might hide its double.
      const typed = [['\u0003', 'SIGINT'], ['\u001C', 'SIGQUIT'], ['\u0003', 'SIGINT'], ['\u001C', 'SIGQUIT']] as const
      for (const [index, [key, signal]] of typed.entries()) {
        terminal.type(key)
        await terminal.prints(new RegExp(`(${signal}[^]*){${Math.floor(index / 2) + 1}}`))
      }
      process.kill(pid(), 'SIGTERM')
      await terminal.prints('SIGTERM')
      t.same(await over(terminal, pid), [...typed.map(([, signal]) => signal), 'SIGTERM'])
      t.equal((await terminal.ended).code, 3)
    })

    t.test('in its background nothing is typed to it, so all is passed on', async (t) => {
      const terminal = inTerminal(t, `${oneServer(['run', 'web', '--quiet', ...LISTENING])} & wait`, at)
      const pid = watchingPid(terminal)
      await terminal.prints('run is')
      process.kill(pid(), 'SIGINT')
      await terminal.prints('SIGINT')
      t.same(await over(terminal, pid), ['SIGINT'])
    })
  })
})

t.test('a command that cannot be run costs no server', async (t) => {
  const { run, env } = home(t)
  t.match(await run(['run', 'web', '--quiet', '--', 'no-such-command']), { code: 127, stdout: '', stderr: /^one-server: The client's command was not found: no-such-command\. Nothing was\n {2}run\.\n {2}hint: / })
  t.match(await run(['run', 'web', '--quiet', '--', '/etc/passwd']), { code: 126, stdout: '', stderr: /permission denied/ })
  t.notOk(existsSync(env['ONE_SERVER_STATE_DIR'] as string))
})

t.test('a server by --server is started for it, outlives it for the idle time, and is gone', async (t) => {
  const here = home(t)
  const words = `'${process.execPath}' "${fixture('echo')}" 'a b' \\$x --port={port}`
  const ended = await here.run(['run', 'web', '--port', 'auto', '--idle-timeout', '100ms', '--server', words, '--', process.execPath, '-e', `
    fetch(process.env.ONE_SERVER_URL + '/argv').then((answer) => answer.json()).then((argv) => console.log(JSON.stringify([...argv.slice(2), process.env.ONE_SERVER_PORT])))`])
  const [port] = (JSON.parse(ended.stdout) as string[]).slice(-1)
  t.match(ended, { code: 0, stdout: `${JSON.stringify(['a b', '$x', `--port=${port}`, port])}\n`, stderr: /^one-server: started \(PID \d+\), log: .*$/m })
  const pid = Number(/started \(PID (\d+)\)/.exec(ended.stderr)?.[1])
  await allGone(here)
  t.notOk(isAlive(pid))
})

t.test('a server that cannot be started, and its command is not run', async (t) => {
  const { run } = home(t)
  const ended = await run(['run', 'web', '--port', 'auto', '--server', `${process.execPath} ${fixture('dies-at-once')}`, '--', 'echo', 'ran'])
  t.match(ended, { code: 5, stdout: '', stderr: /boom: cannot start/ })
})

t.test('before there is a command to pass it on to, a signal ends the wait; and nothing of the streams is changed by then', onLinux, async (t) => {
  const here = home(t)
  const { child, ended, prints } = here.begin(['run', 'web', '--port', 'auto', '--timeout', '1m', '--script', fixture('never-answers'), '--', 'echo', 'ran'], { stdin: 'pipe' })
  here.stopsAtEnd('web')
  await prints('waiting for the health check', 'stderr')
  if (process.platform === 'linux') {
    const flags = [0, 1, 2].map((fd) => /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${child.pid}/fdinfo/${fd}`, 'latin1'))?.[1])
    // They are shared with the command, and under make with those of other jobs, which may not expect it.
    t.same(flags.map((octal) => Number.parseInt(octal as string, 8) & 0o4000), [0, 0, 0], 'none of them is non-blocking')
  }
  child.kill('SIGINT')
  t.match(await ended, { code: 130, stdout: '', stderr: /one-server: interrupted by SIGINT\n/ })
  t.notOk(leaseFiles(here).some((name) => name.endsWith('.lease')))
})
