/** What a reaper does whose claim has vanished, with real processes in the place of servers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Context } from '../../lib/context.js'
import { reap } from '../../lib/protocol/stop.js'
import { claimPath } from '../../lib/state/directory.js'
import { watchOver } from '../../lib/system/watchdog.js'
import { launchesOf } from '../../lib/system/launches.js'
import { aContext } from '../support/a-context.js'
import { isAlive, startShell } from '../support/a-launch.js'
import { aRecord } from '../support/a-record.js'
import { start } from '../support/child.js'
import { until } from '../support/until.js'

const aLaunch = (t: Test, { paths: { pidFile } }: Context, text = 'exec sleep 600') => startShell(t, text, 0, { ONE_SERVER_PID_FILE: pidFile })

const watch = ({ paths }: Context, { id, leader }: Awaited<ReturnType<typeof aLaunch>>) => watchOver({
  pidFile: paths.pidFile, folder: paths.host, launchId: id, leader, lease: '00000000000000bb', idleTimeout: 0, stopTimeout: 1000,
})

t.test('the launch that nobody holds is ended, and leaves nothing', async (t) => {
  const context = await aContext(t)
  const { id, leader } = await aLaunch(t, context)
  t.equal(await reap(context, id), true)
  t.notOk(isAlive(leader))
  t.same(await context.system.list(context.paths.host), [])
})

t.test('a watchdog of another holder objects; a watchdog of another launch does not', async (t) => {
  const context = await aContext(t)
  const [mine, other] = [await aLaunch(t, context), await aLaunch(t, await aContext(t))]
  const [holding, strange] = [await watch(context, mine), await watch(context, other)]
  t.equal(await reap(context, mine.id), false)
  t.ok(isAlive(mine.leader))
  holding.dismiss()
  await until(() => !isAlive(holding.id), 'the watchdog to end')
  t.equal(await reap(context, mine.id), true)
  t.ok(isAlive(other.leader), 'another PID file is another server')
  strange.dismiss()
})

t.test('where another launch has taken the place, only the one that vanished is ended', async (t) => {
  const context = await aContext(t)
  const [old, young] = [await aLaunch(t, context), await aLaunch(t, context)]
  writeFileSync(claimPath(context.paths, young.id, young.leader), JSON.stringify(aRecord({ launch: young.id, ...young.leader })))
  t.equal(await reap(context, old.id), true)
  t.notOk(isAlive(old.leader))
  t.ok(isAlive(young.leader))
  t.equal((await context.system.list(context.paths.host)).filter((name) => name.endsWith('.claim')).length, 1)
})

t.test('what vanished while the state cannot be written is left to a later try', async (t) => {
  const context = await aContext(t)
  const { id, leader } = await aLaunch(t, context)
  const full = { ...context.system, create: () => Promise.reject(new Error('ENOSPC')), watchdogs: context.system.watchdogs }
  await t.rejects(reap({ ...context, system: full }, id))
  t.ok(isAlive(leader))
})

t.test('what a process holds at the descriptor of the claim is read only if it is a plain file, and believed only of its own launch', async (t) => {
  const context = await aContext(t)
  const held = (what: string, name: string) => {
    const path = join(context.paths.folder, name)
    return `${what === 'fifo' ? `mkfifo '${path}'` : `echo '{"format":1}' >'${path}'`}; exec 8<>'${path}'; exec sleep 600`
  }
  const id = 'aaaaaaaaaaaaaaaa'
  for (const text of [held('fifo', `${id}.1.1.1.claim`), 'exec 8</dev/zero; exec sleep 600', held('file', `${id}.2.2.2.claim`)]) {
    const child = start(t, '/bin/sh', ['-c', text], { env: { PATH: process.env['PATH'] ?? '', ONE_SERVER_LAUNCH_ID: id, ONE_SERVER_PID_FILE: context.paths.pidFile } })
    await until(() => launchesOf(context.paths.pidFile).length > 0, 'the launch')
    const claim = launchesOf(context.paths.pidFile)[0]?.claim
    t.ok(claim === undefined || claim === '{"format":1}\n', String(claim))
    child.kill('SIGKILL')
    await until(() => launchesOf(context.paths.pidFile).length === 0, 'it to end')
  }
})
