/** What only Linux shows: namespaces, numbers of threads, environments, and which descriptors a child would inherit. */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { linux } from '../../../lib/system/platform/linux.js'
import { launchIdOf } from '../../../lib/system/platform/linux-proc.js'
import { bareEnv, library, run, start } from '../../support/child.js'
import { onLinux } from '../../support/processes.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'

const TELL = `const { linux } = await import('${library('system/platform/linux.js')}')
try { console.log(linux.host()) } catch (error) { console.log(error.code, error.message) }`
const NODE = [process.execPath, '--input-type=module', '--eval', TELL]


/** Namespaces are Linux's, and a container may not be allowed to make new ones. */
const needs = (...flags: string[]) =>
  spawnSync('unshare', [...flags, 'true'], { env: bareEnv() }).status === 0
    ? {} : { skip: `unshare ${flags.join(' ')} is not permitted here` }

for (const [what, flags] of [['PID', ['--pid', '--fork', '--mount-proc']], ['network', ['--net']]] as const) {
  t.test(`another ${what} namespace is another place`, needs('-Ur', ...flags), async (t) => {
    const { stdout } = await run(t, 'unshare', ['-Ur', ...flags, ...NODE])
    t.match(stdout, /^[0-9a-z-]+\n$/)
    t.not(stdout.trim(), linux.host())
    t.equal(stdout.split('-')[0], linux.host().split('-')[0], 'of the same boot')
  })
}

t.test('with the /proc of another PID namespace nothing is made up', needs('-Ur', '--pid', '--fork'), async (t) => {
  const { stdout } = await run(t, 'unshare', ['-Ur', '--pid', '--fork', ...NODE])
  t.match(stdout, /^STATE_UNUSABLE \/proc: belongs to another PID namespace|^STATE_UNUSABLE \/proc\/self: cannot be read/)
})

t.test('the number of a thread is no process', onLinux, async (t) => {
  const thread = readdirSync('/proc/self/task').map(Number).find((tid) => tid !== process.pid)!
  t.doesNotThrow(() => process.kill(thread, 0), 'although kill(2) takes it')
  t.match(linux.look(thread), { state: 'running', isThread: true })
})

t.test('the launch id of a process is the one in its environment', onLinux, async (t) => {
  t.equal(launchIdOf(start(t, 'sleep', ['60'], { env: { ...bareEnv(), ONE_SERVER_LAUNCH_ID: 'abc' } }).pid!), 'abc')
  t.equal(launchIdOf(start(t, 'sleep', ['60'], { env: { ...bareEnv(), NOT_ONE_SERVER_LAUNCH_ID: 'abc' } }).pid!), undefined)
  t.equal(launchIdOf(2 ** 31 - 1), undefined)
})

t.test('errors of others: for want of a descriptor a process is unknown, and never no kin, gone or another one', onLinux, async (t) => {
  const child = start(t, 'sleep', ['60'], { env: { ...bareEnv(), ONE_SERVER_LAUNCH_ID: '00000000000000ab' }, detached: true })
  const look = linux.look(child.pid!)
  const leader = { pid: child.pid, group: child.pid, start: 'start' in look && look.start }
  const text = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { linux } = await import(${JSON.stringify(library('system/platform/linux.js'))})
    const { self } = await import(${JSON.stringify(library('system/processes.js'))})
    const { closeSync, openSync, readdirSync } = fs
    const taken = []
    const take = () => { try { for (;;) taken.push(openSync('/dev/null')) } catch {} }
    const giveBack = () => { for (const file of taken.splice(0)) closeSync(file) }
    const kin = () => { try { return linux.kin(${JSON.stringify(leader)}, '00000000000000ab').map(({ pid }) => pid) } catch ({ code, hint }) { return [code, hint] } }
    const before = kin()
    // As a thread of the host that takes the last descriptor when the processes have been listed.
    fs.readdirSync = (...args) => { const names = readdirSync(...args); take(); return names }
    syncBuiltinESMExports()
    const told = { before, short: kin(), look: linux.look(${child.pid}).state }
    const failed = await self().then(() => '', ({ code }) => code)
    giveBack()
    console.log(JSON.stringify({ ...told, failed, isSelf: (await self()).start === linux.look(process.pid).start }))`
  const { stdout, stderr } = await run(t, '/bin/sh', ['-c', 'ulimit -n 60; exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', text])
  t.equal(stderr, '')
  t.match(JSON.parse(stdout), { before: [child.pid], short: ['STATE_UNUSABLE', /ulimit -n/], look: 'hidden', failed: 'STATE_UNUSABLE', isSelf: true })
})

t.test('what a process was given shows, what Node opened itself does not', onLinux, async (t) => {
  const given = openSync(join(tempFolder(t), 'given'), 'w')
  t.teardown(() => closeSync(given))
  const text = `
    import { openSync } from 'node:fs'
    const { linuxLaunching: { leakingDescriptors } } = await import(${JSON.stringify(library('system/platform/linux.js'))})
    const own = openSync('/dev/null')
    const from = (least, fd) => leakingDescriptors(least).includes(fd)
    console.log(JSON.stringify([from(3, 39), from(3, own), from(40, 39)]))`
  // Node marks the first few itself when it starts.
  const stdio: (number | 'ignore' | 'pipe')[] = Array.from({ length: 39 }, () => 'ignore')
  stdio[1] = stdio[2] = 'pipe'
  stdio[39] = given
  const args = ['--input-type=module', '--eval', text]
  const { stdout, stderr } = spawnSync(process.execPath, args, { env: bareEnv(), stdio, encoding: 'utf8' })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), [true, false, false], 'the one that it was given, not the one that it opened, and none below the least')
})

t.test('a daemon that forks and exits while the processes are listed is found: the list is taken again', onLinux, async (t) => {
  const folder = tempFolder(t)
  execFileSync('mkfifo', [join(folder, 'go')])
  const env = { ...bareEnv(), ONE_SERVER_LAUNCH_ID: '00000000000000ab' }
  const child = start(t, 'sh', ['-c', `read go <'${folder}/go'; setsid sleep 60 & echo $! >'${folder}/daemon'`], { env, detached: true, stdio: 'ignore' })
  const leader = { pid: child.pid!, start: '1', group: 2 ** 30 }
  const text = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { linux } = await import(${JSON.stringify(library('system/platform/linux.js'))})
    const { readdirSync } = fs
    let listings = 0
    fs.readdirSync = (...args) => {
      const names = readdirSync(...args)
      if (listings++ === 0) fs.writeFileSync('${folder}/go', '\\n')
      while (linux.look(${child.pid}).state === 'running') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      return names
    }
    syncBuiltinESMExports()
    console.log(JSON.stringify(linux.kin(${JSON.stringify(leader)}, '00000000000000ab').map(({ pid }) => pid)))`
  const { stdout, stderr } = await run(t, process.execPath, ['--input-type=module', '--eval', text])
  const daemon = Number(readFileSync(join(folder, 'daemon'), 'utf8'))
  t.teardown(() => process.kill(daemon, 'SIGKILL'))
  t.same(JSON.parse(stdout), [daemon], stderr)
})

/** A user who may not read the environments of others. */
const NOBODY = 65_534

t.test('what no walk could ever read (threads of the kernel, processes of other users) does not make the walk be taken again', onLinux, async (t) => {
  const reads = (): number => Number(/^syscr: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])
  // Every process is younger than this leader, and none is its kin.
  const leader = { pid: 2 ** 22 + 1, start: '0', group: 2 ** 22 + 1 }
  const isRoot = process.geteuid?.() === 0
  for (const user of isRoot ? [0, NOBODY] : [process.geteuid!()]) {
    const walk = (): number => {
      const before = reads()
      if (isRoot) process.seteuid!(user)
      try {
        t.same(linux.kin(leader, 'c0ffee0000000001'), [])
      } finally {
        if (isRoot) process.seteuid!(0)
      }
      return (reads() - before) / readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length
    }
    // A stat and an environment of each, in a read or two, and where that is refused the stat again. Processes that end meanwhile are a
    // reason to walk again, so one calm moment shows it.
    let least = Number.POSITIVE_INFINITY
    await until(() => { least = Math.min(least, walk()); return least < 8 }, `one walk of user ${user}; the least was ${least} reads for each process`)
  }
})

t.test('whether one process is of a launch: the answer of a walk through all, for the price of one', onLinux, async (t) => {
  const id = '00000000000000ac'
  const marked = { env: { ...bareEnv(), ONE_SERVER_LAUNCH_ID: id } }
  const own = start(t, '/bin/sh', ['-c', 'sleep 60 & env -i setsid sleep 61 & wait'], { ...marked, detached: true })
  const look = linux.look(own.pid!)
  const leader = { pid: own.pid!, start: 'start' in look ? look.start : '', group: own.pid! }
  const carries = start(t, 'sleep', ['60'], { ...marked, detached: true }).pid!
  const stranger = start(t, 'sleep', ['60'], { env: bareEnv(), detached: true }).pid!
  const all = () => linux.kin(leader, id)
  await until(() => all().length === 4 && all().some(({ inGroup, carriesLaunchId }) => !inGroup && !carriesLaunchId), 'the launch to have four processes')
  const told = (pid: number) => linux.kin(leader, id, pid).find((one) => one.pid === pid)
  for (const one of all()) t.same(told(one.pid), one)
  t.ok(told(carries))
  for (const pid of [stranger, process.pid, 1, 2 ** 22]) t.equal(told(pid), undefined)

  const reads = (): number => Number(/^syscr: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))![1])
  const costs = (): number => {
    const before = reads()
    told(stranger)
    return reads() - before
  }
  const few = costs()
  for (let n = 0; n < 40; n++) start(t, 'sleep', ['60'], { env: bareEnv(), detached: true })
  t.equal(costs(), few, 'forty processes more')
})
