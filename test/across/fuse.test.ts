/**
 * The fuse with real processes: promise 2 over hosts, never two running. A steward that is killed, frozen or silent takes its server along,
 * what has left its group as well.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { allProcesses, isAlive, onLinux, processesIn, processesWith, stateOf } from '../support/processes.js'
import { bareEnv, start } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { newLaunchId, sleepsOf, startFused, zombiesOf } from './fused.js'

/** Ignores each signal that can be ignored. */
const STUBBORN = ["trap '' HUP INT QUIT TERM USR1 USR2; while :; do sleep 600; done"]
const LONG = 60_000

const ended = (group: number): Promise<unknown> => until(() => processesIn(group).length === 0, 'all of the group to end')

t.test('a steward that is killed takes a server along that ignores each signal', onLinux, async (t) => {
  const fused = await startFused(t)
  t.equal(await fused.ask(`arm ${LONG}`), 'armed')
  const server = await fused.runs('/bin/sh', ['-c', ...STUBBORN])
  t.ok(isAlive(server))
  fused.child.kill('SIGKILL')
  await ended(fused.pid)
})

t.test('a steward that is frozen ends with its server at the instant that was armed last', onLinux, async (t) => {
  const fused = await startFused(t)
  const server = await fused.runs('/bin/sh', ['-c', ...STUBBORN])
  t.equal(await fused.ask(`arm ${LONG}`), 'armed')
  t.equal(await fused.ask('arm 700'), 'armed', 'an earlier instant counts as well')
  fused.child.kill('SIGSTOP')
  await fused.exited
  await ended(fused.pid)
  t.notOk(isAlive(server))
})

t.test('an instant that a later one has replaced burns nothing', onLinux, async (t) => {
  const fused = await startFused(t)
  const server = await fused.runs('sleep', ['600'])
  t.equal(await fused.ask('arm 300'), 'armed')
  t.equal(await fused.ask(`arm ${LONG}`), 'armed')
  const first = performance.now()
  await until(() => performance.now() - first > 600, 'the first instant to pass')
  t.ok(isAlive(server))
  await until(() => sleepsOf(fused.pid) === 1, 'one timer')
})

t.test('an instant that has passed burns at once', onLinux, async (t) => {
  const fused = await startFused(t)
  fused.child.stdin!.write('begin -1000\n')
  await ended(fused.pid)
})

t.test('hundreds of renewals leave no timer and no zombie behind', onLinux, async (t) => {
  const fused = await startFused(t)
  t.equal(await fused.ask('many 300'), 'armed')
  await until(() => sleepsOf(fused.pid) === 1 && zombiesOf(fused.pid) <= 4, 'one sleep to be left, and the last zombies')
  t.ok(processesIn(fused.pid).length <= 5, `${processesIn(fused.pid).length} processes: the steward, the fuse, a timer and its sleep`)
})

t.test('what stops the server stops no fuse', onLinux, async (t) => {
  for (const signal of ['TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2'] as const) {
    const fused = await startFused(t)
    t.equal(await fused.ask(`arm ${LONG}`), 'armed')
    process.kill(-fused.pid, `SIG${signal}`)
    t.equal(await fused.ask(`arm ${LONG}`), 'armed', signal)
    t.equal(await fused.ask('isGone'), 'false', signal)
    fused.child.kill('SIGKILL')
    await ended(fused.pid)
  }
})

t.test('a fuse that is frozen says nothing, and goes on when it is thawed', onLinux, async (t) => {
  const fused = await startFused(t)
  const fuse = Number(await fused.ask('fuse'))
  process.kill(fuse, 'SIGSTOP')
  await until(() => stateOf(fuse) === 'T', 'the fuse to be frozen')
  // The answers come in the order of the orders, so `sent` alone comes.
  fused.child.stdin!.write(`arm ${LONG}\n`)
  t.equal(await fused.ask('isGone'), 'false', 'the answer to a later order comes first')
  process.kill(fuse, 'SIGCONT')
  t.equal(await fused.line(), 'armed')
})

t.test('a fuse that is killed shows', onLinux, async (t) => {
  const fused = await startFused(t)
  const fuse = Number(await fused.ask('fuse'))
  process.kill(fuse, 'SIGKILL')
  t.equal(await fused.ask('gone'), 'gone')
})

t.test('what sweeps the strays and is killed shows as well', onLinux, async (t) => {
  const launch = newLaunchId()
  const fused = await startFused(t, launch)
  const sweeper = allProcesses().find(({ command, group }) => group !== fused.pid && command.includes(` one-server ${launch} `))!
  process.kill(sweeper.pid, 'SIGKILL')
  t.equal(await fused.ask('gone'), 'gone')
})

const MARK = (launch: string): { ONE_SERVER_LAUNCH_ID: string } => ({ ONE_SERVER_LAUNCH_ID: launch })
const carriers = (launch: string): number[] => processesWith(`ONE_SERVER_LAUNCH_ID=${launch}`) ?? []

for (const how of ['killed', 'frozen']) {
  t.test(`a server in a session of its own ends with a steward that is ${how}`, onLinux, async (t) => {
    const launch = newLaunchId()
    const fused = await startFused(t, launch)
    const server = await fused.runs(process.execPath, ['-e', 'setInterval(() => {}, 1000); process.on("SIGTERM", () => {})'], { env: MARK(launch), detached: true })
    t.equal(await fused.ask(`arm ${how === 'frozen' ? 500 : LONG}`), 'armed')
    fused.child.kill(how === 'frozen' ? 'SIGSTOP' : 'SIGKILL')
    await ended(fused.pid)
    await until(() => !isAlive(server), 'the server to end')
    t.strictSame(carriers(launch), [])
  })
}

for (const [where, descriptors] of [['stdin', '<&9 9>&-'], ['descriptor 9', '</dev/null']] as const) {
  t.test(`a daemon that erases its environment is known by the stdin of the launch, which it holds as ${where}`, onLinux, async (t) => {
    const launch = newLaunchId()
    const folder = join(tempFolder(t), 'p.d', 'host')
    mkdirSync(folder, { recursive: true })
    const fifo = join(folder, `${launch}.stdin`)
    spawnSync('mkfifo', [fifo])
    const fused = await startFused(t, launch)
    // The descriptor is a name that has been removed, as the gate does it.
    const server = await fused.runs('/bin/sh', ['-c', `exec 9<>'${fifo}'; rm -f '${fifo}'; exec env -i /bin/sleep 600 ${descriptors}`], { detached: true })
    await until(() => allProcesses().some(({ pid, command }) => pid === server && command.includes('/bin/sleep 600')), 'it to hold its descriptor')
    fused.child.kill('SIGKILL')
    await until(() => !isAlive(server), 'the server to end')
  })
}

t.test('nobody else is touched: a longer id, the id in another variable, in an argument', onLinux, async (t) => {
  const launch = newLaunchId()
  const env = bareEnv()
  const others = [
    start(t, 'sleep', ['600'], { env: { ...env, ONE_SERVER_LAUNCH_ID: `${launch}0` } }),
    start(t, 'sleep', ['600'], { env: { ...env, OTHER: `ONE_SERVER_LAUNCH_ID=${launch}` } }),
    start(t, 'sleep', ['600'], { env: { ...env, OTHER: `\nONE_SERVER_LAUNCH_ID=${launch}\n` } }),
    start(t, process.execPath, ['-e', 'setInterval(() => {}, 1e6)', `ONE_SERVER_LAUNCH_ID=${launch}`]),
  ]
  const fused = await startFused(t, launch)
  fused.child.kill('SIGKILL')
  await ended(fused.pid)
  await until(() => !allProcesses().some(({ command, state }) => state !== 'Z' && command.includes(` one-server ${launch} `)), 'the look at strays to end')
  t.ok(others.every(({ pid }) => isAlive(pid!)))
})

t.test('a daemon that forks while it is looked for', onLinux, async (t) => {
  const launch = newLaunchId()
  const fused = await startFused(t, launch)
  await fused.runs('/bin/sh', ['-c', 'i=0; while [ "$i" -lt 300 ]; do sh -c "sleep 600" & i=$((i + 1)); done; wait'], { env: MARK(launch), detached: true })
  await until(() => carriers(launch).length > 10, 'it to fork')
  fused.child.kill('SIGKILL')
  await until(() => carriers(launch).length === 0, 'all of them to end')
})

const isRoot = process.getuid?.() === 0

/** What the limit of processes counts of a user. */
const tasksOf = (uid: number): number => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).reduce((sum, pid) => {
  try {
    return statSync(`/proc/${pid}`).uid === uid ? sum + readdirSync(`/proc/${pid}/task`).length : sum
  } catch {
    return sum
  }
}, 0)

for (const [what, room] of [['', 0], [', also where there is room for a timer and not for its sleep', 1]] as const) {
  t.test(`in a process table that is full there is no answer, and the fuse ends${what}`, { skip: onLinux.skip || (isRoot ? false : 'needs root, to be a user that runs nothing else') }, async (t) => {
    // A user of its own has no other processes, so its limit counts these alone. RLIMIT_NPROC binds no root.
    const uid = 64_000 + (process.pid % 1000)
    const fused = await startFused(t, newLaunchId(), undefined, { uid, gid: uid })
    t.equal(await fused.ask(`arm ${LONG}`), 'armed')
    const fuse = Number(await fused.ask('fuse'))
    const most = tasksOf(uid) + room
    const limits = await fused.runs('prlimit', ['--pid', String(fuse), `--nproc=${most}:${most}`])
    await until(() => !isAlive(limits), 'the limit to be set')
    t.match(readFileSync(`/proc/${fuse}/limits`, 'utf8'), new RegExp(`^Max processes\\s+${most} `, 'm'))
    fused.child.stdin!.write(`arm ${LONG}\n`)
    t.equal(await fused.ask('gone'), 'gone', 'no answer but this one')
    // A shell that was forked shows as its `sleep` once it has become it.
    await until(() => sleepsOf(fused.pid) === 1, 'the timer that was there to be seen')
    // It would end what is left of the group at its instant.
    process.kill(-fused.pid, 'SIGKILL')
  })
}
