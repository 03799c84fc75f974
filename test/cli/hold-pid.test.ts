/** `hold --pid` returns at once, and the server lives as long as the process that it names: in whose name, how often, and in whose not. */
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { start } from '../support/child.js'
import { isAlive } from '../support/clients.js'
import { onLinux } from '../support/processes.js'
import { until } from '../support/until.js'
import { allGone, call, fixture, home, leaseFiles, type Home } from './command-line.js'

const LEASED = ['--port', 'auto', '--idle-timeout', '0', '--quiet', '--script', fixture('healthy')]

const holdFor = (here: Home, pid: number | string) => here.run(['hold', 'web', '--pid', String(pid), ...LEASED])
const statusOf = async (here: Home) => JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { pid: number; leases: { pid: number; command: string }[] }

t.test('several terminals: the last one out ends it; status shows what each runs; a second call of one changes nothing', async (t) => {
  const here = home(t)
  const [one, other] = [start(t, 'sleep', ['601']), start(t, 'sleep', ['602'])]
  const first = await holdFor(here, one.pid!)
  t.match(first, { code: 0, stderr: '' })
  t.match(JSON.parse(first.stdout), { schemaVersion: 1, url: /^http:/, started: true })
  for (let time = 0; time < 2; time++) t.equal((await holdFor(here, other.pid!)).code, 0)
  const { pid, leases } = await statusOf(here)
  t.same(leases.map((lease) => [lease.pid, lease.command]).toSorted(), [[one.pid, 'sleep 601'], [other.pid, 'sleep 602']].toSorted())
  one.kill('SIGKILL')
  await until(() => leaseFiles(here).length === 2, 'the lease of the first to go')
  t.ok(isAlive(pid), 'the other one still uses it')
  other.kill('SIGKILL')
  await allGone(here)
  t.notOk(isAlive(pid))
})

t.test('a process that waits for a server that fails, or that is stopped: nothing is left of the lease', async (t) => {
  const here = home(t)
  const one = start(t, 'sleep', ['603'])
  const failed = await here.run(['hold', 'web', '--pid', String(one.pid), '--port', 'auto', '--quiet', '--', process.execPath, fixture('dies-at-once')])
  t.equal(failed.code, 5)
  t.match(JSON.parse(failed.stdout), { error: { code: 'SERVER_EXITED' } })
  t.same(leaseFiles(here), [])
  await holdFor(here, one.pid!)
  const { pid } = await statusOf(here)
  t.equal((await here.run(['stop', 'web', '--quiet'])).code, 0)
  t.same(leaseFiles(here), [])
  t.notOk(isAlive(pid))
})

t.test('the kind: what has no end that shows, or is nobody of this user, holds nothing', async (t) => {
  const here = home(t)
  const parent = spawn('/bin/sh', ['-c', 'sleep 604 & echo $!; exec sleep 604'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const zombie = Number(await new Promise((resolve) => { parent.stdout.once('data', resolve) }))
  const seen = (what: string, pid: number | undefined) => spawnSync('ps', ['-o', `${what}=`, '-p', String(pid)], { encoding: 'utf8' }).stdout
  // A shell could wait for it.
  await until(() => seen('args', parent.pid).startsWith('sleep'), 'the exec')
  process.kill(zombie, 'SIGKILL')
  await until(() => seen('stat', zombie).startsWith('Z'), 'a zombie')
  const gone = spawnSync('/bin/sh', ['-c', 'echo $$'], { encoding: 'utf8' }).stdout.trim()
  for (const [what, pid] of [['a process that has gone', gone], ['a zombie', zombie], ['a number that no process has', 2 ** 31 - 1]] as const) {
    t.match(await holdFor(here, pid), { code: 2, stdout: /pid must be the PID of a process of this user that lives \(there is no such process/ }, what)
  }
  for (const pid of ['0', '-5', 'abc', '1.5', '']) t.match(await call('hold', 'web', `--pid=${pid}`), { code: 2, stderr: /--pid (must be the PID|needs a value)/ }, pid)
  t.match(await call('run', 'web', '--pid', '5', '--', 'true'), { code: 2, stderr: /--pid does not apply to run/ })
  const { folder } = here
  t.same(leaseFiles(here), [], folder)
  const one = start(t, 'sleep', ['605'])
  await holdFor(here, one.pid!)
  const { pid: server } = await statusOf(here)
  t.match(await holdFor(here, server), { code: 2, stdout: /belongs to the server itself/ })
  one.kill('SIGKILL')
  await allGone(here)
})

const asNobody = process.getuid?.() === 0 ? {} : { skip: 'only root can start a process of another user' }

t.test('a process of another user is refused by name, root too', asNobody, async (t) => {
  const here = home(t)
  const other = start(t, 'sleep', ['606'], { uid: 65_534, gid: 65_534 })
  t.match(await holdFor(here, other.pid!), { code: 2, stdout: /this one is of another user/ })
  t.same(leaseFiles(here), [])
})

const isOfKernel = (pid: string): boolean => {
  try {
    return !/^State:\s*[ZX]|^Vm/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

t.test('the kind: a thread, and a process that ends with the machine alone, hold nothing', onLinux, async (t) => {
  const here = home(t)
  const thread = readdirSync('/proc/self/task').find((name) => name !== String(process.pid))
  t.match(await holdFor(here, thread!), { code: 2, stdout: /this is a thread of a process/ })
  // Threads of the kernel have no command line, no memory and no end. A container shows none.
  const ofKernel = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isOfKernel(name))
  if (ofKernel !== undefined) t.match(await holdFor(here, ofKernel), { code: 2, stdout: /of another user, or of the kernel/ })
  t.same(leaseFiles(here), [])
})
