/**
 * What is known about a process, asked about real ones: running, stopped, zombies, threads, one whose
 * name looks like a line of /proc, and the processes of a launch.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hostIdentity, kinOf, lookAt as lookSoon, self, startedAt } from '../../lib/system/processes.js'
import { judge } from '../../lib/system/system.js'
import { bareEnv, library, runModule, start } from '../support/child.js'
import { groupOf, identify, lookAt } from '../support/processes.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'

/** Of this run alone: another one of this file may look at the same machine. */
const LAUNCH = randomBytes(8).toString('hex')

/** A shell that reads a line, and so lives until the test ends. */
const waiter = (t: Test, options: { env?: Record<string, string>; detached?: boolean } = {}) => start(t, '/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'], ...options })

/** Runs a shell text that prints one PID a line and goes on; returns the PIDs. */
const shell = async (t: Test, text: string, lines: number, options: { env?: Record<string, string>; detached?: boolean } = {}) => {
  const child = start(t, '/bin/sh', ['-c', text], { stdio: ['pipe', 'pipe', 'inherit'], ...options })
  let out = ''
  child.stdout!.setEncoding('utf8')
  while (out.split('\n').length <= lines) out += (await once(child.stdout!, 'data'))[0]
  return { child, pids: out.trim().split('\n').map(Number) }
}

t.test('this process runs, and is this process', async (t) => {
  const look = lookAt(process.pid)
  t.match(look, { state: 'running', start: /^\d+$/, isThread: false })
  t.same(await self(), { pid: process.pid, start: 'start' in look && look.start })
  t.equal(judge(await self(), lookAt(process.pid)), 'alive')
})

t.test('a process that has ended and was waited for is gone', async (t) => {
  const child = waiter(t)
  t.match(lookAt(child.pid!), { state: 'running' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.same(lookAt(child.pid!), { state: 'gone' })
})

t.test('the start time stays the same across exec, and tells two processes apart', async (t) => {
  const { child } = await shell(t, 'echo 1; exec sleep 60', 1)
  const before = identify(child.pid!)
  await until(() => execFileSync('ps', ['-o', 'args=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('sleep'), 'the exec')
  t.same(identify(child.pid!), before)
  t.not((await self()).start, before.start)
})

t.test('a number that cannot be a PID is gone', async (t) => {
  for (const pid of [0, -1, -process.pid, 1.5, Number.NaN, 2 ** 31, 2 ** 53]) t.same(await lookSoon(pid), { state: 'gone' }, String(pid))
})

/** A zombie and its parent: a program that does not wait for the child that it has inherited from the shell that it was. */
const zombieOf = async (t: Test, options: { env?: Record<string, string>; detached?: boolean } = {}) => {
  const { child, pids: [zombie] } = await shell(t, 'sleep 60 & echo $!; exec sleep 61', 1, options)
  // As long as it is a shell it may wait for the child after all.
  await until(() => execFileSync('ps', ['-o', 'args=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('sleep 61'), 'the exec')
  process.kill(zombie!, 'SIGKILL')
  await until(() => lookAt(zombie!).state === 'zombie', 'the zombie')
  return { child, zombie: zombie! }
}

t.test('a zombie has ended', async (t) => {
  const { child, zombie } = await zombieOf(t)
  t.doesNotThrow(() => process.kill(zombie, 0), 'although kill(2) still knows it')
  t.equal(judge(identify(zombie), lookAt(zombie)), 'dead')
  t.equal(judge(identify(child.pid!), lookAt(child.pid!)), 'alive')
})

t.test('a stopped process is alive, and shows as stopped', async (t) => {
  const child = waiter(t)
  child.kill('SIGSTOP')
  await until(() => lookAt(child.pid!).state === 'stopped', 'the stop')
  t.equal(judge(identify(child.pid!), lookAt(child.pid!)), 'alive')
  child.kill('SIGCONT')
  await until(() => lookAt(child.pid!).state === 'running', 'it to go on')
})

t.test('a name with parentheses in it is not mistaken for a state', async (t) => {
  const program = join(tempFolder(t), 'x) Z 1 (y) X 2')
  writeFileSync(program, '#!/bin/sh\nread line\n', { mode: 0o700 })
  const before = Date.now()
  const child = start(t, program, [], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  await until(() => execFileSync('ps', ['-o', 'comm=', '-p', String(child.pid)], { encoding: 'utf8' }).startsWith('x) Z'), 'the name')
  t.match(lookAt(child.pid!), { state: 'running' })
  t.equal(groupOf(child.pid!), child.pid)
  const at = (await startedAt(child.pid!))!
  t.ok(at > before - 1000 && at < Date.now() + 1000)
})

t.test('the time at which a process was started is right to a second or so', async (t) => {
  const before = Date.now()
  const child = waiter(t)
  const after = Date.now()
  const at = (await startedAt(child.pid!))!
  t.ok(at > before - 1000 && at < after + 1000, `${at - before} ms after the spawn`)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await startedAt(child.pid!), undefined, 'of one that is gone it is not')
})

t.test('the processes of a launch are its group and those that carry its id, and no others', async (t) => {
  const env = { ...bareEnv(), ONE_SERVER_LAUNCH_ID: LAUNCH }
  const { child, pids: [inside, bare, escaped] } = await shell(t,
    'sleep 60 & echo $!; env -i sleep 60 & echo $!; setsid sh -c \'echo $$; exec sleep 60\' & wait', 3, { env, detached: true })
  const leader = { ...identify(child.pid!), group: child.pid! }
  // The one that left is not ended with the group, so the test does it.
  t.teardown(() => { for (const pid of [inside!, bare!, escaped!]) try { process.kill(pid, 'SIGKILL') } catch {} })
  const stranger = waiter(t, { env: { ...env, ONE_SERVER_LAUNCH_ID: 'f'.repeat(16) } })
  const prefixed = waiter(t, { env: { ...env, ONE_SERVER_LAUNCH_ID: `${LAUNCH}0` } })
  await until(async () => groupOf(bare!) === leader.pid && (await kinOf(leader, LAUNCH)).find(({ pid }) => pid === bare)?.carriesLaunchId === false, 'the environment to be emptied')
  const kin = new Map((await kinOf(leader, LAUNCH)).map(({ pid, ...one }) => [pid, one]))
  t.same([...kin.keys()].toSorted(), [child.pid!, inside!, bare!, escaped!].toSorted())
  t.match(kin.get(child.pid!), { start: leader.start, inGroup: true, carriesLaunchId: true })
  t.match(kin.get(inside!), { inGroup: true, carriesLaunchId: true })
  t.match(kin.get(bare!), { inGroup: true, carriesLaunchId: false })
  t.match(kin.get(escaped!), { inGroup: false, carriesLaunchId: true })
  t.notOk(kin.has(stranger.pid!))
  t.notOk(kin.has(prefixed.pid!), 'an id that begins alike is another')
  t.notOk((await kinOf({ ...leader, group: 2, start: String(BigInt(leader.start) + 100_000n) }, LAUNCH)).length, 'what was there before the leader does not descend from it')
})

t.test('a zombie is no process of a launch any more', async (t) => {
  const env = { ...bareEnv(), ONE_SERVER_LAUNCH_ID: LAUNCH }
  const { child } = await zombieOf(t, { env, detached: true })
  t.same((await kinOf({ ...identify(child.pid!), group: child.pid! }, LAUNCH)).map(({ pid }) => pid), [child.pid])
})

t.test('the group of a process is its leader', async (t) => {
  const { child, pids: [member] } = await shell(t, 'sleep 60 & echo $!; wait', 1, { detached: true })
  t.teardown(() => process.kill(-child.pid!, 'SIGKILL'))
  t.equal(groupOf(child.pid!), child.pid)
  t.equal(groupOf(member!), child.pid)
  t.equal(groupOf(2 ** 31 - 1), undefined)
})

t.test('the host can be the name of a folder, and is the same at each question, in each process', async (t) => {
  t.match(await hostIdentity(), /^[0-9a-z-]{5,60}$/)
  t.equal(await hostIdentity(), await hostIdentity())
  t.match(await runModule(t, `import { hostIdentity } from '${library('system/processes.js')}'; console.log(await hostIdentity())`), { stdout: `${await hostIdentity()}\n`, stderr: '' })
})

t.test('what left the group and erased its environment belongs to a launch by its parents, as long as the leader lives', async (t) => {
  const { child, pids: [escaped, below] } = await shell(t,
    "setsid env -i sh -c 'echo $$; sleep 60 9<&- </dev/null & echo $!; wait' & read line", 2, { env: { ...bareEnv(), ONE_SERVER_LAUNCH_ID: LAUNCH }, detached: true })
  const leader = { ...identify(child.pid!), group: child.pid! }
  t.teardown(() => { for (const pid of [below!, escaped!]) try { process.kill(pid, 'SIGKILL') } catch {} })
  const kin = (await kinOf(leader, LAUNCH)).filter(({ pid }) => pid === escaped || pid === below)
  t.match(kin, [{ inGroup: false, carriesLaunchId: false, isDescendant: true }, { inGroup: false, carriesLaunchId: false, isDescendant: true }])
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.same(await kinOf(leader, LAUNCH), [], 'an orphan has lost its line')
})
