/**
 * Windows' answers. What PowerShell and taskkill say comes from stand-ins; the gate and the watchdog are Node programs,
 * and run here as they run there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, closeSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { windows, windowsLaunching, windowsPrograms } from '../../../lib/system/platform/windows.js'
import type { Invocation, Run, WatchdogOrder } from '../../../lib/system/platform/platform.js'
import { bareEnv, start } from '../../support/child.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'

/** 2025-11-01 09:05:07.0000001 UTC, in 100 ns since 1601. */
const FILETIME = '134064615070000001'

/** Answers each program, and keeps what was run. */
const answering = (answer: string | Error) => {
  const ran: string[][] = []
  const run: Run = async (program, args) => {
    ran.push([program, ...args])
    if (answer instanceof Error) throw answer
    return answer
  }
  return { ran, ...windows(run) }
}

t.test('a process is known by the time at which it was created', async (t) => {
  const { look, startedAt, groupOf, ran } = answering(`${FILETIME}\r\n`)
  t.same(look(process.pid), { state: 'running', start: FILETIME, isThread: false })
  t.match(ran, [['powershell.exe', '-NoProfile', '-NonInteractive', '-Command', new RegExp(`ProcessId=${process.pid}'`)]])
  t.equal(startedAt(FILETIME), Date.UTC(2025, 10, 1, 9, 5, 7))
  t.equal(groupOf(process.pid), process.pid, 'there are no groups')
})

t.test('a process that PowerShell says nothing about is hidden, and one that is gone costs no PowerShell', async (t) => {
  for (const answer of ['', 'Get-CimInstance : Access denied', new Error('spawnSync powershell.exe ENOENT')]) {
    t.same(answering(answer).look(process.pid), { state: 'hidden' }, String(answer))
  }
  const child = start(t, process.execPath, ['-e', ''])
  await once(child, 'exit')
  const { look, ran } = answering(FILETIME)
  t.same(look(child.pid!), { state: 'gone' })
  t.same(ran, [])
})

t.test('a launch is its leader, as long as that is the same process', async (t) => {
  const { kin } = answering(FILETIME)
  const leader = { pid: process.pid, start: FILETIME, group: process.pid }
  t.same(kin(leader, 'abc'), [{ pid: process.pid, start: FILETIME, inGroup: true, carriesLaunchId: true }])
  t.same(kin({ ...leader, start: '134064615070000002' }, 'abc'), [])
})

t.test('a group is signalled by ending the tree of its leader', async (t) => {
  const { signalGroup, ran } = answering('SUCCESS')
  t.equal(signalGroup(512, 'SIGTERM'), true)
  t.same(ran, [['taskkill', '/pid', '512', '/T', '/F']])
  t.equal(answering(new Error('Command failed: taskkill')).signalGroup(512, 'SIGTERM'), false)
})

t.test('PATH is found however it is written, and a program by what may follow its name', async (t) => {
  t.equal(windowsPrograms.pathIn({ A: '1', Path: 'C:\\x' }), 'C:\\x')
  t.equal(windowsPrograms.pathIn({ A: '1' }), undefined)
  t.same(windowsPrograms.extensions, ['', '.exe', '.com'])
})

const spawned = (t: Test, { program, args, env }: Invocation, stdio: ('pipe' | 'ignore' | number)[]) => {
  const child = spawn(program, args, { env, stdio })
  const gone = once(child, 'exit')
  t.teardown(async () => { child.kill('SIGKILL'); await gone })
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { out += text })
  return { child, gone, said: (text: string) => until(() => out.includes(text) && out, text) }
}

const behindGate = async (t: Test) => {
  const folder = tempFolder(t)
  const log = openSync(join(folder, 'log'), 'a')
  const text = "fs.writeFileSync('ran', ''); console.log(JSON.stringify(process.argv.slice(1))); console.error('wrong'); process.exit(7)"
  const args = ['-e', `process.chdir(process.env.FOLDER); ${text}`, '--', 'a b', '"q"', '']
  const plan = { program: process.execPath, args, env: { ...bareEnv(), FOLDER: folder }, gateFile: join(folder, 'gate') }
  const gate = spawned(t, windowsLaunching.gate(plan), ['pipe', 'pipe', 'ignore', log])
  closeSync(log)
  await gate.said(`pid ${gate.child.pid}\n`)
  return { ...gate, has: (name: string) => existsSync(join(folder, name)), log: () => readFileSync(join(folder, 'log'), 'utf8') }
}

t.test('the gate runs the server once a line comes, with its words and its log, and says how it exited', async (t) => {
  const { child, said, gone, has, log } = await behindGate(t)
  t.notOk(has('ran'))
  t.notOk(has('gate'))
  child.stdin!.write('\n')
  await said('exit 7\n')
  t.same(await gone, [7, null])
  t.ok(has('gate'))
  t.equal(log(), '["a b","\\"q\\"",""]\nwrong\n')
})

t.test('the gate ends without having run anything when its pipe does', async (t) => {
  const { child, gone, has } = await behindGate(t)
  child.stdin!.end()
  t.same(await gone, [0, null])
  t.notOk(has('ran'))
  t.notOk(has('gate'))
})

const aWatchdog = async (t: Test, idle: number) => {
  const folder = tempFolder(t)
  const reaped = join(folder, 'reaped')
  const names = ['one.abc.7.5.lease', 'one.abc.9.6.watch', 'two.abc.7.5.lease', 'one.abcd.7.5.lease', 'abc.7.5.7.claim']
  for (const name of names) writeFileSync(join(folder, name), '')
  // As lib/reaper.ts reads them.
  const write = `require('node:fs').writeFileSync(${JSON.stringify(reaped)}, pidFile + ' ' + launch)`
  const reaper = `const [, pidFile, launch] = process.argv; ${write}`
  const order: WatchdogOrder = { folder, lease: 'one', launchId: 'abc', leader: { pid: 7, start: '5' }, pidFile: "/a b/it's.pid", idle, attempt: 60, again: 1, reaper }
  const { child, gone, said } = spawned(t, windowsLaunching.watchdog(order), ['ignore', 'pipe', 'ignore', 'pipe'])
  await said(`pid ${child.pid}\n`)
  return { pipe: child.stdio[3] as NodeJS.WritableStream, gone, reaped, folder }
}

t.test('the watchdog whose pipe ends waits, removes the files of its lease, and runs the reaper on its launch', async (t) => {
  const { pipe, gone, reaped, folder } = await aWatchdog(t, 0.2)
  const began = performance.now()
  pipe.end()
  t.same(await gone, [0, null])
  t.ok(performance.now() - began >= 190, 'not before')
  t.equal(readFileSync(reaped, 'utf8'), "/a b/it's.pid abc")
  t.same(readdirSync(folder).toSorted(), ['abc.7.5.7.claim', 'one.abcd.7.5.lease', 'reaped', 'two.abc.7.5.lease'])
})

t.test('the watchdog that is dismissed ends at once and touches nothing', async (t) => {
  const { pipe, gone, reaped, folder } = await aWatchdog(t, 600)
  pipe.end('dismissed\n')
  t.same(await gone, [0, null])
  t.notOk(existsSync(reaped))
  t.equal(readdirSync(folder).length, 5)
})
