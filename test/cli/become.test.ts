/**
 * `run` that has become its command: to a shell, a terminal and a killer it is the command, and the server lives exactly as long as the
 * command does, or a child that the command left with the pipe to the watchdog.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isAlive } from '../support/clients.js'
import { execveNode, withExecve } from '../support/execve.js'
import { onLinux } from '../support/processes.js'
import { until } from '../support/until.js'
import { allGone, fixture, home, leaseFiles, programOf, type Home, type Running } from './command-line.js'
import { inTerminal, noTerminal, oneServer } from './terminal.js'

const NEW = programOf(execveNode)
/** A shell drops this variable, so it is not the way to a command that must have it. */
const BY_PERL: typeof NEW = [...NEW.slice(0, 3), 'no.identifier=1', ...NEW.slice(3)] as unknown as typeof NEW
const WAYS = { 'through the shell': NEW, 'through perl': BY_PERL }
const withPerl = existsSync('/usr/bin/perl') ? {} : { skip: 'there is no perl' }

/** The same of each way to the command. */
const byEachWay = (name: string, options: { readonly skip?: string | false }, work: (t: Test, program: typeof NEW) => Promise<void>): void => {
  for (const [way, program] of Object.entries(WAYS)) t.test(`${name}, ${way}`, { ...(program === BY_PERL ? withPerl : {}), ...options }, (t) => work(t, program))
}

/** With a module that this program loads before itself. */
const preloading = (program: typeof NEW, module: string): typeof NEW => [...program.slice(0, -1), '--import', module, program.at(-1)!] as unknown as typeof NEW

const LEASED = ['--port', 'auto', '--idle-timeout', '0', '--quiet', '--script', fixture('healthy')]
const inNewTerminal = noTerminal ? { skip: noTerminal } : { ...withExecve }

/** `run` of a shell program, under a Node that has execve. */
const run = (here: Home, text: string, env?: NodeJS.ProcessEnv) => here.begin(['run', 'web', ...LEASED, '--', '/bin/sh', '-c', text], { detached: true, stdin: 'pipe', ...(env ? { env } : {}) })

/** Returns when the shell of the command has said its PID, which is that of `run`: if it is not, what follows could wait for ever. */
const ready = async ({ child, prints, printed }: Running): Promise<void> => {
  await prints(/ready \d+\n/)
  const pid = Number(/ready (\d+)/.exec(printed())![1])
  if (pid === child.pid) return
  process.kill(pid, 'SIGKILL')
  throw new Error(`run (PID ${child.pid}) has not become its command (PID ${pid})`)
}

const serverOf = async (here: Home): Promise<number> => (JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { pid: number }).pid

const goes = async (t: Test, here: Home, server: number): Promise<void> => {
  await allGone(here)
  t.notOk(isAlive(server), 'the server goes with it')
}

byEachWay('it is the command: PID, start, exit code, signals and nothing else of Node', { ...withExecve, ...(onLinux.skip ? onLinux : {}) }, async (t, program) => {
  const here = home(t, program)
  const running = run(here, 'cat /proc/self/status; echo "ready $$"; read line; exit 9')
  const { child, ended } = running
  await ready(running)
  const { pid } = child
  const server = await serverOf(here)
  t.equal(readlinkSync(`/proc/${pid}/exe`), realpathSync('/bin/sh'), 'the shell itself')
  const pipes = readdirSync(`/proc/${pid}/fd`).filter((fd) => /\.pipe\b/.test(readlinkSync(`/proc/${pid}/fd/${fd}`)))
  t.same(pipes, ['9'], 'the pipe to the watchdog is no descriptor that a command uses by habit')
  t.match(JSON.parse((await here.run(['status', 'web', '--json'])).stdout), { leases: [{ pid, command: /^\/bin\/sh -c/ }] })
  child.stdin?.write('go\n')
  const { code, stdout } = await ended
  t.equal(code, 9)
  // Node ignores two signals for itself, and blocks none.
  for (const name of ['SigIgn', 'SigBlk']) t.match(stdout, new RegExp(`^${name}:\\t0{16}$`, 'm'), name)
  await goes(t, here, server)
})

byEachWay('a signal that ends run ends the command, SIGKILL too, and the server goes', withExecve, async (t, program) => {
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGXFSZ', 'SIGPIPE'] as const) {
    const here = home(t, program)
    const running = run(here, 'echo "ready $$"; exec sleep 600')
    const { child, ended } = running
    await ready(running)
    const server = await serverOf(here)
    child.kill(signal)
    await until(() => child.exitCode !== null || child.signalCode !== null, `${signal} to end it`)
    t.match(await ended, { code: null, signal }, signal)
    await goes(t, here, server)
  }
})

t.test('what it inherits is what it was given: variables of every name and value', withExecve, async (t) => {
  const here = home(t, NEW)
  const odd = { 'A.B': '1', 'BASH_FUNC_echo%%': '() {  printf wrong\n}', IFS: 'x', OPTIND: '7', 'npm_config_//r/:_t': 'a b', EMPTY: '', LINES_: 'a\nb', PS4: 'x', ENV: '/nowhere' }
  const { code, stdout, stderr } = await here.begin(['run', 'web', ...LEASED, '--', '/usr/bin/env', '-0'], { env: odd }).ended
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const shown = Object.fromEntries(stdout.split('\0').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  for (const [name, value] of Object.entries(odd)) t.equal(shown[name], value, name)
  const expected = [...Object.keys(here.env), ...Object.keys(odd), 'ONE_SERVER_URL', 'ONE_SERVER_URL_WEB', 'ONE_SERVER_PORT', 'ONE_SERVER_HOST'].filter((name) => name !== '_')
  t.same(Object.keys(shown).filter((name) => name !== '_').toSorted(), expected.toSorted())
})

/** A home in which `run` does this as well when it rehearses. */
const atRehearsal = (t: Test, act: string): Home => {
  const preload = join(home(t).folder, 'act.mjs')
  writeFileSync(preload, `
    import childProcess from 'node:child_process'
    import { syncBuiltinESMExports } from 'node:module'
    const { execFile } = childProcess
    let times = 0
    childProcess.execFile = (...args) => { if (times++ === 0) ${act}; return execFile(...args) }
    syncBuiltinESMExports()`)
  return home(t, preloading(NEW, preload))
}

t.test('a signal that comes right before it is the command ends it, and the command does not run', withExecve, async (t) => {
  const there = atRehearsal(t, "process.kill(process.pid, 'SIGTERM')")
  t.match(await run(there, 'echo ran').ended, { code: 143, stdout: '' })
  await allGone(there)
})

t.test('it has no children that it never had, however long they live', { ...withExecve, ...(onLinux.skip ? onLinux : {}) }, async (t) => {
  const there = atRehearsal(t, "childProcess.spawn('sleep', ['0.3'])")
  const { stdout } = await run(there, 'read -r children </proc/$$/task/$$/children; echo "children <$children>"').ended
  t.equal(stdout, 'children <>\n')
  await allGone(there)
})

t.test('words as they are, filled in where they name the server, and not where a shell, JavaScript or curl would', withExecve, async (t) => {
  for (const program of [NEW, BY_PERL, undefined]) {
    const here = home(t, program)
    const words = ['a b', '', "it's", '$HOME', '*', '-n', '--', '{url}', 'x{port}y{host}', '${port}', '%{url}', '{ url }', '{urls}']
    const { code, stdout } = await here.begin(['run', 'web', ...LEASED, '--', 'printf', '<%s>', ...words, '$ONE_SERVER_URL']).ended
    t.equal(code, 0)
    const [, url, port] = /<(http:\/\/localhost:(\d+))>/.exec(stdout) ?? []
    t.equal(stdout, ['a b', '', "it's", '$HOME', '*', '-n', '--', url, `x${port}ylocalhost`, '${port}', '%{url}', '{ url }', '{urls}', '$ONE_SERVER_URL'].map((word) => `<${word}>`).join(''))
  }
})

byEachWay('a child that outlives the command holds the server until it ends, and status tells of it', withExecve, async (t, program) => {
  const here = home(t, program)
  const { ended, prints } = run(here, 'sleep 600 >/dev/null 2>&1 & echo "child $!"')
  await prints(/child \d+\n/)
  const { code, stdout } = await ended
  t.equal(code, 0)
  const child = Number(/child (\d+)/.exec(stdout)?.[1])
  t.teardown(() => { try { process.kill(child, 'SIGKILL') } catch {} })
  const status = JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { pid: number; leases: unknown[]; stopsAt: unknown }
  t.match(status, { state: 'ready', stopsAt: null, leases: [{ command: /sleep 600/ }] })
  t.match((await here.run(['stop', 'web', '--if-idle'])).code, 0)
  t.ok(isAlive(status.pid), 'it is not idle')
  process.kill(child, 'SIGKILL')
  await goes(t, here, status.pid)
})

byEachWay('a command that closes what it inherits is looked after all the same', withExecve, async (t, program) => {
  const here = home(t, program)
  const running = run(here, 'exec 9>&-; echo "ready $$"; exec sleep 600')
  const { child, ended } = running
  await ready(running)
  child.kill('SIGSTOP')
  const server = await serverOf(here)
  const [watch] = leaseFiles(here).filter((name) => name.endsWith('.watch'))
  t.ok(watch !== undefined, 'the watchdog has not let go')
  t.ok(isAlive(server))
  child.kill('SIGKILL')
  await ended
  await goes(t, here, server)
})

byEachWay('the kind: a command that is run again, and one that writes where it need not, keep what they have', withExecve, async (t, program) => {
  // The Node of the second run closes the pipe of the first one.
  const again = [...program, 'run', 'db', ...LEASED, '--', '/bin/sh', '-c', 'echo "ready $$"; exec sleep 600']
  const noisy = ['/bin/sh', '-c', 'for line in 1 2 3 4 5 6 7 8; do printf "keep 1 1\\n\\n" >&9; done; echo "ready $$"; exec sleep 600']
  for (const command of [again, noisy]) {
    const here = home(t, program)
    const running = here.begin(['run', 'web', ...LEASED, '--', ...command])
    const { child, ended } = running
    await ready(running)
    const server = await serverOf(here)
    const { leases, state } = JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { leases: { pid: number }[]; state: string }
    t.match({ state, pids: leases.map(({ pid }) => pid) }, { state: 'ready', pids: [child.pid] })
    t.ok(leaseFiles(here).some((name) => name.endsWith('.watch') && name.includes('web')), 'and its watchdog has not let go')
    child.kill('SIGKILL')
    await ended
    await goes(t, here, server)
  }
})

t.test('of several servers, all live as long as it does', withExecve, async (t) => {
  const here = home(t, NEW)
  const server = { serverScript: fixture('healthy'), port: 'auto', idleTimeout: 0 }
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: { web: server, db: server, api: { ...server, needs: ['db'] } } }))
  const running = here.begin(['run', 'web,api', '--quiet', '--', '/bin/sh', '-c', 'echo "ready $$"; exec sleep 600'])
  const { child, ended } = running
  await ready(running)
  for (const name of ['web', 'db', 'api']) {
    t.match(JSON.parse((await here.run(['status', name, '--json'])).stdout), { state: 'ready', leases: [{ pid: child.pid }] }, name)
  }
  child.kill('SIGKILL')
  await ended
  await allGone(here)
})

t.test('a folder that vanishes takes nothing from it', { ...withExecve, ...(onLinux.skip ? onLinux : {}) }, async (t) => {
  const here = home(t, NEW)
  const running = run(here, 'echo "ready $$"; exec sleep 600')
  const { child, ended } = running
  await ready(running)
  const server = await serverOf(here)
  const state = here.env['ONE_SERVER_STATE_DIR'] as string
  for (const name of readdirSync(state)) if (name.startsWith('web.pid')) rmSync(join(state, name), { recursive: true })
  t.ok(isAlive(server))
  child.kill('SIGKILL')
  await ended
  await until(() => !isAlive(server), 'the server to end')
  await allGone(here)
})

byEachWay('killed right before it is the command, the server goes; a program that vanishes or may not be run is named', withExecve, async (t, program) => {
  const here = home(t, program)
  const preload = join(here.folder, 'die.mjs')
  for (const when of ['before', 'after']) {
    writeFileSync(preload, `const { execve } = process; process.execve = (...args) => { process.kill(process.pid, 'SIGKILL'); execve.apply(process, args) }`)
    const there = home(t, when === 'before' ? preloading(program, preload) : program)
    const { signal } = await there.begin(['run', 'web', ...LEASED, '--', '/bin/sh', '-c', when === 'before' ? 'echo ran' : 'kill -9 $$']).ended
    t.equal(signal, 'SIGKILL', when)
    await allGone(there)
  }
  const gone = join(here.folder, 'gone')
  for (const [code, change, says] of [[127, 'rm -f', /was not found/], [126, 'chmod -x', /cannot be run/]] as const) {
    writeFileSync(gone, '#!/bin/sh\necho ran\n', { mode: 0o755 })
    writeFileSync(preload, `
      import { execSync } from 'node:child_process'
      const { execve } = process
      process.execve = (...args) => { execSync(${JSON.stringify(`${change} ${gone}`)}); execve.apply(process, args) }`)
    const there = home(t, preloading(program, preload))
    const ended = await there.begin(['run', 'web', ...LEASED, '--', gone]).ended
    t.match(ended, { code, stdout: '', stderr: says }, change)
    await allGone(there)
  }
  rmSync(preload)
})

t.test('words that fit the command, and not the way to it: Node does not abort, and the command runs', { ...withExecve, ...(onLinux.skip ? onLinux : {}) }, async (t) => {
  const here = home(t, NEW)
  // A quarter of the stack is the room for words and variables (execve(2)).
  const limited = (program: readonly string[], pad: number) => {
    const words = [...Array.from({ length: 10 }, () => 'y'.repeat(100_000)), 'z'.repeat(pad)]
    const call = ['run', 'web', ...LEASED, '--', '/bin/sh', '-c', 'exit 5', 'sh', ...words]
    return spawnSync('/bin/sh', ['-c', 'ulimit -s 4096; exec "$@"', 'sh', ...program, ...call], { env: here.env, encoding: 'utf8', cwd: here.folder })
  }
  let [fits, tooMuch] = [1, 131_000]
  while (tooMuch - fits > 1) {
    const pad = Math.floor((fits + tooMuch) / 2)
    if (limited(['/bin/true', ...NEW], pad).status === 0) fits = pad
    else tooMuch = pad
  }
  t.ok(fits > 1 && tooMuch < 131_000, 'the limit is met')
  const { status, signal, stderr } = limited(NEW, fits - 100)
  t.match({ status, signal, stderr }, { status: 5, signal: null, stderr: '' })
  await allGone(here)
})

t.test('over a pinned server it leaves no files that grow in number', withExecve, async (t) => {
  const here = home(t, NEW)
  await here.start(['start', 'web', '--port', 'auto', '--quiet', '--script', fixture('healthy')])
  for (let turn = 0; turn < 3; turn++) t.equal((await here.begin(['run', 'web', '--quiet', '--', 'true']).ended).code, 0)
  t.ok(leaseFiles(here).length <= 1, 'at most the last one')
  t.match(JSON.parse((await here.run(['status', 'web', '--json'])).stdout), { pinned: true, leases: [] })
})

t.test('in a terminal: Ctrl-Z and fg, Ctrl-C of a loop', inNewTerminal, async (t) => {
  const here = home(t, NEW)
  here.stopsAtEnd('web')
  const at = { env: here.env, cwd: here.folder }
  const call = (text: string) => oneServer(['run', 'web', ...LEASED, '--', '/bin/sh', '-c', text], NEW)
  const loop = inTerminal(t, `for i in 1 2 3; do ${call('echo turn; exec sleep 600')}; done; echo went on`, at)
  await loop.prints('turn')
  loop.type('\u0003')
  const hasEnded = (): boolean => loop.child.exitCode !== null || loop.child.signalCode !== null
  await until(() => hasEnded() || loop.printed().split('turn').length > 2, 'the loop to end, or to go on')
  t.ok(hasEnded(), 'Ctrl-C ends the loop')
  t.equal(loop.printed().split('turn').length, 2, 'one turn')
  t.notMatch(loop.printed(), 'went on')

  const job = inTerminal(t, `set -m; ${call('echo pid $$; read line; echo "got $line"; exit 6')}; echo "stopped $?"; fg; echo "ended $?"`, at)
  await job.prints(/pid \d+/)
  job.type('\u001A')
  await job.prints(/stopped 1\d\d/)
  job.type('hello\n')
  await job.prints('got hello')
  t.match((await job.ended).stdout, /ended 6/)
  await allGone(here)
})
