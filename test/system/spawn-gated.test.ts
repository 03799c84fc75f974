/**
 * The gate: before it opens, nothing of the server has run, and when its launcher is gone the
 * child is gone. Asked of real children, of which each writes a file as its first act.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spawnGated } from '../../lib/system/spawn-gated.js'
import { judge, type Exit, type GatedChild, type SpawnPlan } from '../../lib/system/system.js'
import { bareEnv, library, runModule, startModule } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { allProcesses, commandOf, groupOf, lookAt, onLinux, parentOf } from '../support/processes.js'

/** From proc_pid_stat(5): what follows the name are the state and the parent. */

const planIn = (folder: string, script: string, args: readonly string[] = [], more: Partial<SpawnPlan> = {}): SpawnPlan => ({
  program: '/bin/sh', args: ['-c', script, 'sh', ...args], cwd: folder, env: bareEnv(),
  logFile: join(folder, 'log'), gateFile: join(folder, 'gate'), ...more,
})

/** `exec`: the shell becomes a process that lives until the test ends. */
const RUNS = 'echo ran >ran; exec sleep 60'

const spawn = async (t: Test, plan: SpawnPlan): Promise<GatedChild> => {
  const child = await spawnGated(plan)
  if (child === undefined) throw new Error('the gate was ended before it stood')
  t.teardown(async () => {
    // Not waited for yet, so the PID is still this child's, or nobody's.
    if (judge(child.id, lookAt(child.id.pid)) === 'alive') process.kill(child.id.pid, 'SIGKILL')
    await exitOf(child)
  })
  return child
}

/** The child holds no event loop open, so this one must be held while it is waited for. */
const exitOf = async (child: GatedChild): Promise<Exit> => {
  let exit: Exit | undefined
  void child.exited(new AbortController().signal).then((how) => { exit = how })
  return until(() => exit, 'the exit')
}

t.test('until the gate is open nothing of the server runs, and then the same process is the server', async (t) => {
  const folder = tempFolder(t)
  const child = await spawn(t, planIn(folder, RUNS))
  t.equal(judge(child.id, lookAt(child.id.pid)), 'alive')
  t.equal(groupOf(child.id.pid), child.group)
  t.not(child.group, groupOf(process.pid), 'it is in a group of its own')
  // The shell has come to the gate when it waits for the pipe.
  await until(() => existsSync(join(folder, 'log')), 'the log')
  t.notOk(existsSync(join(folder, 'ran')))
  t.notOk(existsSync(join(folder, 'gate')))
  t.equal(await child.open(), true)
  await until(() => existsSync(join(folder, 'ran')), 'the server')
  t.equal(readFileSync(join(folder, 'gate'), 'utf8'), '\n', 'the gate file says that it has run')
  await until(() => /^ (?:sleep|\S*busybox) /.test(commandOf(child.id.pid)), 'the exec')
  t.equal(judge(child.id, lookAt(child.id.pid)), 'alive', 'PID and start time stay')
  t.equal(groupOf(child.id.pid), child.group)
})

t.test('a gate that is closed ends the child without its having run', async (t) => {
  const folder = tempFolder(t)
  const child = await spawn(t, planIn(folder, RUNS))
  await child.close()
  t.same(lookAt(child.id.pid), { state: 'gone' }, 'and was waited for')
  t.notOk(existsSync(join(folder, 'ran')))
  t.notOk(existsSync(join(folder, 'gate')))
  t.match(await exitOf(child), { exitCode: Number })
  t.equal(await child.open(), false, 'no child is left to let through')
  t.notOk(existsSync(join(folder, 'ran')))
})

t.test('a gate that is frozen is closed as well', async (t) => {
  const folder = tempFolder(t)
  const child = await spawn(t, planIn(folder, RUNS))
  process.kill(child.id.pid, 'SIGSTOP')
  await until(() => lookAt(child.id.pid).state === 'stopped', 'the stop')
  await child.close()
  await until(() => judge(child.id, lookAt(child.id.pid)) === 'dead', 'the child to end')
  t.notOk(existsSync(join(folder, 'ran')))
})

t.test('when the launcher is killed, the child ends without having run', async (t) => {
  const folder = tempFolder(t)
  const { child: launcher, line } = startModule(t, `
    import { spawnGated } from '${library('system/spawn-gated.js')}'
    const child = await spawnGated(JSON.parse(process.argv[1]))
    console.log(JSON.stringify(child.id))
    setInterval(() => {}, 1e6)`, [JSON.stringify(planIn(folder, RUNS))])
  const id = JSON.parse(await line())
  t.equal(judge(id, lookAt(id.pid)), 'alive')
  launcher.kill('SIGKILL')
  await until(() => judge(id, lookAt(id.pid)) === 'dead', 'the child to end')
  t.notOk(existsSync(join(folder, 'ran')))
  t.notOk(existsSync(join(folder, 'gate')))
})

t.test('a launcher that has opened the gate is held by nothing, and the server lives on', async (t) => {
  const folder = tempFolder(t)
  const { code, stdout, stderr } = await runModule(t, `
    import { spawnGated } from '${library('system/spawn-gated.js')}'
    const child = await spawnGated(JSON.parse(process.argv[1]))
    await child.open()
    console.log(JSON.stringify(child.id))`, [JSON.stringify(planIn(folder, RUNS))])
  const id = JSON.parse(stdout)
  t.teardown(() => { if (judge(id, lookAt(id.pid)) === 'alive') process.kill(id.pid, 'SIGKILL') })
  t.match({ code, stderr }, { code: 0, stderr: '' })
  await until(() => existsSync(join(folder, 'ran')), 'the server')
  t.equal(judge(id, lookAt(id.pid)), 'alive')
})

t.test('what the environment exports neither opens the gate nor closes it', async (t) => {
  const folder = tempFolder(t)
  const tricks = { TMOUT: '0.05', OPTIND: '9', ENV: '/nonexistent', BASH_ENV: '/nonexistent', 'BASH_FUNC_read%%': '() { :; }', 'BASH_FUNC_echo%%': '() { exit 5; }', IFS: 'g', CDPATH: '/', one_server_gate: 'x' }
  const child = await spawn(t, planIn(folder, 'echo "$TMOUT" >ran; exec sleep 60', [], { env: { ...bareEnv(), ...tricks } }))
  // A shell that heeds TMOUT would have given up by then; that one waits can be shown only by waiting.
  await new Promise((resolve) => { setTimeout(resolve, 200) })
  t.equal(judge(child.id, lookAt(child.id.pid)), 'alive', 'it still waits')
  t.notOk(existsSync(join(folder, 'ran')))
  t.equal(await child.open(), true)
  await until(() => existsSync(join(folder, 'ran')) && readFileSync(join(folder, 'ran'), 'utf8') !== '', 'the server')
  t.equal(readFileSync(join(folder, 'ran'), 'utf8'), '0.05\n', 'and the server gets what was exported')
})

t.test('arguments arrive word for word', async (t) => {
  const folder = tempFolder(t)
  const args = ['', ' a  b ', '"q"', "it's", '$HOME `id` \\n', '-e', '--', '*', 'ä\nline']
  const child = await spawn(t, planIn(folder, '', [], { program: process.execPath, args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...args] }))
  await child.open()
  t.same(await exitOf(child), { exitCode: 0 })
  t.same(JSON.parse(readFileSync(join(folder, 'log'), 'utf8')), args)
})

t.test('the server gets its own folder and environment, a silent stdin, and its output goes to the log', onLinux, async (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'cwd'))
  writeFileSync(join(folder, 'log'), 'before\n', { mode: 0o600 })
  const plan = planIn(folder, 'pwd; echo "$A"; echo wrong >&2; test -p /dev/stdin && readlink /proc/$$/fd/0; exit 7', [], { cwd: join(folder, 'cwd'), env: { PATH: bareEnv()['PATH']!, A: 'a b' } })
  const child = await spawn(t, plan)
  await child.open()
  t.same(await exitOf(child), { exitCode: 7 })
  t.match(readFileSync(plan.logFile, 'utf8'), new RegExp(`^before\n${folder}/cwd\na b\nwrong\n${folder}/.*stdin \\(deleted\\)\n$`))
})

t.test('a new log is readable for this user alone', async (t) => {
  const folder = tempFolder(t)
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const child = await spawn(t, planIn(folder, 'exit 0'))
  t.equal(statSync(join(folder, 'log')).mode & 0o777, 0o600)
  await child.close()
})

t.test('a signal that ended the server is reported as one', async (t) => {
  const child = await spawn(t, planIn(tempFolder(t), 'kill -9 $$'))
  await child.open()
  t.same(await exitOf(child), { signal: 'SIGKILL' })
})

t.test('no descriptor of the client goes on to the server', onLinux, async (t) => {
  const folder = tempFolder(t)
  const plan = planIn(folder, '', [], { program: process.execPath, args: ['-e', `for (const fd of fs.readdirSync('/proc/self/fd')) try { console.log(fd, fs.readlinkSync('/proc/self/fd/' + fd)) } catch {}; console.log('end')`] })
  writeFileSync(join(folder, 'lock'), '')
  const lock = openSync(join(folder, 'lock'), 'r')
  t.teardown(() => closeSync(lock))
  // Such as the descriptor of a flock(1) around a client: Node marks only the first few as close-on-exec when it starts.
  const stdio: (number | 'ignore' | 'pipe')[] = Array.from({ length: 42 }, () => 'ignore')
  stdio[2] = 'pipe'
  stdio[4] = stdio[39] = stdio[41] = lock
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', `
    import { spawnGated } from '${library('system/spawn-gated.js')}'
    const child = await spawnGated(JSON.parse(process.argv[1]))
    await child.open()`, JSON.stringify(plan)], { env: bareEnv(), stdio, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const open = await until(() => readFileSync(plan.logFile, 'utf8').endsWith('end\n') && readFileSync(plan.logFile, 'utf8'), 'the list of descriptors')
  for (const fd of [39, 41]) t.match(open, new RegExp(`^${fd} /dev/null$`, 'm'))
  t.notMatch(open, join(folder, 'lock'))
})

t.test('without its keeper a server runs on, and that it has ended is still seen', async (t) => {
  const folder = tempFolder(t)
  const child = await spawn(t, planIn(folder, RUNS))
  await child.open()
  await until(() => existsSync(join(folder, 'ran')), 'the server')
  const { keeper } = child
  if (keeper === undefined) throw new Error('it has no keeper')
  t.equal(parentOf(child.id.pid), keeper.pid, 'who learns the exit code')
  process.kill(keeper.pid, 'SIGKILL')
  await until(() => parentOf(child.id.pid) !== keeper.pid, 'another parent')
  t.not(parentOf(child.id.pid), process.pid, 'a tool that ends the children of this process does not find it')
  t.equal(judge(child.id, lookAt(child.id.pid)), 'alive')
  process.kill(child.id.pid, 'SIGKILL')
  t.same(await exitOf(child), {}, 'no process saw how it ended')
})

t.test('a log that cannot be written is said before there is a process', async (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'log'))
  await t.rejects(spawnGated(planIn(folder, RUNS)), { code: 'STATE_UNUSABLE', message: `${folder}/log: the log of the server cannot be written: it is a folder (EISDIR)` })
})

t.test('a folder that is not there is said, and the log is not kept open', async (t) => {
  const folder = tempFolder(t)
  await t.rejects(spawnGated(planIn(folder, RUNS, [], { cwd: join(folder, 'missing') })), { code: 'COMMAND_NOT_FOUND' })
  t.notOk(existsSync(join(folder, 'ran')))
})

t.test('a program whose name begins with a dash is no option of the gate', async (t) => {
  const folder = tempFolder(t)
  symlinkSync('/bin/sh', join(folder, '-a'))
  const child = await spawn(t, planIn(folder, '', [], { program: join(folder, '-a'), args: ['-c', 'exit 3'] }))
  await child.open()
  t.same(await exitOf(child), { exitCode: 3 })
})

/** Sends a signal to whatever the gate starts below this process, as soon as it is there. */
const strike = (signal: NodeJS.Signals) => {
  const struck = new Set<number>()
  const childrenOf = (pid: number): number[] => allProcesses().filter(({ parent }) => parent === pid).map((seen) => seen.pid)
  const timer = setInterval(() => {
    try {
      for (const gate of childrenOf(process.pid).flatMap(childrenOf)) {
        if (struck.has(gate)) continue
        process.kill(gate, signal)
        struck.add(gate)
      }
    } catch {
      // It has ended between the listing and the look.
    }
  })
  return { struck, stop: () => { clearInterval(timer) } }
}

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  t.test(`a gate whose shell gets ${signal} as it begins is given up in time, and leaves nothing`, async (t) => {
    const folder = tempFolder(t)
    const { struck, stop } = strike(signal)
    t.teardown(stop)
    // A gate may be open and shut again before it is struck.
    for (let round = 0; round < 3 || struck.size === 0; round++) {
      const began = performance.now()
      const child = await spawnGated(planIn(folder, RUNS))
      await child?.close()
      within(t, performance.now() - began, 5000, 'it was not waited for for ever')
      if (child !== undefined) t.equal(judge(child.id, lookAt(child.id.pid)), 'dead')
    }
    t.notOk(existsSync(join(folder, 'ran')), 'and nothing has run')
  })
}

t.test('a gate that is frozen and may not be killed holds nobody up, and its timer throws nothing into the host', async (t) => {
  for (const code of ['EPERM', 'ESRCH', 'EINVAL']) {
    const folder = tempFolder(t)
    const { stdout, stderr, code: exit } = await runModule(t, `
      import { spawnGated } from '${library('system/spawn-gated.js')}'
      process.on('uncaughtException', ({ message }) => console.log('uncaught', message))
      const child = await spawnGated(${JSON.stringify(planIn(folder, RUNS))})
      const { kill } = process
      kill(child.id.pid, 'SIGSTOP')
      process.kill = (pid, signal) => {
        if (signal !== 'SIGKILL') return kill.call(process, pid, signal)
        throw Object.assign(new Error('kill'), { code: '${code}' })
      }
      // Whether it goes is not known here: where the kill is refused it stays, frozen.
      const closed = child.close().then(() => 'closed')
      const later = new Promise((resolve) => setTimeout(resolve, 3000, 'later'))
      console.log(await Promise.race([closed, later]))
      kill(child.id.pid, 'SIGKILL')
      console.log(await closed)
      process.exit()`)
    t.same([stdout, exit], [`${code === 'ESRCH' ? 'later' : 'closed'}\nclosed\n`, 0], `${code}: ${stderr}`)
    t.notOk(existsSync(join(folder, 'ran')))
  }
})
