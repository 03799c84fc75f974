/**
 * macOS' answers, over real processes of the POSIX system that runs this: a ps that takes the BSDs' options stands in
 * for theirs. What only a Mac prints is given as text.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { macos, macosLaunching, macosSurroundings } from '../../../lib/system/platform/macos.js'
import type { Run } from '../../../lib/system/platform/platform.js'
import { bareEnv, start } from '../../support/child.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'

const LAUNCH = randomBytes(8).toString('hex')

/** `ps -E` shows environments on macOS, which the ps of procps calls `ps e`. */
const STAND_IN = `#!/bin/sh
for word; do shift; case $word in -E) set -- "$@" e;; *) set -- "$@" "$word";; esac; done
exec ps "$@"
`

const withPs =
  spawnSync('ps', ['-A', '-o', 'pid=', '-o', 'pgid=', '-o', 'stat=', '-o', 'lstart=']).status === 0
    ? {} : { skip: 'the ps of this system does not know these columns' }

const here = (t: Test): ReturnType<typeof macos> => {
  const ps = join(tempFolder(t), 'ps')
  writeFileSync(ps, STAND_IN, { mode: 0o755 })
  return macos((program, args, env = process.env) => {
    t.equal(program, '/bin/ps')
    return promisify(execFile)(ps, args, { encoding: 'utf8', env, maxBuffer: Infinity }).then(({ stdout }) => stdout)
  }, 'darwin')
}

/** What a Mac's ps has printed of this process. */
const printing = (text: string) => macos(async () => text, 'darwin')

const fails: Run = async () => { throw Object.assign(new Error('spawn /bin/ps EPERM'), { code: 'EPERM' }) }

/**
 * A shell that prints as many PIDs as `lines`, one a line, and becomes a program that waits for none of them. The first of them is made
 * a zombie: before the exec the shell might wait for it after all.
 */
const shell = async (t: Test, text: string, lines: number) => {
  const env = { ...bareEnv(), ONE_SERVER_LAUNCH_ID: LAUNCH }
  const args = ['-c', `sleep 600 & echo $!; ${text} exec sleep 601`]
  const child = start(t, '/bin/sh', args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true, env })
  t.teardown(() => { try { process.kill(-child.pid!, 'SIGKILL') } catch {} })
  let out = ''
  child.stdout!.setEncoding('utf8')
  while (out.split('\n').length <= lines) out += (await once(child.stdout!, 'data'))[0]
  const pids = out.trim().split('\n').map(Number)
  await until(() => execFileSync('ps', ['-o', 'args=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('sleep'), 'the exec')
  process.kill(pids[0]!, 'SIGKILL')
  return { child, pids }
}

t.test('a process runs, is stopped, is a zombie, and is gone', withPs, async (t) => {
  const { look, startedAt, groupOf } = here(t)
  const before = Date.now()
  const { child, pids: [zombie] } = await shell(t, '', 1)
  const pid = child.pid!
  const seen = await look(pid)
  t.match(seen, { state: 'running', start: /^\d{10}$/, isThread: false })
  t.ok(Math.abs(startedAt('start' in seen ? seen.start : '')! - before) < 3000, 'seconds since 1970, whatever the time zone')
  t.equal(await groupOf(pid), pid)
  t.equal(await groupOf(zombie!), pid)
  await until(async () => (await look(zombie!)).state === 'zombie', 'the zombie')
  child.kill('SIGSTOP')
  await until(async () => (await look(pid)).state === 'stopped', 'the stop')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.same(await look(pid), { state: 'gone' })
  t.equal(await groupOf(pid), undefined)
})

t.test('the processes of a launch are the live ones of its group, with or without its id, and a signal reaches all', withPs, async (t) => {
  const { look, kin, signalGroup } = here(t)
  const { child, pids: [zombie, inside, bare] } = await shell(t, 'sleep 602 & echo $!; env -i sleep 603 & echo $!;', 3)
  const group = child.pid!
  await until(async () => (await look(zombie!)).state === 'zombie', 'the zombie')
  const seen = await look(group)
  const leader = { pid: group, start: 'start' in seen ? seen.start : '', group }
  const found = await until(async () => {
    const all = await kin(leader, LAUNCH)
    return all.find(({ pid }) => pid === bare)?.carriesLaunchId === false ? all : undefined
  }, 'the environment to be emptied')
  t.same(
    new Map(found.map(({ pid, inGroup, carriesLaunchId }) => [pid, [inGroup, carriesLaunchId]])),
    new Map([[group, [true, true]], [inside, [true, true]], [bare, [true, false]]]),
  )
  t.equal(found.find(({ pid }) => pid === group)?.start, leader.start)
  t.equal(await signalGroup(group, 'SIGKILL'), true)
  await until(async () => (await kin(leader, LAUNCH)).length === 0, 'the group to end')
  await until(async () => (await look(group)).state === 'gone', 'its leader to be waited for')
})

t.test("what Apple's ps prints is read: padded columns, more than one letter of state, a blank header", async (t) => {
  const line = (state: string) =>
    `\n${String(process.pid).padStart(7)} ${'412'.padStart(6)} ${state.padEnd(5)} Sat Nov  1 09:05:07 2025    \n`
  for (const state of ['S', 'Ss', 'R+', 'U', 'SN', 'I<', '?E']) {
    t.same(await printing(line(state)).look(process.pid), { state: 'running', start: '1761987907', isThread: false }, state)
  }
  t.match(await printing(line('T+')).look(process.pid), { state: 'stopped' })
  t.match(await printing(line('Z')).look(process.pid), { state: 'zombie' })
  t.equal(await printing(line('S')).groupOf(process.pid), 412)
  t.equal(printing(line('S')).startedAt('1761987907'), Date.UTC(2025, 10, 1, 9, 5, 7))
})

t.test('where ps cannot be run, or says nothing that can be read, a process is hidden and never gone', async (t) => {
  t.same(await macos(fails, 'darwin').look(process.pid), { state: 'hidden' })
  t.same(await printing('ps: illegal option -- o').look(process.pid), { state: 'hidden' })
  await t.rejects(macos(fails, 'darwin').kin({ pid: process.pid, start: '1', group: process.pid }, LAUNCH) as Promise<unknown>, { code: 'STATE_UNUSABLE' }, 'nothing shows that a launch has no processes')
  await t.rejects(macos(fails, 'darwin').self() as Promise<unknown>, { code: 'STATE_UNUSABLE', message: /^\/bin\/ps: cannot be run/ })
})

t.test('a ps that shows no processes at all shows nothing of a launch', async (t) => {
  const { kin, signalGroup } = printing('')
  await t.rejects(kin({ pid: process.pid, start: '1', group: process.pid }, LAUNCH) as Promise<unknown>, { code: 'STATE_UNUSABLE', message: '/bin/ps: shows no processes' })
  t.intercept(process, 'kill', { value: () => { throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' }) } })
  await t.rejects(signalGroup(412, 'SIGTERM') as Promise<unknown>, { code: 'STATE_UNUSABLE' }, 'nor of a group')
})

t.test('a group of zombies, which kill(2) refuses there, has nobody to signal; one with another member stays refused', async (t) => {
  const line = (pid: number, group: number, state: string) => `${pid} ${group} ${state} Sat Nov  1 09:05:07 2025\n`
  t.intercept(process, 'kill', { value: () => { throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' }) } })
  const zombies = line(1, 1, 'Ss') + line(412, 412, 'Z') + line(413, 412, 'ZN')
  t.equal(await printing(zombies).signalGroup(412, 'SIGTERM'), false)
  t.equal(await printing(line(1, 1, 'Ss')).signalGroup(412, 'SIGTERM'), false, 'it has gone meanwhile')
  await t.rejects(printing(zombies + line(414, 412, 'S')).signalGroup(412, 'SIGTERM') as Promise<unknown>, { message: /PID 412 may not be signalled/ })
  await t.rejects(macos(fails, 'darwin').signalGroup(412, 'SIGTERM') as Promise<unknown>, { code: 'STATE_UNUSABLE' })
})

t.test('what is asked in one turn is one question, and what is asked later is asked later', async (t) => {
  for (const [system, first] of [['darwin', ['-p', `${process.pid},${process.ppid}`]], ['freebsd', ['-A']]] as const) {
    const asked: string[][] = []
    const { look, groupOf } = macos(async (_, args) => {
      asked.push([...args])
      return [process.pid, process.ppid].map((pid) => `${pid} 412 S Sat Nov  1 09:05:07 2025\n`).join('')
    }, system)
    const [own, parent, group] = await Promise.all([look(process.pid), look(process.ppid), groupOf(process.pid)])
    t.match([own, parent, group], [{ state: 'running' }, { state: 'running' }, 412])
    t.same(asked.map((args) => args.slice(0, first.length)), [first], system)
    await look(process.pid)
    t.same(asked[1]?.slice(0, 2), ['-p', String(process.pid)])
  }
})

t.test('a number that nobody has needs no question', async (t) => {
  t.same(await macos(async () => { throw new Error('asked') }, 'darwin').look(2 ** 30), { state: 'gone' })
})

t.test('only a shell that runs the script for this launch is its watchdog', async (t) => {
  const isWatchdog = (text: string) => macosLaunching(async () => text).isWatchdog(5, LAUNCH)
  const script = 'read -r word && exit 0 restart "$8" /bin/sh -c "$ONE_SERVER_WATCH" "$0" "$@"'
  t.equal(await isWatchdog(`/bin/sh -c ${script} /state/folder ab12 ${LAUNCH} 0.000 0 /usr/bin/node\n`), true)
  t.equal(await isWatchdog(`/bin/sh -c ${script} /state/folder ab12 0000000000000000 0.000\n`), false, 'of another launch')
  t.equal(await isWatchdog(`vi ${LAUNCH}\n`), false)
  t.equal(await macosLaunching(fails).isWatchdog(5, LAUNCH), false)
})

t.test('the host is the session of the boot, and never made up', async (t) => {
  t.equal(await printing('6E2F1C7A-9B3D-4E5F-8A01-23456789ABCD\n').host(), '6e2f1c7a9b3d4e5f')
  await t.rejects(macos(fails, 'darwin').host() as Promise<unknown>, { code: 'STATE_UNUSABLE', message: /^\/usr\/sbin\/sysctl kern.bootsessionuuid: cannot be read/, hint: /sysctl/ })
})

t.test('a process is in the foreground when its group is that of the terminal', async (t) => {
  const told = (text: string) => macosSurroundings(async () => text).isInForeground()
  t.equal(await told('  512   512\n'), true)
  t.equal(await told('  512   400\n'), false)
  t.equal(await told('  512     0\n'), false, 'without a terminal')
  t.equal(await told(''), false)
  t.equal(await macosSurroundings(fails).isInForeground(), false)
})
