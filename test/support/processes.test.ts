/** What the tests of a Mac ask of ps(1) is what those of Linux read below /proc: both sides look at the same processes. */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { bareEnv, start } from './child.js'
import { noMac } from './mac.js'
import { allProcesses, bsdSide, commandOf, groupOf, isAlive, parentOf, processesWith, stateOf } from './processes.js'
import { until } from './until.js'

/** Apple's -E is a bare `e` of procps. */
const mac = bsdSide((args) => execFileSync('ps', args.map((word) => (word === '-E' ? 'e' : word)), { encoding: 'utf8', maxBuffer: Infinity, env: { ...bareEnv(), LC_ALL: 'C', TZ: 'UTC' } }))

t.test('a Mac tells of a process what Linux tells of it', noMac, async (t) => {
  const mark = `MARK=${process.pid}-${process.hrtime.bigint()}`
  const [name, value] = mark.split('=') as [string, string]
  const parent = start(t, '/bin/sh', ['-c', 'sleep 600 & echo $!; exec sleep 601'], { stdio: ['ignore', 'pipe', 'ignore'], detached: true, env: { ...bareEnv(), [name]: value } })
  t.teardown(() => { try { process.kill(-parent.pid!, 'SIGKILL') } catch {} })
  const child = Number(await new Promise((resolve) => { parent.stdout!.once('data', resolve) }))
  const both = [parent.pid!, child]
  await until(() => both.every((pid) => commandOf(pid).startsWith(' sleep 60')), 'the exec')
  for (const pid of both) {
    t.same({ ...mac.seen(pid) }, { pid, parent: parentOf(pid), group: parent.pid, state: 'S', command: commandOf(pid), start: (mac.look(pid) as { start: string }).start })
    t.match(mac.look(pid), { state: 'running', start: /^\d{10}$/ })
  }
  t.same(mac.carriers(mark)?.toSorted(), both.toSorted())
  t.same(processesWith(mark)?.toSorted(), both.toSorted())
  t.same(mac.all().filter(({ group }) => group === groupOf(child)).map(({ pid }) => pid).toSorted(), both.toSorted())
  t.ok(allProcesses().some(({ pid }) => pid === child))
  process.kill(child, 'SIGSTOP')
  await until(() => stateOf(child) === 'T', 'the stop')
  t.match(mac.look(child), { state: 'stopped' })
  process.kill(child, 'SIGKILL')
  await until(() => stateOf(child) === 'Z', 'the zombie')
  t.match(mac.look(child), { state: 'zombie' })
  t.same(mac.carriers(mark), [parent.pid])
  t.notOk(isAlive(child))
  t.same([mac.seen(2 ** 30), mac.look(2 ** 30)], [undefined, { state: 'gone' }])
})
