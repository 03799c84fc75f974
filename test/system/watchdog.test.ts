/** The watch by itself: what wakes it, whom it leaves the looking to, and what it runs in the end. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, openSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { watchOver } from '../../lib/system/watchdog.js'
import { isAlive } from '../support/clients.js'
import { library, run, start, startSpeaking } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { allProcesses, commandOf, lookAt } from '../support/processes.js'

const NODE = process.execPath
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
  return {
    folder, root, program, ran: () => readdirSync(root).includes('ran'),
    watch: (idleTimeout = 0, patience?: Parameters<typeof watchOver>[1]) => watchOver({
      pidFile: '/nowhere/s.pid', folder, launchId: LAUNCH, leader: { pid: 7, start: '5' }, lease: LEASE, idleTimeout, stopTimeout: 0,
    }, patience),
  }
}

const startOf = (pid: number): string => {
  const look = lookAt(pid)
  return 'start' in look ? look.start : '5'
}

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

t.test('where another lease or watchdog holds the launch, the launch is left to it', async (t) => {
  for (const kind of ['lease', 'watch']) {
    const { folder, ran, watch } = aFolder(t)
    writeFileSync(join(folder, `${OTHER}.${LAUNCH}.${process.pid}.${startOf(process.pid)}.${kind}`), '')
    const { id, letGo } = await watch()
    letGo()
    await over(id.pid)
    t.notOk(ran(), kind)
  }
})

t.test('a zombie, a process that is gone, a recycled number and the holder of another launch hold nothing', async (t) => {
  const { folder, ran, watch } = aFolder(t)
  // A shell that does not wait for its child leaves a zombie for as long as it lives itself.
  const parent = start(t, '/bin/sh', ['-c', 'true & exec sleep 600'])
  const zombie = await until(() => allProcesses().find(({ state, parent: of }) => state === 'Z' && of === parent.pid)?.pid, 'a zombie')
  for (const [pid, launch] of [[zombie, LAUNCH], [2 ** 22, LAUNCH], [process.pid, OTHER]] as const) writeFileSync(join(folder, `${OTHER}.${launch}.${pid}.${startOf(pid)}.lease`), '')
  writeFileSync(join(folder, `${OTHER}.${LAUNCH}.${process.pid}.5.lease`), '')
  const { id, letGo } = await watch()
  letGo()
  await over(id.pid)
  t.ok(ran())
})

t.test('it does not run the reaper over what is pinned; that a claim has gone shows nothing, so there the reaper looks', async (t) => {
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
  t.ok(ended.ran(), 'without a claim')
})

t.test('a reaper that hangs is ended, one that fails is not the last, and once it has done its work no other follows', async (t) => {
  const { root, program, watch } = aFolder(t)
  const tries = join(root, 'tries')
  // Node hangs, is ended by a signal or fails, in whatever way; the fourth attempt succeeds.
  writeFileSync(program, `#!/bin/sh\necho $$ >>'${tries}'; case $(wc -l <'${tries}') in 1) exec sleep 600 ;; 2) kill -ABRT $$ ;; 3) exit 1 ;; esac\n`, { mode: 0o755 })
  const { id, letGo } = await watch(0, { starter: 5, attempt: 1, again: 0 })
  letGo()
  await until(() => !isAlive(id.pid), 'the watch to end')
  const pids = readFileSync(tries, 'utf8').trim().split('\n').map(Number)
  t.equal(pids.length, 4)
  t.notOk(pids.some(isAlive), 'the one that hung has ended')
})

t.test('a reaper that fails is not tried again when the launch is gone or held again', async (t) => {
  for (const now of ['gone', 'held']) {
    const { folder, root, program, watch } = aFolder(t)
    const tries = join(root, 'tries')
    const leave = now === 'gone' ? `rm '${join(folder, `${LAUNCH}.7.5.7.claim`).replaceAll("'", String.raw`'\''`)}'` : `ln '${tries}' '${join(folder, `${OTHER}.${LAUNCH}.${process.pid}.${startOf(process.pid)}.lease`).replaceAll("'", String.raw`'\''`)}'`
    writeFileSync(program, `#!/bin/sh\necho $$ >>'${tries}'; ${leave}; exit 1\n`, { mode: 0o755 })
    const { id, letGo } = await watch(0, { starter: 5, attempt: 60, again: 0 })
    letGo()
    await over(id.pid)
    t.equal(readFileSync(tries, 'utf8').trim().split('\n').length, 1, now)
  }
})

t.test('a Node that is removed while it waits is looked for in the PATH', async (t) => {
  const { folder, root, program, ran, watch } = aFolder(t)
  const { PATH } = process.env
  process.env['PATH'] = `${join(root, 'updated')}${delimiter}${PATH}`
  t.teardown(() => { process.env['PATH'] = PATH })
  const { id, letGo } = await watch(500)
  const file = join(folder, `${LEASE}.${LAUNCH}.${id.pid}.${id.start}.watch`)
  writeFileSync(file, '')
  utimesSync(file, 1, 1)
  letGo()
  await until(() => statSync(file).mtimeMs > 1000, 'it to wait')
  mkdirSync(join(root, 'updated'))
  renameSync(program, join(root, 'updated', 'node'))
  await over(id.pid)
  t.ok(ran())
})

t.test('a client that was blocked while the watch said who it is has a watch', async (t) => {
  const { watch } = aFolder(t)
  // What follows an immediate are the timers.
  await new Promise(setImmediate)
  const watching = watch(0, { starter: 0.1, attempt: 60, again: 1 })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  const { id, dismiss } = await watching
  t.ok(isAlive(id.pid))
  dismiss()
  await over(id.pid)
})

/** The folder of a `libc` that the loader cannot read. /bin/sh finds it by LD_LIBRARY_PATH, one of the two variables that a watchdog inherits. */
const brokenLibraries = (t: Pick<Test, 'teardown'>, kind: 'no library' | 'a FIFO'): string => {
  const folder = tempFolder(t)
  const file = join(folder, 'libc.so.6')
  if (kind === 'a FIFO') spawnSync('mkfifo', [file])
  else writeFileSync(file, '')
  return folder
}

const isBreakable = spawnSync('/bin/sh', ['-c', 'true'], { env: { LD_LIBRARY_PATH: brokenLibraries(t, 'no library') } }).status === 127

t.test('a client that is given no watchdog is not held, and nothing of it is left', { skip: isBreakable ? false : '/bin/sh needs no libc.so.6 here' }, async (t) => {
  const plan = { pidFile: '/nowhere/s.pid', folder: tempFolder(t), launchId: LAUNCH, lease: LEASE, idleTimeout: 0, stopTimeout: 0 }
  const libraries = (kind: 'no library' | 'a FIFO'): string => `process.env.LD_LIBRARY_PATH = ${JSON.stringify(brokenLibraries(t, kind))}; await attempt()`
  for (const [what, attempts] of [
    ['a shell that cannot begin', libraries('no library')],
    ['a shell that never says who it is', libraries('a FIFO')],
    ['too few descriptors, at any step', `
      for (let left = 0; left <= 9; left++) {
        const files = []
        try { for (;;) files.push(openSync('/dev/null')) } catch {}
        for (let one = 0; one < left; one++) closeSync(files.pop())
        await attempt()
        for (const file of files) closeSync(file)
      }`],
  ] as const) {
    const { stdout, stderr } = await run(t, '/bin/sh', ['-c', 'ulimit -n 300; exec "$0" "$@"', NODE, '--input-type=module', '--eval', `
      import { closeSync, openSync, readFileSync } from 'node:fs'
      import { watchOver } from ${JSON.stringify(library('system/watchdog.js'))}
      const told = new Set()
      const attempt = async () => {
        const watchdog = await watchOver(${JSON.stringify(plan)}, { starter: 0.1, attempt: 60, again: 1 }).catch(({ code }) => { told.add(code) })
        watchdog?.dismiss()
      }
      ${attempts}
      const children = () => readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8')
      let looks = 0
      while (children() !== '' && looks++ < 2000) await new Promise((resolve) => setTimeout(resolve, 5))
      const end = (how) => { console.log(JSON.stringify({ how, told: [...told], children: children() })) }
      process.once('beforeExit', () => end('by itself'))
      const timer = setInterval(() => { if (looks++ > 2000) { end('held by ' + process.getActiveResourcesInfo()); process.exit() } }, 5).unref()`])
    t.equal(stderr, '', what)
    t.same(JSON.parse(stdout || '{}'), { how: 'by itself', told: ['STATE_UNUSABLE'], children: '' }, what)
  }
})

const NOBODY = 54_321
const limits = process.getuid?.() === 0 && spawnSync('prlimit', ['--version']).status === 0 && spawnSync('perl', ['-v']).status === 0

t.test('a watch that cannot fork goes on when it can again', { skip: limits ? false : 'root has another user, and perl waits' }, async (t) => {
  const { folder, root, program, ran } = aFolder(t)
  for (const path of [root, folder]) chownSync(path, NOBODY, NOBODY)
  chmodSync(root, 0o755)
  const text = `
    import { watchOver } from ${JSON.stringify(library('system/watchdog.js'))}
    process.execPath = ${JSON.stringify(program)}
    const { id } = await watchOver({ pidFile: '/nowhere/s.pid', folder: ${JSON.stringify(folder)}, launchId: '${LAUNCH}', leader: { pid: 7, start: '5' }, lease: '${LEASE}', idleTimeout: 0, stopTimeout: 0 }, { starter: 5, attempt: 60, again: 1 })
    console.log(id.pid)
    process.stdin.resume()`
  const { child, line } = startSpeaking(t, NODE, ['--input-type=module', '--eval', text], { uid: NOBODY, gid: NOBODY })
  const pid = Number(await line())
  const allow = (processes: string) => t.equal(spawnSync('prlimit', [`--pid=${pid}`, `--nproc=${processes}:`], { uid: NOBODY, gid: NOBODY }).status, 0)
  allow('0')
  child.kill('SIGKILL')
  // Where sh is bash it tries for 15 s by itself.
  await until(() => commandOf(pid).startsWith(' perl '), 'it to wait otherwise')
  t.notOk(ran())
  allow('1000')
  await over(pid)
  t.ok(ran())
})

t.test('a descriptor that began to leak after the first watchdog reaches no later one', async (t) => {
  const { root, folder } = aFolder(t)
  const text = `
    import { readlinkSync, readdirSync } from 'node:fs'
    const { launching } = await import(${JSON.stringify(library('system/platform/current.js'))})
    const { watchOver } = await import(${JSON.stringify(library('system/watchdog.js'))})
    const watch = () => watchOver({ pidFile: '/nowhere/s.pid', folder: ${JSON.stringify(folder)}, launchId: '${LAUNCH}', leader: { pid: 7, start: '5' }, lease: '${LEASE}', idleTimeout: 0, stopTimeout: 0 })
    let looks = 0
    const look = launching.leakingDescriptors
    // As if it had not been there at the first look.
    launching.leakingDescriptors = (least) => (looks++ === 0 ? [] : look(least))
    for (let n = 0; n < 3; n++) {
      const { id } = await watch()
      const held = readdirSync('/proc/' + id.pid + '/fd').map((fd) => {
        // A shell that begins closes some of them just now.
        try { return readlinkSync('/proc/' + id.pid + '/fd/' + fd) } catch { return '' }
      })
      console.log(held.includes(${JSON.stringify(join(root, 'flock'))}), looks)
    }
    process.exit()`
  // Node marks the first sixteen descriptors that it was given, and those right behind them: only one behind a gap leaks.
  const flock = openSync(join(root, 'flock'), 'w')
  t.teardown(() => closeSync(flock))
  const stdio = Array.from({ length: 41 }, (_, fd) => (fd === 1 ? 'pipe' : fd === 40 ? flock : 'ignore') as 'pipe' | 'ignore' | number)
  const { stdout } = spawnSync(NODE, ['--input-type=module', '-e', text], { encoding: 'utf8', stdio })
  t.equal(stdout, 'false 2\nfalse 2\nfalse 2\n')
})
