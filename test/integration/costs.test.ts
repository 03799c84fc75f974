/**
 * What a call costs, counted and not timed: files that are loaded, looks at files and processes, requests. The bench
 * tells how long that takes; here a step that slips into the path of every client is seen at once, on any machine.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import { nodeSystem } from '../../lib/node-system.js'
import type { System } from '../../lib/system/system.js'
import { client, fixture, isAlive, place, resultOf, type Ended, type Place } from '../support/clients.js'
import { run } from '../support/child.js'
import { until } from '../support/until.js'

const PACKAGE = new URL('../../../dist/', import.meta.url)

/** The calls by which a client looks at or changes a file or a process, in their order. */
const callsOf = ({ stderr }: Pick<Ended, 'stderr'>): string[] => stderr.split('\n').flatMap((line) => /^call \d+ (.*)$/.exec(line)?.[1] ?? [])

const COUNTING = { nodeArgs: ['--import', fixture('kill-before-call')] }

const TELLING = { nodeArgs: ['--import', fixture('tell-requests')] }

/** When a client sent a request, up to its result: what it asks after that, it asks for the test. */
const requestsOf = (ended: Ended): number[] =>
  ended.stderr.split('\n').flatMap((line) => /^request (.*)$/.exec(line)?.[1] ?? []).map(Number).filter((at) => at < resultOf(ended).at)

/** What of the package a process opens, by the kernel's word: Node's own hooks would load more. */
const opened = async (t: Test, here: Place, args: readonly string[], env: Record<string, string> = {}, expected = 0): Promise<string[]> => {
  const log = join(here.folder, 'opened.log')
  const { code, stderr } = await run(t, 'strace', ['-f', '-o', log, '-e', 'trace=open,openat', process.execPath, ...args], { env: { ...here.env, ...env } })
  t.equal(code, expected, stderr)
  const root = fileURLToPath(new URL('../', PACKAGE))
  const paths = readFileSync(log, 'utf8').split('\n').filter((line) => !line.includes('ENOENT')).flatMap((line) => /"([^"]+)"/.exec(line)?.[1] ?? [])
  // Node itself may lie in there, too (npm run test:nodes).
  return [...new Set(paths.filter((path) => path.startsWith(root) && path !== process.execPath && !path.startsWith(join(root, 'fixtures'))).map((path) => path.slice(root.length)))]
}

t.test('a warm call looks 11 times, changes nothing, and makes one request', async (t) => {
  const here = place(t)
  await here.manager('healthy').ensureServerRunning()
  t.equal(requestsOf(await client(t, here, here.options('healthy'), TELLING).ended).length, 1)
  const ended = await client(t, here, here.options('healthy'), COUNTING).ended
  resultOf(ended)
  // Opening, reading and closing a file is one look.
  const looks = callsOf(ended).filter((call) => !/^(?:readSync|closeSync|fstatSync|openSync \/proc)/.test(call)).map((call) => call.split(' ')[0])
  t.same(looks, [
    'readlinkSync', 'readFileSync', 'readlinkSync', 'readlinkSync', 'readlinkSync', // on which host; the real path of the folder comes before, and is not seen here
    'lstatSync', 'lstatSync', 'readdirSync', // whose folder, which claims
    'openSync', 'openSync', 'readFileSync', // the PID file, where it answers; and the leader after the answer
  ])
  t.equal(await here.manager('healthy').stopServer(), true)
})

/** Makes this many calls, one after the other. */
const REPEATING = `
  const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
  const manager = new ClientProcessManager(JSON.parse(process.argv[2]))
  for (let call = 0; call < Number(process.argv[3]); call++) await manager.ensureServerRunning()
  process.exit()`

/** The names of the system calls by which a process of this many calls looks at paths, and the programs that it runs. */
const systemCalls = async (t: Test, here: Place, calls: number): Promise<string[]> => {
  const file = join(here.folder, 'repeating.mjs')
  const log = join(here.folder, 'system-calls.log')
  writeFileSync(file, REPEATING)
  const args = ['-f', '-o', log, '-e', 'trace=%file,connect', process.execPath, file, JSON.stringify(here.options('healthy')), String(calls)]
  const { code, stderr } = await run(t, 'strace', args, { env: { ...here.env, ONE_SERVER_LIB: new URL('index.js', PACKAGE).href } })
  t.equal(code, 0, stderr)
  return readFileSync(log, 'utf8').split('\n').filter((line) => !line.includes('""')).flatMap((line) => /^\d+ +(\w+)\(/.exec(line)?.[1] ?? [])
}

t.test('each further call in a process opens 3 files, makes no connection and runs no program, and what was read of the launch is not read again', async (t) => {
  const here = place(t)
  await here.manager('healthy').ensureServerRunning()
  const [few, many] = [await systemCalls(t, here, 10), await systemCalls(t, here, 30)]
  const more = (names: readonly string[]): number => [many, few].map((all) => all.filter((name) => names.includes(name)).length).reduce((one, other) => one - other)
  t.equal(more(['open', 'openat']), 20 * 3, 'the folder of the claims, the PID file, and the leader after the answer')
  t.equal(more(['stat', 'lstat', 'statx', 'newfstatat', 'fstatat64']), 20 * 2, 'whose the two folders are')
  t.equal(more(['connect']), 0)
  t.equal(many.filter((name) => name === 'connect').length, 2, 'one for the first check, and one that is kept')
  t.equal(many.filter((name) => name === 'execve').length, 1, 'Node itself')
  t.equal(await here.manager('healthy').stopServer(), true)
})

/** How often a client lists the folder of the claims: the dearest look, since each claim in it is judged. */
const listings = async (t: Test, here: Place, method: string): Promise<number> => {
  const ended = await client(t, here, here.options('healthy'), { ...COUNTING, method }).ended
  resultOf(ended)
  return callsOf(ended).filter((call) => call.startsWith('readdirSync') && call.includes(`${here.pidFile}.d/`)).length
}

t.test('a stop lists the claims 6 times, and a start after a crash 12 times', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  process.kill(pid!, 'SIGKILL')
  await until(() => !isAlive(pid!), 'the server to die')
  t.equal(await listings(t, here, 'ensureServerRunning'), 12)
  t.equal(await listings(t, here, 'stopServer'), 6)
})

t.test('a warm client loads one file of the package, and the command line three', async (t) => {
  const here = place(t)
  await here.manager('healthy').ensureServerRunning()
  const library = await opened(t, here, [fixture('client'), JSON.stringify(here.options('healthy'))], { ONE_SERVER_LIB: new URL('index.js', PACKAGE).href })
  t.same(library.filter((path) => path !== 'package.json'), ['dist/index.js'])
  const cli = await opened(t, here, [fileURLToPath(new URL('cli.js', PACKAGE)), 'start', '--pid-file', here.pidFile])
  t.same(cli.filter((path) => path !== 'package.json'), ['dist/cli.js', 'dist/cli-start.js', 'dist/index.js'])
  // A name is looked for in config files; only one that is there costs their reader.
  const looked = await opened(t, here, [fileURLToPath(new URL('cli.js', PACKAGE)), 'status', 'nobody'], {}, 3)
  t.same(looked.filter((path) => path === 'dist/config.js'), [])
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('the files of a warm call stay small: Node compiles all of their text', (t) => {
  const bytes = (file: string): number => readFileSync(new URL(file, PACKAGE)).length
  t.ok(bytes('index.js') <= 58_200, `index.js has ${bytes('index.js')} bytes`)
  t.ok(bytes('cli-start.js') <= 28_700, `cli-start.js has ${bytes('cli-start.js')} bytes`)
  t.ok(bytes('cli.js') <= 1200, `cli.js, which is compiled each time, has ${bytes('cli.js')} bytes`)
  t.end()
})

t.test('a stop looks through all processes once when the server has gone: what was seen dead is not looked for again', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  let looks = 0
  const system: System = {
    ...nodeSystem,
    kin: (leader, id) => {
      if (!isAlive(pid!)) looks++
      return nodeSystem.kin(leader, id)
    },
  }
  t.equal(await new ClientProcessManager(here.options('healthy'), system).stopServer(), true)
  t.equal(looks, 1)
})

t.test('a follower loads two files of the package: nothing of what a launcher needs', async (t) => {
  const here = place(t)
  const options = here.options('boots-after-300ms', { env: { BOOT_MS: '4000' }, startupTimeout: 120_000 })
  const launching = client(t, here, options)
  await until(() => here.starts().length === 1, 'the server to begin')
  const follower = await opened(t, here, [fixture('client'), JSON.stringify(options)], { ONE_SERVER_LIB: new URL('index.js', PACKAGE).href })
  t.same(follower.filter((path) => path.startsWith('dist/')), ['dist/index.js', 'dist/cold.js'])
  await launching.ended
  t.equal(await here.manager('boots-after-300ms').stopServer(), true)
})

t.test('the file of a warm call has no script of a gate or a watchdog', async (t) => {
  const warm = readFileSync(new URL('index.js', PACKAGE), 'utf8')
  const cold = readFileSync(new URL('launch.js', PACKAGE), 'utf8')
  for (const script of [/one_server_gate/, /ONE_SERVER_WATCH/, /ONE_SERVER_REAPER/, /appendFileSync/]) {
    t.notMatch(warm, script)
    t.match(cold, script, 'a launch has it')
  }
})

t.test('a follower sends one request, when the launch is ready; the launcher checks in the end at the interval that it was told', async (t) => {
  const here = place(t)
  const options = here.options('answers-503-first', { env: { FIRST: '45' }, healthCheckInterval: 200, startupTimeout: 60_000 })
  const launching = client(t, here, options, TELLING)
  await until(() => here.starts().length === 1, 'the server to begin')
  const [follower, launcher] = await Promise.all([client(t, here, options, TELLING).ended, launching.ended])
  const ready = launcher.lines.find(({ event }) => event === 'ready')!
  const asked = requestsOf(follower)
  t.equal(asked.length, 1)
  t.ok(asked[0]! > ready.at - 50, 'not before')
  const checks = requestsOf(launcher)
  t.equal(checks.length, 46, 'nobody else has asked')
  // Twenty pauses, since a check that comes late shortens the next pause; the least that a machine so slow leaves of them is half.
  const last = checks.slice(-21)
  t.ok(last.at(-1)! - last[0]! > 20 * 100, `the last checks at ${last.map(Math.round).join(', ')} ms`)
  const young = checks.slice(1, 13).map((at, index) => Math.round(at - checks[index]!))
  t.ok(Math.min(...young) < 100, `a young server is asked more often: pauses of ${young.join(', ')} ms`)
  t.equal(await here.manager('answers-503-first').stopServer(), true)
})

/** Prints how many read(2) a client makes within a while after its call, when nothing happens. */
const IDLE = `
  import { readFileSync } from 'node:fs'
  const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
  const reads = () => Number(/^syscr: (\\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))[1])
  const call = process.argv[3]
  await new ClientProcessManager(JSON.parse(process.argv[2]))[call]()
  await new Promise((resolve) => setTimeout(resolve, 300))
  const before = reads()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  console.log(reads() - before)
  process.exit()`

t.test('a client that has launched a server looks at nothing afterwards, however long it lives', async (t) => {
  for (const call of ['ensureServerRunning', 'startServer', 'acquire']) {
    const here = place(t)
    const file = join(here.folder, 'idle.mjs')
    writeFileSync(file, IDLE)
    const { code, stdout, stderr } = await run(t, process.execPath, [file, JSON.stringify(here.options('healthy')), call], { env: { ...here.env } })
    t.equal(code, 0, stderr)
    t.ok(Number(stdout) < 8, `${call}: ${stdout.trim()} reads in a second`)
    await here.manager('healthy').stopServer()
  }
})

/** Prints how many read(2) this process makes for ten leases at a time, after what it does first. */
const LEASING = `
  import { openSync, readFileSync } from 'node:fs'
  import { Worker, isMainThread, workerData } from 'node:worker_threads'
  const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
  const reads = () => Number(/^syscr: (\\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))[1])
  const managers = JSON.parse(isMainThread ? process.argv[2] : workerData).map((options) => new ClientProcessManager(options))
  const held = []
  const take = async (count) => { for (let n = 0; n < count; n++) held.push(await managers[held.length % managers.length].acquire()) }
  const counted = async (work) => {
    const before = reads()
    await work()
    return reads() - before
  }
  const told = {}
  await take(2 * managers.length)
  told.early = await counted(() => take(10))
  if (isMainThread && process.argv[3] === 'files') for (let n = 0; n < 400; n++) openSync('/dev/null')
  if (isMainThread) await take(Number(process.argv[4]))
  told.late = await counted(() => take(10))
  const release = async () => { for (let n = 0; n < 10; n++) await held.pop().release() }
  told.released = await counted(release)
  told.status = await counted(async () => { told.leases = (await managers[0].status()).leases.length })
  if (isMainThread && process.argv[3] === 'worker') {
    const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2], argv: process.argv.slice(2) })
    await new Promise((resolve) => { worker.on('message', (of) => { told.worker = of; resolve() }) })
  }
  if (isMainThread) console.log(JSON.stringify(told))
  else (await import('node:worker_threads')).parentPort.postMessage(told)
  process.exit()
`

interface Told { readonly early: number; readonly late: number; readonly released: number; readonly status: number; readonly leases: number; readonly worker?: Told }

/** A client that takes leases on these servers. */
const leasing = async (t: Test, places: readonly Place[], what: string, count: number): Promise<Told> => {
  const file = join(places[0]!.folder, 'leasing.mjs')
  writeFileSync(file, LEASING)
  const options = places.map((here) => here.options('healthy', { idleTimeout: 0 }))
  const { code, stdout, stderr } = await run(t, process.execPath, [file, JSON.stringify(options), what, String(count)], { env: { ...places[0]!.env } })
  t.equal(code, 0, stderr)
  return JSON.parse(stdout) as Told
}

/** Reads that ten leases may differ by: pipes and timers are read when they are ready, and not at each lease equally often. */
const GRAIN = 150

t.test('the n-th lease of a process costs what the first one does: the reads of ten, at 2 and at 200', async (t) => {
  const { early, late, released, status, leases } = await leasing(t, [place(t)], 'nothing', 190)
  t.ok(late < early + GRAIN, `${early} reads for ten leases, and ${late} beside 200`)
  t.ok(released < 10 * 20, `${released} reads for ten releases`)
  t.ok(status < 5 * leases + GRAIN, `${status} reads to tell of ${leases}`)
})

t.test('the n-th lease of a process costs what the first one does: leases on three servers, beside 400 open files, and in a worker thread', async (t) => {
  const servers = await leasing(t, [place(t), place(t), place(t)], 'nothing', 60)
  t.ok(servers.late < servers.early + GRAIN, `three servers: ${servers.early} and ${servers.late}`)
  const files = await leasing(t, [place(t)], 'files', 60)
  t.ok(files.late < files.early + GRAIN, `400 files: ${files.early} and ${files.late}`)
  const { worker } = await leasing(t, [place(t)], 'worker', 60)
  t.ok(worker!.late < worker!.early + GRAIN, `a worker thread: ${worker!.early} and ${worker!.late}`)
})

t.test('of a hundred calls at once in a process, one at a time is at the lock: each client looks at all who are', async (t) => {
  const here = place(t)
  let most = 0
  const seeing: System = {
    ...nodeSystem,
    list: async (path) => {
      const names = await nodeSystem.list(path)
      most = Math.max(most, names.filter((name) => name.endsWith('.locking')).length)
      return names
    },
  }
  const manager = new ClientProcessManager(here.options('healthy', { idleTimeout: 0, startupTimeout: '60s' }), seeing)
  const leases = await Promise.all(Array.from({ length: 100 }, () => manager.acquire()))
  t.equal(new Set(leases.map(({ server }) => server.launchId)).size, 1)
  t.equal(most, 1, 'notes at the lock in one listing')
  for (const lease of leases) await lease.release()
  await until(() => here.alive().length === 0, 'the server to end')
})
