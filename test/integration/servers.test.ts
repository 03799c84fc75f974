/**
 * Servers as they are: slow ones, ones that do not want to end, ones that are several processes, ones
 * that listen on one address only. One server means all of it: what serves, and what it has started.
 */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { accepts, client, failureOf, fixture, isAlive, place, resultOf, stateOf, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

const statusOf = async (url: string): Promise<number> => (await fetch(`${url}/api/health`)).status

/** The process that really serves, in the servers that are several. */
const childOf = (here: Place): number => here.ledger().find(({ event }) => event === 'child-start')!.pid

t.test('a server that answers 503 first is ready with its first 200', async (t) => {
  const here = place(t)
  const { info, status } = resultOf(await client(t, here, here.options('answers-503-first')).ended)
  t.equal(status, 200)
  t.equal(info.started, true)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server whose health check is slow is ready when it has answered', async (t) => {
  const here = place(t)
  const manager = here.manager('slow-health', { healthTimeout: 3000, env: { HEALTH_MS: '700' } })
  const server = await manager.ensureServerRunning()
  t.match(await manager.ensureServerRunning(), { url: server.url, started: false })
  t.equal(await manager.stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server that ignores SIGTERM is killed when stopTimeout has passed, and not before', async (t) => {
  const here = place(t)
  const manager = here.manager('ignores-sigterm', { stopTimeout: 300 })
  const { pid } = await manager.ensureServerRunning()
  const began = performance.now()
  t.equal(await manager.stopServer(), true)
  t.ok(performance.now() - began >= 300, 'it had its time')
  t.notOk(isAlive(pid!))
  t.match(readFileSync(here.logFile, 'utf8'), /SIGTERM ignored/, 'it was asked first')
  here.nothingLeft(t)
})

t.test('stopSignal is what the server is asked with', async (t) => {
  const here = place(t)
  const manager = here.manager('ignores-sigterm', { stopSignal: 'SIGINT', stopTimeout: 20_000 })
  await manager.ensureServerRunning()
  t.equal(await here.manager('healthy', { stopTimeout: 20_000 }).stopServer(), true, 'whoever stops it asks as its launch has written down')
  t.match(here.ledger().at(-1), { event: 'stop', exitCode: 0 }, 'it ended by itself')
  here.nothingLeft(t)
})

for (const [server, what] of [
  ['grandchild-holds-port', 'whose child serves, in its process group'],
  ['escapes-group', 'whose child serves from a session of its own'],
] as const) {
  t.test(`a server ${what}: all of it is gone when stop returns`, async (t) => {
    const here = place(t)
    const manager = here.manager(server)
    const { pid, port } = await manager.ensureServerRunning()
    const child = childOf(here)
    t.not(child, pid)
    t.equal(await manager.stopServer(), true)
    t.same([isAlive(pid!), isAlive(child), await accepts(port)], [false, false, false])
    here.nothingLeft(t)
  })
}

t.test('a leader that dies while its child serves on: stop ends the rest', async (t) => {
  const here = place(t)
  const manager = here.manager('leader-dies-child-serves')
  const first = await manager.ensureServerRunning()
  await here.kill(first.pid!)
  await manager.stopServer()
  t.notOk(await accepts(first.port))
  here.nothingLeft(t)
})

t.test('a server that listens on 127.0.0.1 only is at localhost, and its address says so', async (t) => {
  const here = place(t)
  const { info, status } = resultOf(await client(t, here, here.options('listens-on-ipv4-only')).ended)
  t.match({ ...info, status }, { url: `http://localhost:${info.port}`, address: `http://127.0.0.1:${info.port}`, status: 200 })
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a server that listens on ::1 only: its address says so', { skip: hasIPv6 ? false : 'this machine has no ::1' }, async (t) => {
  const here = place(t)
  const { info, status } = resultOf(await client(t, here, here.options('listens-on-ipv6-only')).ended)
  t.match({ ...info, status }, { address: `http://[::1]:${info.port}`, status: 200 })
  const next = resultOf(await client(t, here, here.options('listens-on-ipv6-only')).ended)
  t.match(next.info, { url: info.url, started: false })
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a server over https with a certificate of its own, on this machine', async (t) => {
  const here = place(t)
  const healthUrl = 'https://localhost:{port}/api/health'
  const { info, status } = resultOf(await client(t, here, here.options('https', { healthUrl })).ended)
  t.match({ ...info, status }, { url: `https://localhost:${info.port}`, address: `https://127.0.0.1:${info.port}`, status: 200 })
  const next = resultOf(await client(t, here, here.options('https', { healthUrl })).ended)
  t.match(next.info, { url: info.url, started: false })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server dies while its launcher is frozen, who finds the new one when it goes on', async (t) => {
  const here = place(t)
  const launcher = client(t, here, here.options('boots-after-300ms', { env: { BOOT_MS: '1000' } }))
  const { pid } = await until(() => here.starts()[0], 'the server to begin')
  launcher.child.kill('SIGSTOP')
  await until(() => stateOf(launcher.pid) === 'T', 'the launcher to stop')
  const first = await here.manager('healthy').ensureServerRunning()
  t.match(first, { pid, started: false }, 'a client that follows sees it become ready')
  await here.kill(pid)
  const second = await here.manager('healthy').ensureServerRunning()
  t.match(second, { started: true })
  t.equal(here.starts().length, 2)
  launcher.child.kill('SIGCONT')
  const { info, status } = resultOf(await launcher.ended)
  t.match({ url: info.url, pid: info.pid, status }, { url: second.url, pid: second.pid, status: 200 })
  t.equal(here.starts().length, 2)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server is stopped while its launcher is frozen, who starts it anew when it goes on', async (t) => {
  const here = place(t)
  const launcher = client(t, here, here.options('boots-after-300ms'))
  await until(() => here.starts().length === 1, 'the server to begin')
  launcher.child.kill('SIGSTOP')
  await until(() => stateOf(launcher.pid) === 'T', 'the launcher to stop')
  await here.manager('healthy').ensureServerRunning()
  t.equal(await here.manager('healthy').stopServer(), true)
  launcher.child.kill('SIGCONT')
  const { info } = resultOf(await launcher.ended)
  t.match(info, { started: true }, 'that launch had been ready')
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

const TYPED = `
interface Named { readonly port: number }
const named: Named = { port: Number(process.env['PORT']) }
enum Kind { Typed = 'typed' }
console.log(Kind.Typed, named.port)
import(process.env['SERVER']!)
`

for (const [name, wanted] of [['server.ts', 'a script in TypeScript is run by the tsx that lies beside it'], ['server.js', 'a missing .js falls back to the .ts of the same name']] as const) {
  t.test(wanted, async (t) => {
    const here = place(t)
    writeFileSync(join(here.folder, 'server.ts'), TYPED)
    mkdirSync(join(here.folder, 'node_modules'))
    symlinkSync(fileURLToPath(new URL('../../../node_modules/tsx', import.meta.url)), join(here.folder, 'node_modules', 'tsx'))
    const manager = here.manager(join(here.folder, name), { env: { SERVER: fixture('healthy') } })
    const server = await manager.ensureServerRunning()
    t.equal(await statusOf(server.url), 200)
    t.equal(server.pid, here.starts()[0]!.pid, 'no process stands between')
    t.match(readFileSync(here.logFile, 'utf8'), `typed ${server.port}\n`)
    t.equal(await manager.stopServer(), true)
  })
}

t.test('an existing .js comes before the .ts of the same name', async (t) => {
  const here = place(t)
  writeFileSync(join(here.folder, 'server.ts'), 'this is not even TypeScript')
  writeFileSync(join(here.folder, 'server.js'), `import(${JSON.stringify(fixture('healthy'))})`)
  const manager = here.manager(join(here.folder, 'server.js'))
  t.equal(await statusOf((await manager.ensureServerRunning()).url), 200)
  t.equal(await manager.stopServer(), true)
})

t.test('a command gets {port} and {host} filled in, and no shell between', async (t) => {
  const here = place(t)
  const manager = here.manager('', { command: [process.execPath, fixture('echo'), '--at', '{host}:{port}', '$HOME; *'] })
  const server = await manager.ensureServerRunning()
  t.same((await (await fetch(`${server.url}/argv`)).json() as string[]).slice(2), ['--at', `localhost:${server.port}`, '$HOME; *'])
  t.equal(server.pid, here.starts()[0]!.pid)
  t.equal(await manager.stopServer(), true)
})

t.test('the log of the run before is kept, and that of a running server is not disturbed', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  const first = await manager.ensureServerRunning()
  await manager.ensureServerRunning()
  t.equal(readFileSync(here.logFile, 'utf8'), `listening on 127.0.0.1 port ${first.port}\n`)
  await manager.stopServer()
  copyFileSync(here.logFile, join(here.folder, 'first.log'))
  const second = await manager.ensureServerRunning()
  t.equal(readFileSync(`${here.logFile}.prev`, 'utf8'), readFileSync(join(here.folder, 'first.log'), 'utf8'))
  t.equal(readFileSync(here.logFile, 'utf8'), `listening on 127.0.0.1 port ${second.port}\n`)
  await manager.stopServer()
})

t.test('a server that was ready and answers no more is left alone, and said to be alive', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy', { healthTimeout: 200 }).ensureServerRunning()
  process.kill(pid!, 'SIGSTOP')
  const error = await failureOf(here.manager('healthy', { startupTimeout: 800 }).ensureServerRunning())
  t.match(error, { code: 'SERVER_UNHEALTHY', pid, hint: /^A busy server can fail the check, so it was left alone\. If it hangs: one-server restart/ })
  t.match(error.message, new RegExp(`^Server at http://localhost:\\d+ \\(PID ${pid}\\) is alive but did not pass its health check for 800 ms: it did not answer within 200 ms\\.`))
  process.kill(pid!, 'SIGCONT')
  t.match(await here.manager('healthy').ensureServerRunning(), { pid, started: false }, 'it was only busy')
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server that is stopped while it is frozen ends as soon as it is asked', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy', { stopTimeout: 20_000 })
  const { pid } = await manager.ensureServerRunning()
  process.kill(pid!, 'SIGSTOP')
  t.equal(await manager.stopServer(), true)
  t.match(here.ledger().at(-1), { event: 'stop', exitCode: 0 }, 'by the signal, not by SIGKILL')
  here.nothingLeft(t)
})
