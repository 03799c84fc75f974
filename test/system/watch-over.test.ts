/** The watch by itself: what wakes it, whom it leaves the looking to, and what it runs in the end. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { identify } from '../../lib/system/process-table.js'
import { watchOver } from '../../lib/system/watch-over.js'
import { isAlive, stateOf } from '../clients.js'
import { start } from '../child.js'
import { tempFolder } from '../temp-folder.js'
import { until } from '../until.js'

const LAUNCH = '00000000000000aa'
const LEASE = '00000000000000bb'
const OTHER = '00000000000000cc'

/** A folder with the claim of a launch, and in the place of Node a program that writes down that it was run. */
const aFolder = (t: Test) => {
  const root = tempFolder(t)
  const folder = join(root, "with a 'quote' and $(words)")
  mkdirSync(folder)
  writeFileSync(join(folder, `${LAUNCH}.7.5.7.claim`), '')
  const ran = join(root, 'ran')
  const program = join(root, 'node')
  writeFileSync(program, `#!/bin/sh\necho "$1 $2 $3 $4" >'${ran}'; test -n "$ONE_SERVER_REAPER" && env >>'${ran}'\n`, { mode: 0o755 })
  const { execPath } = process
  process.execPath = program
  t.teardown(() => { process.execPath = execPath })
  return { folder, ran: () => readdirSync(root).includes('ran'), watch: (idleTimeout = 0) => watchOver({ pidFile: '/nowhere/s.pid', folder, launch: LAUNCH, lease: LEASE, idleTimeout }) }
}

const startOf = (pid: number): string => identify(pid)?.start ?? '5'

const over = (pid: number): Promise<unknown> => until(() => !isAlive(pid), 'the watch to end')

t.test('let go, it waits out the idle time, removes its own files, and runs the reaper', async (t) => {
  const { folder, ran, watch } = aFolder(t)
  const { id, letGo } = await watch(200)
  for (const name of [`${LEASE}.${LAUNCH}.7.5.lease`, `${LEASE}.${LAUNCH}.${id.pid}.${id.start}.watch`, `${LAUNCH}.gate`]) writeFileSync(join(folder, name), '')
  const began = performance.now()
  letGo()
  await over(id.pid)
  t.ok(performance.now() - began >= 190, 'not before')
  t.same(readdirSync(folder).sort(), [`${LAUNCH}.7.5.7.claim`, `${LAUNCH}.gate`])
  t.ok(ran())
})

t.test('dismissed, it ends at once and looks at nothing', async (t) => {
  const { ran, watch } = aFolder(t)
  const { id, dismiss } = await watch(60_000)
  dismiss()
  await over(id.pid)
  t.notOk(ran())
})

t.test('where somebody else holds or watches the launch, it is left to them', async (t) => {
  for (const kind of ['lease', 'watch']) {
    const { folder, ran, watch } = aFolder(t)
    writeFileSync(join(folder, `${OTHER}.${LAUNCH}.${process.pid}.${startOf(process.pid)}.${kind}`), '')
    const { id, letGo } = await watch()
    letGo()
    await over(id.pid)
    t.notOk(ran(), kind)
  }
})

t.test('a zombie, a process that is gone, a recycled number and the holder of another launch are nobody', async (t) => {
  const { folder, ran, watch } = aFolder(t)
  // A shell that does not wait for its child leaves a zombie for as long as it lives itself.
  const parent = start(t, '/bin/sh', ['-c', 'true & exec sleep 600'])
  const zombie = await until(() => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).find((pid) => stateOf(pid) === 'Z' && pid > parent.pid!), 'a zombie')
  for (const [pid, launch] of [[zombie, LAUNCH], [2 ** 22, LAUNCH], [process.pid, OTHER]] as const) writeFileSync(join(folder, `${OTHER}.${launch}.${pid}.${startOf(pid)}.lease`), '')
  writeFileSync(join(folder, `${OTHER}.${LAUNCH}.${process.pid}.5.lease`), '')
  const { id, letGo } = await watch()
  letGo()
  await over(id.pid)
  t.ok(ran())
})

t.test('it does not run the reaper over what is pinned, or gone', async (t) => {
  const pinned = aFolder(t)
  writeFileSync(join(pinned.folder, `${LAUNCH}.pin`), '')
  const one = await pinned.watch()
  one.letGo()
  await over(one.id.pid)
  t.notOk(pinned.ran(), 'pinned')
  const ended = aFolder(t)
  const two = await ended.watch()
  for (const name of readdirSync(ended.folder)) rmSync(join(ended.folder, name))
  two.letGo()
  await over(two.id.pid)
  t.notOk(ended.ran(), 'gone')
})
