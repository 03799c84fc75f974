/**
 * Windows' answers, over stand-ins (support/windows.ts); the gate and the watchdog are Node programs, and run here as they run there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, closeSync, mkdirSync, readdirSync, readFileSync, utimesSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { windows } from '../../../lib/system/platform/windows.js'
import { identities } from '../../../lib/system/platform/windows-identity.js'
import { windowsLaunching } from '../../../lib/system/platform/windows-launching.js'
import type { Invocation, Run, WatchdogOrder } from '../../../lib/system/platform/platform.js'
import { reaperSource } from '../../../lib/system/reaper-source.js'
import { bareEnv, library, start } from '../../support/child.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'
import { AS_WINDOWS, aWindows, program } from '../../support/windows.js'

/** Runs text with the platform as `here`, and reads the JSON that it prints. */
const answer = async (t: Test, text: string, env: Record<string, string> = {}, at = aWindows(t)): Promise<unknown> => {
  const imports = `import { windows } from ${JSON.stringify(library('system/platform/windows.js'))}
    import { identities } from ${JSON.stringify(library('system/platform/windows-identity.js'))}
    import { Worker } from 'node:worker_threads'; import * as fs from 'node:fs'
    const here = windows(() => { throw new Error('nothing may be run') }); const say = (value) => console.log(JSON.stringify(value))\n`
  const { stdout, stderr } = await at.runs(imports + text, env)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

t.test('a process is known by the file that it holds, by each other process and without a question', async (t) => {
  const at = aWindows(t)
  const seen = await answer(t, `
    const { pid, start } = await here.self()
    const before = Date.now() - here.startedAt(start)
    say({ pid: pid === process.pid, look: here.look(pid).start === start, before: before > -2 && before < 60_000, kin: here.kin({ pid, start }).length,
      other: here.kin({ pid, start: '5' }).length })`, {}, at)
  t.same(seen, { pid: true, look: true, before: true, kin: 1, other: 0 })
  t.same(at.questions(), [])
})

t.test('a process that has ended is gone, though a power failure left its file; a stranger with its number is not the same process', async (t) => {
  const at = aWindows(t)
  const [pid, start] = (await answer(t, "const { pid, start } = await here.self(); say([pid, start])", {}, at)) as [number, string]
  t.same(at.identities(), [`${pid}.${start}`], 'the stand-in deletes nothing, as a power failure does not')
  t.same(await answer(t, `say(here.look(${pid}))`, {}, at), { state: 'gone' })
  const left = `fs.mkdirSync(identities(), { recursive: true }); fs.writeFileSync(identities() + '/' + process.ppid + '.77', '')`
  t.same(await answer(t, `${left}; say([here.look(process.ppid).start, here.kin({ pid: process.ppid, start: '77' }).length])`, {}, at), ['0', 0])
})

t.test('what a power failure left goes when the next process makes itself known, and what is held stays', async (t) => {
  const at = aWindows(t)
  const gone = start(t, process.execPath, ['-e', ''])
  await once(gone, 'exit')
  const seen = await answer(t, `
    const first = await here.self()
    for (const name of ['${gone.pid}.1', process.pid + '.2', 'noise']) fs.writeFileSync(identities() + '/' + name, '')
    const second = await here.self()
    say([first, second].map(({ pid, start }) => pid + '.' + start).sort())`, {}, at)
  t.same(at.identities().toSorted(), seen)
})

t.test('each thread and each copy has an identity, all of them name one process, and that of a thread ends with it', async (t) => {
  const seen = await answer(t, `
    const own = (await Promise.all(Array.from({ length: 20 }, () => here.self()))).map(({ start }) => start)
    const look = here.look(process.pid)
    say([new Set(own).size, [look.start, ...look.also].sort().join() === own.sort().join(), own.every((start) => here.kin({ pid: process.pid, start }).length === 1)])`)
  t.same(seen, [20, true, true])
  const afterThread = await answer(t, `
    const text = "const { windows } = await import('${library('system/platform/windows.js')}'); process.getBuiltinModule('node:worker_threads').parentPort.postMessage((await windows().self()).start); setInterval(() => {}, 1000)"
    const thread = new Worker(new URL('data:text/javascript,' + encodeURIComponent(text)), { execArgv: process.execArgv.slice(0, 2) })
    const start = await new Promise((resolve) => thread.once('message', resolve).once('error', resolve))
    const whileIt = here.kin({ pid: process.pid, start }).length
    await thread.terminate()
    const own = (await here.self()).start
    say([whileIt, here.kin({ pid: process.pid, start }).length, here.kin({ pid: process.pid, start: own }).length])`)
  t.same(afterThread, [1, 0, 1], 'while the thread lives, after it, and the other')
})

t.test('a clock that is set changes nothing about a process that was known before', async (t) => {
  t.same(await answer(t, `
    const { pid, start } = await here.self(); const host = here.host()
    const now = Date.now; Date.now = () => now() + 3_600_000
    say([here.look(pid).start === start, here.host() === host])`), [true, true])
})

t.test('a folder that cannot be written is STATE_UNUSABLE at once, and so is a user without a profile', async (t) => {
  const at = aWindows(t)
  const failed = "try { await here.self(); say('known') } catch ({ code, message, hint }) { say([code, message, hint]) }"
  writeFileSync(join(at.root, '..', '.one-server'), '')
  t.match(await answer(t, failed, {}, at), ['STATE_UNUSABLE', /one-server.processes.*this process cannot be made known there/, /Make the folder writable/])
  t.match(await answer(t, `import os from 'node:os'; os.userInfo = () => { throw new Error('no profile') }; (await import('node:module')).syncBuiltinESMExports(); ${failed}`),
    ['STATE_UNUSABLE', /profile folder of this user: Windows does not name it/, /service account/])
})

t.test('a file that a scanner keeps shut for a moment is looked at again; for longer, nothing is known of its process', async (t) => {
  const refusing = (count: number) => ({ REFUSE: `openSync:.7:${count}` })
  const look = `fs.mkdirSync(identities(), { recursive: true }); fs.writeFileSync(identities() + '/' + process.pid + '.7', ''); say(await here.look(process.pid))`
  t.match(await answer(t, look.replace("'', '')", "'')"), refusing(4)), { state: 'running', start: '0' })
  t.same(await answer(t, look, refusing(1000)), { state: 'hidden' })
})

t.test('two machines that share a home have two names, also where only other characters differ', async (t) => {
  const hosts = await answer(t, `
    import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module'
    say(['PC-1', 'pc1', 'pc_1', 'Büro', 'b_fcro'].map((name) => { os.hostname = () => name; syncBuiltinESMExports(); return here.host() }))`)
  t.same(hosts, ['pc_2d1', 'pc1', 'pc_5f1', 'b_fcro', 'b_5ffcro'])
})

t.test('to kill a group ends the tree of its leader by one question, and to ask it to end is its own gate\'s part', async (t) => {
  const ran: string[][] = []
  const run: Run = async (file, args) => { ran.push([file, ...args]); return '' }
  const { signalGroup } = windows(run)
  t.equal(await signalGroup(512, 'SIGTERM'), true)
  t.equal(await signalGroup(512, 'SIGCONT'), true)
  t.same(ran, [])
  t.equal(await signalGroup(512, 'SIGKILL'), true)
  t.match(ran, [[/System32.taskkill\.exe$/, '/pid', '512', '/T', '/F']])
})

t.test('where taskkill cannot be run, the leader is ended all the same', async (t) => {
  const child = start(t, process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const gone = once(child, 'exit')
  t.equal(await windows(async () => { throw new Error('spawn ENOENT') }).signalGroup(child.pid!, 'SIGKILL'), true)
  t.same(await gone, [null, 'SIGKILL'])
})

/** The texts of the gate and of the watchdog name the folder of this user, which is one of the test here. */
const userOf = (t: Test): string => {
  const os = process.getBuiltinModule('node:os') as { userInfo: unknown }
  const { userInfo } = os
  const homedir = tempFolder(t)
  os.userInfo = () => ({ homedir })
  t.teardown(() => { os.userInfo = userInfo })
  return homedir
}

const spawned = (t: Test, { program, args, env }: Invocation, stdio: ('pipe' | 'ignore' | number)[], cwd = tempFolder(t)) => {
  const child = spawn(program, args, { env, stdio, cwd })
  const gone = once(child, 'exit')
  t.teardown(async () => { child.kill('SIGKILL'); await gone })
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { out += text })
  return { child, gone, out: () => out, said: (text: string) => until(() => out.includes(text) && out, text) }
}

const holds = (pid: number, variable: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(variable)
  } catch {
    return false
  }
}

interface Behind {
  readonly text?: string
  readonly file?: string
  readonly env?: Record<string, string>
  readonly at?: ReturnType<typeof aWindows>
}

/** A gate with a server behind it, with the variables of `at` where it asks a program of Windows. */
const behindGate = async (t: Test, { text, file = process.execPath, env = {}, at = aWindows(t) }: Behind = {}) => {
  userOf(t)
  const before = process.env['SystemRoot']
  process.env['SystemRoot'] = at.root
  const folder = tempFolder(t)
  const log = openSync(join(folder, 'log'), 'a')
  const plain = "fs.writeFileSync('ran', ''); console.log(JSON.stringify(process.argv.slice(1))); console.error('wrong'); process.exit(7)"
  const args = ['-e', `process.chdir(process.env.FOLDER); ${text ?? plain}`, '--', 'a b', '"q"', '']
  const plan = { program: file, args, env: { ...bareEnv(), FOLDER: folder, ...env }, gateFile: join(folder, 'abc.gate') }
  // A gate that is killed leaves its server behind here, where it has no job that ends with it.
  t.teardown(() => {
    for (const pid of readdirSync('/proc').map(Number).filter((pid) => pid > 0 && holds(pid, `FOLDER=${folder}`))) process.kill(pid, 'SIGKILL')
  })
  const gate = spawned(t, windowsLaunching.gate(plan), ['pipe', 'pipe', 'ignore', log])
  if (before === undefined) delete process.env['SystemRoot']
  else process.env['SystemRoot'] = before
  closeSync(log)
  await gate.said(`pid ${gate.child.pid}\n`)
  const path = (name: string): string => join(folder, name)
  return { ...gate, at, path, has: (name: string) => existsSync(path(name)), log: () => readFileSync(path('log'), 'utf8') }
}

t.test('the gate runs the server once a line comes, with its words and its log, and says how it exited', async (t) => {
  const { child, said, gone, has, log } = await behindGate(t)
  t.notOk(has('ran'))
  t.notOk(has('abc.gate'))
  child.stdin!.write('\n')
  await said('exit 7\n')
  t.same(await gone, [7, null])
  t.ok(has('abc.gate'))
  t.equal(log(), '["a b","\\"q\\"",""]\nwrong\n')
})

t.test('the gate ends without having run anything when its pipe does', async (t) => {
  const { child, gone, has } = await behindGate(t)
  child.stdin!.end()
  t.same(await gone, [0, null])
  t.notOk(has('ran'))
  t.notOk(has('abc.gate'))
})

t.test('the gate is known by its file as long as it lives', async (t) => {
  const { child, gone } = await behindGate(t)
  const held = () => readdirSync(identities()).filter((name) => name.startsWith(`${child.pid}.`))
  t.match(held(), [new RegExp(`^${child.pid}\\.\\d{18}$`)])
  child.stdin!.end()
  await gone
})

t.test('a gate that cannot be known to others says why, and runs nothing', async (t) => {
  writeFileSync(join(userOf(t), '.one-server'), '')
  const plan = { program: process.execPath, args: [], env: bareEnv(), gateFile: '/none/abc.gate' }
  const { gone, said } = spawned(t, windowsLaunching.gate(plan), ['pipe', 'pipe', 'ignore', 'ignore'])
  t.match(await said('failed '), /^failed E\w+: .*\.one-server/)
  t.same(await gone, [1, null])
})

t.test('a server that cannot be run leaves its reason in the log and exit code 127, however the spawn fails', async (t) => {
  for (const [file, expected] of [['/none/server.exe', /\/none\/server\.exe cannot be run: spawn \S+ ENOENT/], ['/non\0e', /cannot be run: .*null bytes/]] as const) {
    // A command line has no NUL, so the gate gets this one by a change of its text.
    const { child, said, gone, log } = await behindGate(t, { file: file.includes('\0') ? '/NUL' : file, env: file.includes('\0') ? { NODE_OPTIONS: '' } : {} })
    child.stdin!.write('\n')
    await said('exit 127\n')
    t.same(await gone, [127, null])
    t.match(log(), file.includes('\0') ? /one-server: \/NUL cannot be run/ : expected)
  }
})

t.test('inside Electron the gate is a Node, and its server is what it would be without a gate', async (t) => {
  const order = await answer(t, `
    const { windowsLaunching } = await import('${library('system/platform/windows-launching.js')}')
    Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: '1' } })
    say([{}, { ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '--x' }].map((env) => {
      const gate = windowsLaunching.gate({ program: 'code.exe', args: [], env, gateFile: '/x/abc.gate' })
      return [gate.env.ELECTRON_RUN_AS_NODE, gate.env.NODE_OPTIONS ?? null, JSON.parse(gate.args[2]).hidden]
    }))`)
  t.same(order, [
    ['1', null, { NODE_OPTIONS: null, ELECTRON_RUN_AS_NODE: null }],
    ['1', null, { NODE_OPTIONS: '--x', ELECTRON_RUN_AS_NODE: '1' }],
  ])
})

t.test("the server's stdin stays open and silent", async (t) => {
  const { child, said, has, log } = await behindGate(t, { text: "process.stdin.on('end', () => console.log('ended')).resume(); setTimeout(() => { fs.writeFileSync('ran', ''); process.exit(3) }, 300)" })
  child.stdin!.write('\n')
  await said('exit 3\n')
  t.ok(has('ran'))
  t.equal(log(), '')
})

t.test('variables that are for the server alone do not change the gate', async (t) => {
  const { child, said, log } = await behindGate(t, {
    text: 'console.log(process.env.NODE_OPTIONS, process.env.MINE); process.exit(4)', env: { NODE_OPTIONS: '--require=/none/preload.js', MINE: 'yes' },
  })
  t.pass('the gate has said its PID')
  child.stdin!.write('\n')
  await said('exit 1\n')
  t.match(log(), /Cannot find module '\/none\/preload\.js'/, 'only the server has the preload')
})

const LASTS = "setInterval(() => {}, 1000); fs.writeFileSync('ran', '')"

t.test('when its launch is marked as ended, the gate asks its server to end by one question of its own', async (t) => {
  const { child, said, gone, has, path, at, log } = await behindGate(t, { text: `${LASTS}; process.on('SIGTERM', () => { console.log('asked'); process.exit(5) })` })
  child.stdin!.write('\n')
  await until(() => has('ran'), 'the server to run')
  writeFileSync(path('abc.ended'), '')
  await said('exit 5\n')
  t.same(await gone, [5, null])
  t.equal(log(), 'asked\n')
  t.same(at.questions(), ['powershell.exe -NoProfile -NonInteractive'])
})

t.test('a mark that is older than the open gate counts as well', async (t) => {
  // It writes nothing into the folder that the gate watches.
  const { child, gone, path, at } = await behindGate(t, { text: 'setInterval(() => {}, 1000)' })
  writeFileSync(path('abc.ended'), '')
  child.stdin!.write('\n')
  await gone
  t.same(at.questions(), ['powershell.exe -NoProfile -NonInteractive'])
})

t.test('a PowerShell that ends without having asked counts as none, whatever its exit code says', async (t) => {
  for (const code of [0, 1, 255]) {
    const at = aWindows(t)
    program(join(at.root, 'System32', 'WindowsPowerShell', 'v1.0', 'powershell.exe'), `exit ${code}\n`)
    const { child, gone, has, path } = await behindGate(t, { text: LASTS, at })
    child.stdin!.write('\n')
    await until(() => has('ran'), 'the server to run')
    writeFileSync(path('abc.ended'), '')
    t.same(await gone, [1, null])
    t.match(at.questions(), [/^taskkill.exe/])
  }
})

t.test('where nothing can ask it, the gate ends its server at once, by taskkill or without', async (t) => {
  for (const canKill of [true, false]) {
    const at = aWindows(t, { canAsk: false })
    const { child, gone, has, path } = await behindGate(t, { text: LASTS, at })
    if (!canKill) program(join(at.root, 'System32', 'taskkill.exe'), '#!/none\n')
    child.stdin!.write('\n')
    await until(() => has('ran'), 'the server to run')
    writeFileSync(path('abc.ended'), '')
    t.same(await gone, [1, null])
    t.match(at.questions(), canKill ? [/^taskkill.exe \/pid \d+$/] : [])
  }
})

t.test('a batch file runs by cmd.exe, with each word as it was given', async (t) => {
  const at = aWindows(t)
  const words = ['a b', '"q"', 'C:\\x\\', '', '100%', '&calc', '^', '!x!', 'a"&b', '\\"', '(x)', '<>|', "it's", '*?']
  const before = process.env['ComSpec']
  process.env['ComSpec'] = at.env['ComSpec']
  t.teardown(() => { if (before === undefined) delete process.env['ComSpec']; else process.env['ComSpec'] = before })
  const { windowsPrograms } = await import('../../../lib/system/platform/windows-programs.js')
  for (const passedOn of [true, false]) {
    const show = `'${process.execPath}' -e 'console.log(JSON.stringify(process.argv.slice(1)))' -- "$@" ${passedOn ? '# %*' : ''}`
    const { program: file, args, verbatim } = windowsPrograms.invoke(program(join(at.root, 'bin', 'show.cmd'), show), words)
    t.equal(verbatim, true)
    const { stdout, stderr } = await import('../../support/child.js').then(({ run }) => run(t, file, args))
    t.same(stdout === '' ? stderr : JSON.parse(stdout), words)
  }
})

t.test('a program is found by what may follow its name, never as a script without an extension', async (t) => {
  const { windowsPrograms: { filesOf, pathIn, whyNot } } = await import('../../../lib/system/platform/windows-programs.js')
  t.equal(pathIn({ A: '1', Path: 'C:\\x' }), 'C:\\x')
  t.equal(pathIn({ Path: 'C:\\inherited', PATH: 'C:\\own' }), 'C:\\own', 'the one that Node gives to a child')
  t.equal(pathIn({ A: '1' }), undefined)
  t.equal(pathIn({ PATH: '"/a b"::/c:' }), '/a b:/c', 'without quotes, and without the working folder')
  t.same(filesOf('npm', {}), ['npm.com', 'npm.exe', 'npm.bat', 'npm.cmd'])
  t.same(filesOf('npm', { PathExt: '.CMD;.EXE;.JS;.PS1' }), ['npm.cmd', 'npm.exe'])
  t.same(filesOf('Node.EXE', {})[0], 'Node.EXE')
  for (const [file, hint] of [['vite', 'node vite'], ['x.mjs', 'node x.mjs'], ['x.ps1', 'powershell'], ['x.py', 'python x.py'], ['x.ts', 'npx tsx x.ts']] as const) {
    t.match(whyNot(file, []), { why: /it is a script/, hint: new RegExp(hint) }, file)
  }
  t.match(whyNot('npm.cmd', ['a\nb']), { why: /would cut the word "a\\nb" at its line break/ })
  t.equal(whyNot('npm.cmd', ['a']), undefined)
  t.equal(whyNot('node.exe', ['a\nb']), undefined)
})

const aWatchdog = async (
  t: Test, idle: number, { reaper, others = [], nodeArgs = [] }: { reaper?: string; others?: string[]; nodeArgs?: readonly string[] } = {},
) => {
  const home = userOf(t)
  const folder = tempFolder(t)
  const reaped = join(folder, 'reaped')
  const names = ['one.abc.7.5.lease', 'one.abc.9.6.watch', 'two.abc.7.5.lease', 'one.abcd.7.5.lease', 'abc.7.5.7.claim', ...others]
  for (const name of names) writeFileSync(join(folder, name), '')
  // As lib/reaper.ts reads them.
  const text = `const [, pidFile, launch] = process.argv; require('node:fs').appendFileSync(${JSON.stringify(reaped)}, pidFile + ' ' + launch + '\\n')`
  const order: WatchdogOrder = {
    folder, lease: 'one', launchId: 'abc', leader: { pid: 7, start: '5' }, pidFile: "/a b/it's.pid", idle, attempt: 60, again: 0.01, reaper: reaper ?? `/*${'-'.repeat(100_000)}*/${text}`,
  }
  const { program, args, env } = windowsLaunching.watchdog(order)
  const invocation = { program, args: [...nodeArgs, ...args], env: { ...env, WINDOWS_HOME: home } }
  const { child, gone, said } = spawned(t, invocation, ['ignore', 'pipe', 'ignore', 'pipe'])
  await said(`pid ${child.pid}\n`)
  return { pid: child.pid!, pipe: child.stdio[3] as NodeJS.WritableStream, gone, reaped, folder, home }
}

t.test('the watchdog whose pipe ends waits, removes the files of its lease, and runs a reaper of any length on its launch', async (t) => {
  const { pipe, gone, reaped, folder } = await aWatchdog(t, 0.2)
  const began = performance.now()
  pipe.end()
  t.same(await gone, [0, null])
  t.ok(performance.now() - began >= 190, 'not before')
  t.equal(readFileSync(reaped, 'utf8'), "/a b/it's.pid abc\n")
  t.same(readdirSync(folder).toSorted(), ['abc.7.5.7.claim', 'one.abcd.7.5.lease', 'reaped', 'two.abc.7.5.lease'])
})

t.test('no variable of a watchdog is longer than Windows allows, and none carries a mark of a runner', async (t) => {
  userOf(t)
  process.env['RUNNER_TRACKING_ID'] = 'github_1'
  t.teardown(() => { delete process.env['RUNNER_TRACKING_ID'] })
  const order = { folder: 'f', lease: 'l', launchId: 'abc', leader: { pid: 7, start: '5' }, pidFile: 'p', idle: 1, attempt: 1, again: 1, reaper: reaperSource }
  const { env, args } = windowsLaunching.watchdog(order)
  const parts = Object.entries(env).filter(([name]) => name.startsWith('ONE_SERVER_REAPER_'))
  t.equal(parts.map(([, part]) => part).join(''), reaperSource)
  for (const [name, value = ''] of Object.entries(env)) t.ok(name.length + value.length < 32_767, name)
  t.ok(args.join(' ').length < 32_767)
  t.notOk('RUNNER_TRACKING_ID' in env)
})

t.test('the watchdog shows by its file since when it waits', async (t) => {
  const { pipe, folder } = await aWatchdog(t, 600)
  const file = join(folder, 'one.abc.9.6.watch')
  utimesSync(file, 1, 1)
  pipe.end()
  await until(() => statSync(file).mtimeMs > 1e6, 'the watchdog to touch its file')
})

t.test('the watchdog that is dismissed ends at once and touches nothing', async (t) => {
  const { pipe, gone, reaped, folder } = await aWatchdog(t, 600)
  pipe.end('dismissed\n')
  t.same(await gone, [0, null])
  t.notOk(existsSync(reaped))
  t.equal(readdirSync(folder).length, 5)
})

t.test('a reaper that fails is run again, and one without a claim or over a pin is not run', async (t) => {
  const failing = `const fs = require('node:fs'); fs.appendFileSync(process.argv[1] + '.runs', 'x'); process.exitCode = fs.readFileSync(process.argv[1] + '.runs').length < 3 ? 1 : 0`
  const runs = join(tempFolder(t), 'p')
  const { pipe, gone } = await aWatchdog(t, 0, { reaper: `process.argv[1] = ${JSON.stringify(runs)}; ${failing}` })
  pipe.end()
  await gone
  t.equal(readFileSync(`${runs}.runs`, 'utf8'), 'xxx')
  const pinned = await aWatchdog(t, 0, { others: ['abc.pin'] })
  pinned.pipe.end()
  t.same(await pinned.gone, [0, null])
  t.notOk(existsSync(pinned.reaped))
})

t.test('a watchdog leaves a launch to another holder or watchdog that lives, and looks at no file of another launch', async (t) => {
  for (const [kind, launch, isLeft] of [['lease', 'abc', true], ['watch', 'abc', true], ['lease', 'abcd', false], ['claim', 'abc', false]] as const) {
    const others = [`two.${launch}.${process.pid}.77.${kind}`]
    const { pipe, gone, reaped, home } = await aWatchdog(t, 0, { others, nodeArgs: AS_WINDOWS })
    const held = openSync(join(identities(), `${process.pid}.77`), 'wx')
    t.teardown(() => closeSync(held))
    t.ok(held > 2 && home !== '')
    pipe.end()
    t.same(await gone, [0, null])
    t.equal(existsSync(reaped), !isLeft, `${kind} of ${launch}`)
  }
})

t.test('a watchdog is seen to be one by what it holds, and by nothing that is written elsewhere', async (t) => {
  const at = aWindows(t)
  mkdirSync(join(at.root, 'x'))
  const text = `
    import { windowsLaunching } from ${JSON.stringify(library('system/platform/windows-launching.js'))}
    const { pid, start } = await here.self()
    const named = identities() + '/' + pid + '.1.abc'
    const before = windowsLaunching.isWatchdog(pid, 'abc')
    fs.writeFileSync(named, '')
    const forged = windowsLaunching.isWatchdog(pid, 'abc')
    fs.openSync(named, 'r+')
    say([before, forged, windowsLaunching.isWatchdog(pid, 'abc'), windowsLaunching.isWatchdog(pid, 'abcd')])`
  t.same(await answer(t, text, {}, at), [false, false, true, false])
})
