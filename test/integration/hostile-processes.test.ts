/**
 * Whomever a *number* names that lies where our state should be, in the PID file, in a record or in the
 * name of a claim: init, this process, its parent, a thread, a zombie, somebody else's. Promise 4: none
 * of them is signalled, and each call ends in a working server or in a clear error.
 *
 * That a process was not signalled is seen, not inferred from its being alive: the strangers here block
 * every signal that can be blocked, so that one which was sent to them, or to their group, stays pending
 * in /proc; and this process listens. A claim that names a live process by its true start time, and is
 * not ours, can only be forged: whoever calls stop on it means it, so that is not called here.
 */
import { execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pathsOf } from '../../lib/paths.js'
import type { Leader } from '../../lib/system/system.js'
import { client, failureOf, isAlive, place, stateOf, statusOf, type Place } from '../support/clients.js'
import { aRecord } from '../support/a-record.js'
import { until } from '../support/until.js'
import { commandOf, groupOf, hostName, lookAt, onLinux } from '../support/processes.js'

const isRoot = process.getuid?.() === 0
const NOBODY = 65534
const needsRoot = isRoot ? false : 'only root can start a process of another user'

/** They differ from the first digits on, as those of random ids do. */
const idOf = (number: number): string => number.toString(16).padStart(4, '0').padEnd(16, 'f')

const leaderOf = (pid: number): Leader => {
  const look = lookAt(pid)
  if (!('start' in look)) throw new Error(`PID ${pid} is ${look.state}`)
  // A zombie's group is somebody else's: that of whoever has left it one.
  return { pid, start: look.start, group: look.state === 'zombie' ? pid : groupOf(pid) ?? pid }
}

/** Signals that this process has got since the file began. */
const received: string[] = []
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGCONT', 'SIGUSR2', 'SIGALRM'] as const) process.on(signal, () => received.push(signal))

/** A process of its own group that keeps every signal which is sent to it. */
const watched = async (t: Test, identity: SpawnOptions = {}): Promise<number> => {
  const child = spawn('env', ['--block-signal', 'sleep', '600'], { stdio: 'ignore', detached: true, ...identity })
  t.teardown(() => { child.kill('SIGKILL') })
  await until(() => commandOf(child.pid!).startsWith(' sleep '), 'env(1) of GNU to block the signals')
  return child.pid!
}

const zombie = async (t: Test): Promise<number> => {
  const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => { parent.kill('SIGKILL') })
  const pid = Number(await new Promise<Buffer>((resolve) => { parent.stdout.once('data', resolve) }))
  await until(() => stateOf(pid) === 'Z', 'a zombie')
  return pid
}

const thread = (): number => Number(readdirSync(`/proc/${process.pid}/task`).find((id) => id !== String(process.pid)))

interface Somebody {
  readonly name: string
  readonly make: (t: Test) => number | Promise<number>
  /** A bare number, which bears no start time, may mean it: it is a process, and it lives. */
  readonly isProcess: boolean
  /** Everything that is sent to it is seen. */
  readonly isWatched?: true
  readonly skip?: string | false
}

const SOMEBODIES: readonly Somebody[] = [
  { name: 'init', make: () => 1, isProcess: true },
  { name: 'this very process', make: () => process.pid, isProcess: true, isWatched: true },
  { name: 'its parent', make: () => process.ppid, isProcess: true, skip: process.ppid < 2 && 'that is init, as in a container' },
  { name: 'one of its threads', make: thread, isProcess: false, skip: onLinux.skip },
  { name: 'a zombie', make: zombie, isProcess: false },
  { name: "somebody's process", make: watched, isProcess: true, isWatched: true },
  { name: "another user's process", make: (t) => watched(t, { uid: NOBODY, gid: NOBODY }), isProcess: true, isWatched: true, skip: needsRoot },
]

/** Fails when the process was signalled. */
const untouched = (t: Test, pid: number, name: string): void => {
  t.same(received, [], 'this process was not signalled')
  if (name === 'a zombie') return
  t.ok(isAlive(pid) || lookAt(pid).state === 'running', `${name} lives`)
  if (pid === 1 || pid === process.ppid || onLinux.skip !== false) return
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  t.same(status.match(/^(SigPnd|ShdPnd):.*$/gm), ['SigPnd:\t0000000000000000', 'ShdPnd:\t0000000000000000'], `${name} was not signalled`)
}

const pictureOf = (path: string): string => {
  const { mode, uid, mtimeMs, ino } = lstatSync(path)
  return JSON.stringify({ mode, uid, mtimeMs, ino, text: readFileSync(path, 'latin1') })
}

/** The folder of the claims. */
const folderOf = (here: Place): string => {
  const { host } = pathsOf(here.pidFile, hostName)
  mkdirSync(host, { recursive: true, mode: 0o700 })
  return host
}

const comesUp = async (t: Test, here: Place): Promise<void> => {
  t.match(await here.manager('healthy').ensureServerRunning(), { started: true }, 'a server comes up')
  t.equal(await here.manager('healthy').stopServer(), true)
  t.same(here.alive(), [])
}

/** ms for which a call waits for a server that is not going to answer. */
const SHORT = 300

t.test('the PID file names, by its number,', async (t) => {
  t.jobs = 4
  for (const { name, make, isProcess, skip } of SOMEBODIES) {
    void t.test(name, { skip: skip ?? false }, async (t) => {
      const here = place(t)
      const pid = await make(t)
      writeFileSync(here.pidFile, `${pid}\n`)
      const manager = here.manager('healthy', { startupTimeout: SHORT })
      const before = pictureOf(here.pidFile)
      t.match(await manager.status(), { state: isProcess ? 'unhealthy' : 'stopped' })
      t.equal(await manager.isServerRunning(), isProcess)
      if (isProcess) {
        t.match(await failureOf(manager.ensureServerRunning()), { name: 'OneServerError', code: 'SERVER_UNHEALTHY', pid, message: here.pidFile })
        t.equal(await manager.stopServer(), false, 'it is not ours to stop')
        t.equal(pictureOf(here.pidFile), before, 'the file was not touched')
      } else {
        t.notOk(existsSync(here.pidFile), 'which goes')
      }
      t.same(here.starts(), [])
      untouched(t, pid, name)
    })
  }

  void t.test('somebody who has got the number since: the file is older', async (t) => {
    const here = place(t)
    const pid = await watched(t)
    writeFileSync(here.pidFile, `${pid}\n`)
    const before = new Date(Date.now() - 3_600_000)
    utimesSync(here.pidFile, before, before)
    await comesUp(t, here)
    here.nothingLeft(t)
    untouched(t, pid, 'somebody')
  })

  void t.test('somebody, in a file from the future', async (t) => {
    const here = place(t)
    const pid = await watched(t)
    writeFileSync(here.pidFile, `${pid}\n`)
    const later = new Date(Date.now() + 3_600_000)
    utimesSync(here.pidFile, later, later)
    t.match(await failureOf(here.manager('healthy', { startupTimeout: SHORT }).ensureServerRunning()), { code: 'SERVER_UNHEALTHY', pid })
    untouched(t, pid, 'somebody')
  })
})

t.test('the PID file names, in a record of ours with its true start time,', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  for (const { name, make, isWatched, skip } of SOMEBODIES) {
    await t.test(name, { skip: skip ?? false }, async (t) => {
      const leader = leaderOf(await make(t))
      // Our record of init does not exist: it is not judged at all.
      const record = aRecord({ ...leader, keeper: leader, launcher: leader, host: hostName, launch: idOf(1) })
      writeFileSync(here.pidFile, `${leader.pid}\n${JSON.stringify(record)}\n`)
      if (leader.pid === 1 || leader.group < 2) {
        t.match(await failureOf(manager.isServerRunning()), { code: 'STATE_UNUSABLE', message: here.pidFile })
        t.match(await failureOf(manager.stopServer()), { code: 'STATE_UNUSABLE', message: here.pidFile })
        rmSync(here.pidFile)
      } else {
        // It does not carry the launch id, so it was not launched as this.
        t.equal(isWatched ? await manager.stopServer() : await manager.isServerRunning(), false)
        here.nothingLeft(t)
      }
      t.same(here.starts(), [])
      untouched(t, leader.pid, name)
    })
  }
})

t.test('claims of all of them whose numbers are recycled are over, and a server comes up', async (t) => {
  const here = place(t)
  const folder = folderOf(here)
  const leaders: [Somebody, Leader][] = []
  for (const somebody of SOMEBODIES) if (!somebody.skip) leaders.push([somebody, leaderOf(await somebody.make(t))])
  const traces: string[] = []
  for (const [index, [{ isWatched }, { pid, start }]] of leaders.entries()) {
    // A tick earlier is another process. (None that was there later can have had the number: that would be nobody's.)
    for (const [number, other] of pid === 1 ? [] : [BigInt(start) - 1n, 5n].entries()) {
      const id = idOf(index * 16 + number)
      writeFileSync(join(folder, `${id}.${pid}.${other}.${pid}.claim`), 'garbage')
      // Whoever is said to be ended would be the first to be signalled, and not all would survive that.
      for (const mark of ['gate', 'ready', ...(isWatched ? ['ended'] : [])]) writeFileSync(join(folder, `${id}.${mark}`), 'garbage')
    }
    // What a process is writing that lives is its own.
    if (stateOf(pid) !== 'Z') traces.push(`${idOf(index)}.${pid}.${start}.tmp`)
  }
  for (const name of traces) writeFileSync(join(folder, name), '')
  await comesUp(t, here)
  t.same(readdirSync(folder).toSorted(), traces.toSorted(), 'of all that only the files of the living are left')
  for (const [{ name }, { pid }] of leaders) untouched(t, pid, name)
})

t.test('a claim with garbage in it names', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  for (const [index, { name, make, skip }] of SOMEBODIES.entries()) {
    // What names init is no claim, see below.
    if (name === 'init') continue
    await t.test(name, { skip: skip ?? false }, async (t) => {
      const { pid, start, group } = leaderOf(await make(t))
      const path = join(folderOf(here), `${idOf(index)}.${pid}.${start}.${Math.max(group, 2)}.claim`)
      writeFileSync(path, '{"format":1,"pid":')
      if (name === 'a zombie') return comesUp(t, here)
      // Without it a watch would be set, and the last words of this test were that its own parent is ended for being idle.
      const pinned = join(folderOf(here), `${idOf(index)}.pin`)
      writeFileSync(pinned, '')
      const before = pictureOf(path)
      t.match(await manager.status(), { state: 'unhealthy', pid })
      t.equal(await manager.isServerRunning(), true)
      t.match(await failureOf(manager.ensureServerRunning()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: path })
      if (pid === process.pid) {
        const { error } = await client(t, here, here.options('healthy')).ended
        t.match(error, { name: 'OneServerError', code: 'STATE_UNUSABLE', message: path }, 'nor the parent of a client')
      }
      t.equal(pictureOf(path), before, 'it was not touched')
      untouched(t, pid, name)
      for (const file of [path, pinned]) rmSync(file)
    })
  }
  t.equal(here.starts().length, 1, 'nothing was started but in spite of the zombie')
})

t.test('a claim with garbage in it, which nobody has pinned, is not watched: the watch would end whom it names', async (t) => {
  const here = place(t)
  const folder = folderOf(here)
  const { pid, start, group } = leaderOf(await watched(t))
  const claim = `${idOf(1)}.${pid}.${start}.${group}.claim`
  writeFileSync(join(folder, claim), 'garbage')
  t.equal(await here.manager('healthy', { idleTimeout: 1 }).isServerRunning(), true)
  t.same(readdirSync(folder), [claim])
  untouched(t, pid, 'somebody')
})

t.test('a claim of a dead process whose group is somebody’s: that is not ours to judge, and it is said', async (t) => {
  const here = place(t)
  const { pid: group, start } = leaderOf(await watched(t))
  const dead = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
  const path = join(folderOf(here), `${idOf(1)}.${dead}.${BigInt(start) + 1n}.${group}.claim`)
  writeFileSync(path, 'garbage')
  t.match(await failureOf(here.manager('healthy').ensureServerRunning()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: path })
  t.ok(existsSync(path))
  t.same(here.starts(), [])
  untouched(t, group, 'somebody')
})

/** A lease, or a watch, on what runs here, of a process that has no part in it. */
const holdOf = (here: Place, number: number, { pid, start }: Pick<Leader, 'pid' | 'start'>, kind: 'lease' | 'watch'): void => {
  const folder = folderOf(here)
  const launch = readdirSync(folder).find((name) => name.endsWith('.claim'))!.slice(0, 16)
  writeFileSync(join(folder, `${idOf(number)}.${launch}.${pid}.${start}.${kind}`), 'garbage')
}

t.test('leases and watches of all of them hold the server, as they say, and a stop ends it and nobody else', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', { idleTimeout: 1 })
  const lease = await manager.acquire()
  const leaders: [string, Leader][] = []
  for (const { name, make, skip } of SOMEBODIES) if (!skip) leaders.push([name, leaderOf(await make(t))])
  for (const [index, [, leader]] of leaders.entries()) for (const kind of ['lease', 'watch'] as const) holdOf(here, index, leader, kind)
  await lease.release()
  const { state, leases } = await statusOf(manager)
  const living = leaders.filter(([name]) => name !== 'a zombie').map(([, { pid }]) => pid)
  t.same({ state, pids: leases.map(({ pid }) => pid).toSorted() }, { state: 'ready', pids: living.toSorted() })
  t.equal(await manager.stopServer({ ifIdle: true }), false, 'who asks for the idle is told that it is not')
  t.equal(await manager.stopServer(), true)
  for (const [name, { pid }] of leaders) untouched(t, pid, name)
})

t.test('a lease whose number is recycled holds nothing', async (t) => {
  const here = place(t)
  const lease = await here.manager('healthy', { idleTimeout: 1 }).acquire()
  const pid = await watched(t)
  holdOf(here, 1, { pid, start: '5' }, 'lease')
  await lease.release()
  await until(() => here.alive().length === 0, 'the watch to end the server')
  untouched(t, pid, 'somebody')
})

t.test('names that are no claims are not judged', async (t) => {
  const here = place(t)
  const folder = folderOf(here)
  const { start } = leaderOf(process.pid)
  const names = [
    `${idOf(1)}.0.0.0.claim`, `${idOf(1)}.-1.${start}.-1.claim`, `${idOf(1)}.-${process.pid}.${start}.${process.pid}.claim`, `${idOf(1)}.0${process.pid}.${start}.${process.pid}.claim`,
    `${idOf(1)}.99999999999.${start}.2.claim`, `${idOf(1)}.${process.pid}.claim`, 'claim.claim', '.claim', `${idOf(1).toUpperCase()}.${process.pid}.${start}.${process.pid}.claim`,
  ]
  for (const name of names) writeFileSync(join(folder, name), 'x')
  t.equal(await here.manager('healthy').isServerRunning(), false)
  await comesUp(t, here)
  t.same(readdirSync(folder).toSorted(), names.toSorted(), 'and stay')
  t.same(received, [])
})

t.test('a claim of init, or of the process group 1, is none', async (t) => {
  for (const [pid, group] of [[1, 2], [1, 1], [await watched(t), 1]] as const) {
    const here = place(t)
    const path = join(folderOf(here), `${idOf(1)}.${pid}.${leaderOf(pid).start}.${group}.claim`)
    writeFileSync(path, '')
    t.match(await here.manager('healthy').status(), { state: 'stopped' }, path)
    await comesUp(t, here)
    t.ok(existsSync(path))
  }
})

t.test('a server that may not be signalled, such as one that has become root, is said', { skip: needsRoot }, async (t) => {
  const here = place(t)
  const path = folderOf(here)
  for (const folder of [here.folder, join(path, '..'), path]) execFileSync('chown', [String(NOBODY), folder])
  const { pid, start } = leaderOf(await watched(t))
  writeFileSync(join(path, `${idOf(1)}.${pid}.${start}.${pid}.claim`), '')
  const { error } = await client(t, here, here.options('healthy'), { uid: NOBODY, method: 'stopServer' }).ended
  t.match(error, { name: 'OneServerError', pid, message: /operation not permitted/ })
  rmSync(path, { recursive: true })
})
