/** Ending a launch: it returns when everything of it has ended, and no signal goes to a stranger. */
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { reasonFor, terminate } from '../../lib/protocol/tear-down.js'
import { claimPath, findLaunch, markPath } from '../../lib/state/directory.js'
import { nodeSystem as system } from '../../lib/node-system.js'
import { aContext } from '../support/a-context.js'
import { aRecord } from '../support/a-record.js'
import { quietPort } from '../support/clients.js'
import { until } from '../support/until.js'
import { isAlive, startFixture, startShell } from '../support/a-launch.js'

const gently = { stopSignal: 'SIGTERM', stopTimeout: 5000 } as const

t.test('it returns when the server has ended, by the signal that was asked for', async (t) => {
  const launch = await startFixture(t, 'healthy.mjs')
  const exit = once(launch.child, 'exit')
  await terminate(system, launch, gently)
  t.notOk(isAlive(launch.leader))
  t.same(await exit, [0, null], 'it ended by itself, on SIGTERM')
})

t.test('another signal may be asked for', async (t) => {
  const launch = await startFixture(t, 'ignores-sigterm.mjs')
  const exit = once(launch.child, 'exit')
  await terminate(system, launch, { stopSignal: 'SIGINT', stopTimeout: 5000 })
  t.same(await exit, [0, null])
})

t.test('whoever ignores it is killed, but not before its time has passed', async (t) => {
  const launch = await startFixture(t, 'ignores-sigterm.mjs')
  const exit = once(launch.child, 'exit')
  const began = system.now()
  await terminate(system, launch, { stopSignal: 'SIGTERM', stopTimeout: 200 })
  t.ok(system.now() - began >= 200)
  t.same(await exit, [null, 'SIGKILL'])
  t.equal(readFileSync(launch.log, 'utf8').match(/ignored/g)?.length, 1, 'it was asked once')
})

t.test('a child that its leader does not end is ended with the group', async (t) => {
  const launch = await startFixture(t, 'grandchild-holds-port.mjs', { processes: 2 })
  await terminate(system, launch, gently)
  t.notOk(isAlive(launch.leader))
  t.notOk(isAlive(launch.others[0]!))
})

t.test('a child that has left the group is ended as well', async (t) => {
  const launch = await startFixture(t, 'escapes-group.mjs', { processes: 2 })
  await terminate(system, launch, gently)
  t.notOk(isAlive(launch.leader))
  t.notOk(isAlive(launch.others[0]!))
})

t.test('what a leader that is gone has left is ended', async (t) => {
  const launch = await startFixture(t, 'leader-dies-child-serves.mjs', { processes: 2 })
  launch.child.kill('SIGUSR2')
  await once(launch.child, 'exit')
  await terminate(system, launch, gently)
  t.notOk(isAlive(launch.others[0]!))
})

t.test('a child that ignores the signal is killed although the leader has ended on it', async (t) => {
  const launch = await startShell(t, `trap 'exit 0' TERM; sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & while :; do wait; done`, 1)
  await terminate(system, launch, { stopSignal: 'SIGTERM', stopTimeout: 200 })
  t.notOk(isAlive(launch.leader))
  t.notOk(isAlive(launch.others[0]!))
  t.same(await system.kin(launch.leader, launch.id), [])
})

t.test('a server that was stopped like a job takes notice', async (t) => {
  const launch = await startFixture(t, 'healthy.mjs')
  const exit = once(launch.child, 'exit')
  launch.child.kill('SIGSTOP')
  await until(async () => (await system.look(launch.leader.pid)).state === 'stopped', 'the stop')
  await terminate(system, launch, gently)
  t.same(await exit, [0, null])
})

t.test('a launch that is over needs nothing', async (t) => {
  const launch = await startShell(t, 'read line')
  launch.child.kill('SIGKILL')
  await once(launch.child, 'exit')
  await terminate(system, launch, gently)
})

t.test('two that end the same launch do no harm', async (t) => {
  const launch = await startFixture(t, 'grandchild-holds-port.mjs', { processes: 2 })
  await Promise.all([terminate(system, launch, gently), terminate(system, launch, gently)])
  t.notOk(isAlive(launch.others[0]!))
})

t.test('whoever has the PID by now is not touched, nor is its group', async (t) => {
  const stranger = await startShell(t, 'sleep 60 & echo $!; read line', 1)
  const signals: unknown[] = []
  const watched = { ...system, signal: async (...args: unknown[]) => { signals.push(args); return true }, signalGroup: async (...args: unknown[]) => { signals.push(args); return true } }
  const launch = { id: 'f'.repeat(16), leader: { ...stranger.leader, start: String(BigInt(stranger.leader.start) - 1n) } }
  await terminate(watched, launch, { stopSignal: 'SIGKILL', stopTimeout: 0 })
  t.same(signals, [])
  await terminate(system, launch, { stopSignal: 'SIGKILL', stopTimeout: 0 })
  t.ok(isAlive(stranger.leader))
  t.ok(isAlive(stranger.others[0]!))
})

t.test('processes that cannot be shown to be of the launch are not touched, and that is said', async (t) => {
  const launch = await startShell(t, 'env -i sleep 60 & echo $!; read line', 1)
  const { pid } = launch.others[0]!
  await until(async () => (await system.kin(launch.leader, launch.id)).some((kin) => kin.pid === pid && !kin.carriesLaunchId), 'its environment to be emptied')
  launch.child.kill('SIGKILL')
  await once(launch.child, 'exit')
  await t.rejects(terminate(system, launch, gently), { code: 'STATE_UNUSABLE', message: new RegExp(`^PID ${launch.leader.pid}: `), hint: /Nothing was signalled/ })
  t.ok(isAlive(launch.others[0]!))
})

t.test('a leader that cannot be seen is not touched', async (t) => {
  const launch = await startShell(t, 'read line')
  await t.rejects(terminate({ ...system, look: async () => ({ state: 'hidden' }) }, launch, gently), { code: 'STATE_UNUSABLE' })
  t.ok(isAlive(launch.leader))
})

t.test('what not even SIGKILL ends is said', async (t) => {
  // A process that hangs in the kernel cannot be made at will: this one is never signalled, and time is made to pass.
  const launch = await startShell(t, 'read line')
  let now = 0
  const hanging = { ...system, now: () => (now += 1000), signalGroup: async () => true, signal: async () => true, sleep: async () => {} }
  await t.rejects(terminate(hanging, launch, { stopSignal: 'SIGTERM', stopTimeout: 100 }), { code: 'SERVER_UNHEALTHY', pid: launch.leader.pid, message: /even by SIGKILL/ })
})

t.test('why a launch has ended is read from its own log, and not from that of a later launch', async (t) => {
  const context = await aContext(t, { port: 'auto' })
  const logFile = join(context.paths.host, '..', 's.log')
  const record = aRecord({ logFile, port: await quietPort() })
  const { launch: id, pid, start, group } = record
  const claim = claimPath(context.paths, id, { pid, start, group })
  writeFileSync(claim, JSON.stringify(record))
  writeFileSync(markPath(context.paths, id, 'gate'), '\n')
  writeFileSync(logFile, 'SyntaxError: of this launch\n')
  const launch = (await findLaunch(context, id))!
  t.match(await reasonFor(context, launch), { code: 'SERVER_EXITED', logTail: /of this launch/ })
  const tail: typeof system.tail = async (path, lines) => {
    // Another client tears the launch down, and a later one begins.
    rmSync(claim)
    renameSync(logFile, `${logFile}.prev`)
    writeFileSync(logFile, '')
    return system.tail(path, lines)
  }
  t.equal(await reasonFor({ ...context, system: { ...system, tail } }, launch), undefined)
})
