/** A launch is its processes, not its leader: what the process that was launched leaves behind is the server. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { ServerInfo } from '../../lib/index.js'
import { failureOf, isAlive, place, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const LEAVES = 'leader-dies-child-serves'

/** A server whose leader has gone, while its child serves on. */
const headless = async (t: Test, here: Place): Promise<{ first: ServerInfo; child: number }> => {
  const first = await here.manager(LEAVES).ensureServerRunning()
  await here.kill(first.pid!)
  const child = childOf(here)
  t.ok(isAlive(child), 'its child lives')
  return { first, child }
}

const childOf = (here: Place): number => here.ledger().find(({ event }) => event === 'child-start')!.pid

const line = (here: Place): number => Number.parseInt(readFileSync(here.pidFile, 'utf8'))

t.test('a leader that is killed leaves its server to the clients: the same URL, the PID of a process that serves', async (t) => {
  const here = place(t)
  const { first, child } = await headless(t, here)
  t.match(await here.manager(LEAVES).status(), { state: 'ready', pid: child, launchId: first.launchId, isHeadless: true, pinned: true })
  const again = await here.manager(LEAVES).ensureServerRunning()
  t.match(again, { url: first.url, launchId: first.launchId, pid: child, started: false })
  t.equal(line(here), child, 'kill $(head -n1) reaches the server')
  const crowd = await Promise.all(Array.from({ length: 5 }, () => here.manager(LEAVES, { healthMatch: 'ok' }).ensureServerRunning()))
  for (const one of crowd) t.match(one, { url: first.url, pid: child })
  await here.only(child)
  t.equal(await here.manager(LEAVES).stopServer(), true)
  here.nothingLeft(t)
})

t.test('a lease holds it, and the last one out ends it', async (t) => {
  const here = place(t)
  const lease = await here.manager(LEAVES, { idleTimeout: 0 }).acquire()
  await here.kill(lease.server.pid!)
  const child = childOf(here)
  const second = await here.manager(LEAVES, { idleTimeout: 0 }).acquire()
  t.match(second.server, { url: lease.server.url, pid: child })
  await lease.release()
  t.match(await here.manager(LEAVES).status(), { state: 'ready', pid: child, leases: [{}] })
  await second.release()
  await until(() => !isAlive(child), 'the last one out to end it')
  await until(() => here.left().length === 0, 'its state to go')
})

t.test('a leader that leaves with 0 while it boots is no failure: who launched it gets the PID of what it left', async (t) => {
  const here = place(t)
  const server = await here.manager(LEAVES, { env: { LEADER_EXIT_MS: '1', BOOT_MS: '300' } }).ensureServerRunning()
  const pid = childOf(here)
  t.match(server, { started: true, pid })
  t.equal(line(here), pid)
  t.match(await here.manager(LEAVES).status(), { state: 'ready', pid, isHeadless: true })
  t.equal(await here.manager(LEAVES).stopServer(), true)
  here.nothingLeft(t)
})

t.test('a leader that fails while it boots is a failure, once, and what it left is ended', async (t) => {
  const here = place(t)
  const command = ['/bin/sh', '-c', `${process.execPath} ${here.options('boots-after-300ms').serverScript} & exit 3`]
  const failures = await Promise.all(Array.from({ length: 3 }, () => failureOf(here.manager('', { command, env: { BOOT_MS: '20000' } }).ensureServerRunning())))
  for (const failure of failures) t.match(failure, { code: 'SERVER_EXITED', exitCode: 3 })
  t.same(here.alive(), [])
})

t.test('one that listens no more has ended: the next call ends what is left of it and starts afresh', async (t) => {
  const here = place(t)
  const command = ['/bin/sh', '-c', `exec ${process.execPath} -e '
    const server = require("node:http").createServer((_, answer) => answer.end("ok")).listen(process.env.PORT, "127.0.0.1")
    process.on("SIGUSR2", () => server.close())
    setInterval(() => {}, 1000)' & exit 0`]
  const first = await here.manager('', { command, healthPath: '/' }).ensureServerRunning()
  t.match(await here.manager('healthy').status(), { state: 'ready', isHeadless: true })
  process.kill(first.pid!, 'SIGUSR2')
  await until(async () => (await here.manager('healthy').status()).state !== 'ready', 'it to close its port')
  t.ok(isAlive(first.pid!), 'it lives on')
  t.match(await here.manager('healthy').status(), { state: 'unhealthy', pid: first.pid, isHeadless: true }, 'it has not exited')
  const again = await here.manager('healthy').ensureServerRunning()
  t.match(again, { started: true })
  t.not(again.launchId, first.launchId)
  t.notOk(isAlive(first.pid!))
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a daemon that erases its environment and leaves the group and the session is known by its stdin', async (t) => {
  const here = place(t)
  const script = here.options('healthy').serverScript!
  // The ledger is how this test finds it; nothing else of its environment is left.
  const command = ['/bin/sh', '-c', `setsid env -i LEDGER="$LEDGER" PORT="$PORT" ${process.execPath} ${script} </dev/null >/dev/null 2>&1 & exit 0`]
  const servers = await Promise.all(Array.from({ length: 3 }, () => here.manager('', { command }).ensureServerRunning()))
  t.equal(here.starts().length, 1)
  const { pid } = here.starts()[0]!
  for (const server of servers) t.match(server, { url: servers[0]!.url, pid })
  const other = place(t).manager('healthy', { port: servers[0]!.port })
  t.match(await failureOf(other.ensureServerRunning()), { code: 'PORT_IN_USE', pid, message: /launched for another PID file/ }, 'and no other PID file adopts it')
  t.equal(await here.manager('', { command }).stopServer(), true)
  here.nothingLeft(t)
})

t.test('stdin stays open and silent for the whole life of the server', async (t) => {
  const here = place(t)
  const command = [process.execPath, '-e', `
    process.stdin.once('end', () => process.exit(0)).once('data', () => process.exit(1)).resume()
    require('node:http').createServer((_, answer) => answer.end('ok')).listen(process.env.PORT, '127.0.0.1')`]
  const server = await here.manager('', { command, healthPath: '/' }).ensureServerRunning()
  t.match(await here.manager('', { command, healthPath: '/' }).ensureServerRunning(), { pid: server.pid, started: false })
  t.ok(isAlive(server.pid!))
  t.equal(await here.manager('', { command }).stopServer(), true)
  here.nothingLeft(t)
})

t.test('a claim that is restored from the PID file does not name the process that serves', async (t) => {
  const here = place(t)
  const { first } = await headless(t, here)
  t.equal((await here.manager(LEAVES).ensureServerRunning()).launchId, first.launchId)
  rmSync(`${here.pidFile}.d`, { recursive: true })
  t.match(await here.manager(LEAVES).ensureServerRunning(), { launchId: first.launchId, started: false })
  const claim = readdirSync(`${here.pidFile}.d`, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.claim'))
  t.notMatch(readFileSync(`${here.pidFile}.d/${claim}`, 'utf8'), /"serving"/)
  t.equal(await here.manager(LEAVES).stopServer(), true)
  here.nothingLeft(t)
})
