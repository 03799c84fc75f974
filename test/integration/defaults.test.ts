/**
 * With nothing but the defaults, and on the warm path. The only tests that use port 3000; where
 * something else has it, the ones that need it say so and are skipped.
 */
import { spawnSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { accepts, client, fixture, isAlive, place, quietPort, resultOf, stranger, type Place } from '../support/clients.js'
import { within } from '../support/within.js'

const taken = (await accepts(3000)) || (await accepts(3000, '::1'))
const needs3000 = taken ? { skip: 'something listens on port 3000' } : {}

/** A client process that is given no options at all. Its server is known by the ledger that it inherits. */
const bare = (t: Test, here: Place, method?: string) =>
  client(t, here, {}, { env: { LEDGER: join(here.folder, 'ledger') }, ...(method === undefined ? {} : { method }) }).ended

t.test('with nothing but the defaults there is a healthy server on port 3000', needs3000, async (t) => {
  const here = place(t)
  t.equal((await bare(t, here, 'isServerRunning')).result?.info, false, 'refused, and no PID file')
  const first = await bare(t, here)
  const { info, status } = resultOf(first)
  t.match({ info, status }, {
    status: 200,
    info: { url: 'http://localhost:3000', address: 'http://127.0.0.1:3000', port: 3000, started: true, adopted: false, pidFile: join(here.folder, '.omega-session-server.pid'), logFile: join(here.folder, '.omega-session-server.log') },
  })
  t.equal(Number.parseInt(readFileSync(info.pidFile, 'utf8'), 10), info.pid)
  for (const address of ['127.0.0.1', '[::1]']) {
    t.match(await (await fetch(`http://${address}:3000/api/health`)).json(), { status: 'ok', pid: info.pid, launchId: info.launchId, uptime: Number }, address)
  }
  t.same([first.code, first.signal, first.stderr], [0, null, ''], 'the client has exited by itself')
  t.ok(isAlive(info.pid!), 'the server lives on')

  t.equal((await bare(t, here, 'isServerRunning')).result?.info, true)
  t.match(resultOf(await bare(t, here)).info, { url: info.url, pid: info.pid, started: false })
  t.equal((await bare(t, here, 'stopServer')).result?.info, true)
  t.notOk(isAlive(info.pid!))
  t.equal((await bare(t, here, 'isServerRunning')).result?.info, false)
  here.nothingLeft(t)
})

t.test('isServerRunning: true when the health check answers, whoever runs the server', async (t) => {
  const here = place(t)
  const port = await quietPort()
  t.equal(await here.manager('healthy', { port }).isServerRunning(), false, 'refused, and no PID file')
  await stranger(t, 'healthy', port)
  t.equal(await here.manager('healthy', { port }).isServerRunning(), true)
  t.same(here.left(), [], 'it has written nothing')
})

t.test('isServerRunning: false, and the file removed, when the file names a dead process', async (t) => {
  const here = place(t)
  const gone = client(t, here, {}, { barrier: true })
  gone.child.stdin!.end()
  await gone.ended
  writeFileSync(here.pidFile, `${gone.pid}\n`)
  t.equal(await here.manager('healthy', { port: await quietPort() }).isServerRunning(), false)
  here.nothingLeft(t)
})

t.test('isServerRunning: true for a server that is alive and does not answer', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  process.kill(pid!, 'SIGSTOP')
  t.equal(await here.manager('healthy').isServerRunning(), true)
  process.kill(pid!, 'SIGCONT')
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a client exits by itself at once when its call has settled', async (t) => {
  const here = place(t)
  for (const what of ['the launcher', 'the next one']) {
    const ended = await client(t, here, here.options('healthy')).ended
    const { at } = resultOf(ended)
    t.same([ended.code, ended.signal], [0, null])
    // A timer or a poll of wait-on that was left would hold it for the 30 s of its startupTimeout, or for a healthTimeout.
    within(t, ended.at - at, 450, `${what} exited soon after its result`)
  }
  t.equal(await here.manager('healthy').stopServer(), true)
})

/** Every file and folder below one, with what a write to it would change. */
const snapshot = (folder: string): string[] =>
  ['', ...(readdirSync(folder, { recursive: true }) as string[])].toSorted().map((name) => {
    const { ino, mode, size, mtimeMs, ctimeMs } = lstatSync(join(folder, name))
    return [name, ino, mode, size, mtimeMs, ctimeMs].join(' ')
  })

t.test('a second call makes one HTTP request, takes no lock and writes nothing', async (t) => {
  const here = place(t)
  const manager = here.manager('counts-requests')
  const { url, pid } = await manager.ensureServerRunning()
  const count = async (): Promise<number> => (await (await fetch(`${url}/count`)).json() as { count: number }).count
  const [asked, seen] = [await count(), snapshot(here.folder)]
  t.match(await manager.ensureServerRunning(), { url, pid, started: false })
  t.equal((await count()) - asked, 1)
  t.same(snapshot(here.folder), seen)

  const again = await count()
  t.match(resultOf(await client(t, here, here.options('counts-requests')).ended), { info: { url, pid, started: false }, status: 200 }, 'another process, too')
  t.equal((await count()) - again, 2, 'one request of the library, one of the client itself')
  t.same(snapshot(here.folder), seen)
  t.equal(await manager.stopServer(), true)
})

const canTrace = spawnSync('strace', ['-f', '-e', 'trace=none', 'true']).status === 0

t.test('a second call opens nothing for writing, as the kernel sees it', { skip: canTrace ? false : 'strace is not here, or not allowed' }, async (t) => {
  const here = place(t)
  const options = here.options('healthy')
  await here.manager('healthy').ensureServerRunning()
  const log = join(here.folder, 'trace.log')
  const { status } = spawnSync('strace', ['-f', '-o', log, '-e', 'trace=%file', process.execPath, fixture('client'), JSON.stringify(options)], { env: here.env })
  t.equal(status, 0)
  const calls = readFileSync(log, 'utf8').split('\n').filter((line) => line.includes(here.folder) && !line.includes('execve('))
  t.ok(calls.some((line) => line.includes(here.pidFile)), 'it has looked')
  const READS = /(?:^|\s)(?:stat|lstat|newfstatat|statx|access|faccessat2?|readlink|readlinkat|getcwd|chdir)\(|open(?:at)?\([^)]*O_RDONLY/
  t.same(calls.filter((line) => !READS.test(line) || /O_CREAT|O_TRUNC/.test(line)), [], 'and only looked')
  t.equal(await here.manager('healthy').stopServer(), true)
})
