/** Whether a launch lives, asked of real ones: what is not shown to be dead is not dead, what is not shown to be ours is not ended. */
import { once } from 'node:events'
import t from 'tap'
import { judgeLaunch, remainsOf } from '../../lib/protocol/liveness.js'
import { nodeSystem as system } from '../../lib/node-system.js'
import { until } from '../support/until.js'
import { isAlive, startFixture, startShell } from '../support/a-launch.js'

t.test('a launch whose leader lives is alive', async (t) => {
  const launch = await startShell(t, 'read line')
  t.equal(await judgeLaunch(system, launch), 'alive')
  process.kill(launch.leader.pid, 'SIGSTOP')
  await until(async () => (await system.look(launch.leader.pid)).state === 'stopped', 'the stop')
  t.equal(await judgeLaunch(system, launch), 'alive', 'stopped or not')
})

t.test('a launch of which nothing is left is dead', async (t) => {
  const launch = await startShell(t, 'read line')
  launch.child.kill('SIGKILL')
  await once(launch.child, 'exit')
  t.equal(await judgeLaunch(system, launch), 'dead')
  t.same(await remainsOf(system, launch), [])
})

t.test('a launch whose leader has died while its child serves on is headless', async (t) => {
  const launch = await startFixture(t, 'leader-dies-child-serves.mjs', { processes: 2 })
  t.equal(await judgeLaunch(system, launch), 'alive')
  launch.child.kill('SIGUSR2')
  await once(launch.child, 'exit')
  t.equal(await judgeLaunch(system, launch), 'headless')
  t.match(await remainsOf(system, launch), [{ pid: launch.others[0]!.pid, inGroup: true, carriesLaunchId: true }])
  process.kill(launch.others[0]!.pid, 'SIGKILL')
  await until(() => !isAlive(launch.others[0]!), 'the child to end')
  t.equal(await judgeLaunch(system, launch), 'dead')
})

t.test('a child that has left the group keeps the launch headless, too', async (t) => {
  const launch = await startFixture(t, 'escapes-group.mjs', { processes: 2 })
  launch.child.kill('SIGTERM')
  await once(launch.child, 'exit')
  t.equal(await judgeLaunch(system, launch), 'headless')
  t.match(await remainsOf(system, launch), [{ pid: launch.others[0]!.pid, inGroup: false, carriesLaunchId: true }])
})

t.test('a group of which no member shows the launch id is unknown', async (t) => {
  const launch = await startShell(t, 'env -i sleep 60 & echo $!; read line', 1)
  const { pid } = launch.others[0]!
  await until(async () => (await system.kin(launch.leader, launch.id)).some((kin) => kin.pid === pid && !kin.carriesLaunchId), 'its environment to be emptied')
  launch.child.kill('SIGKILL')
  await once(launch.child, 'exit')
  t.equal(await judgeLaunch(system, launch), 'unknown')
  t.equal(await remainsOf(system, launch), undefined)
})

t.test('one member that shows it vouches for the group', async (t) => {
  const launch = await startShell(t, 'env -i sleep 60 & echo $!; sleep 60 & echo $!; read line', 2)
  launch.child.kill('SIGKILL')
  await once(launch.child, 'exit')
  t.equal(await judgeLaunch(system, launch), 'headless')
  t.same((await remainsOf(system, launch))?.map(({ pid }) => pid).toSorted(), launch.others.map(({ pid }) => pid).toSorted())
})

t.test('a PID that somebody else has now is no leader, and its group is not ours', async (t) => {
  const stranger = await startShell(t, 'sleep 60 & echo $!; read line', 1)
  const launch = { id: 'f'.repeat(16), leader: { ...stranger.leader, start: String(BigInt(stranger.leader.start) - 1n) } }
  t.equal(await judgeLaunch(system, launch), 'dead')
  t.same(await remainsOf(system, launch), [])
})

t.test('what cannot be seen is unknown', async (t) => {
  // Seen only with hidepid and another user's process, which a test cannot arrange.
  const launch = await startShell(t, 'read line')
  t.equal(await judgeLaunch({ ...system, look: async () => ({ state: 'hidden' }) }, launch), 'unknown')
})
