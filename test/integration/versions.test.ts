/** Which server runs and which is meant: a difference is told in words, and only an older version is ever replaced. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { allEnded, client, failureOf, fixture, isAlive, place, quietPort, resultOf, stranger } from '../support/clients.js'
import { holder } from '../support/holders.js'
import { until } from '../support/until.js'

const strict = (more: ClientProcessManagerOptions = {}): ClientProcessManagerOptions => ({ onMismatch: 'error', ...more })

t.test('another command, folder, variable or version is told, and nothing is touched', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy', strict({ version: '1.2.0', env: { TOKEN: 'one-secret' } })).ensureServerRunning()
  const differing = [
    { server: 'says', more: { env: { TOKEN: 'one-secret' } }, says: `command: runs ["${fixture('healthy')}"], wanted ["${fixture('says')}"]` },
    { server: 'healthy', more: { env: { TOKEN: 'another-secret' } }, says: 'env TOKEN: another value' },
    { server: 'healthy', more: {}, says: 'env TOKEN: named by who started it, not here' },
    { server: 'healthy', more: { env: { TOKEN: 'one-secret', MORE: '1' } }, says: 'env MORE: not named by who started it' },
    { server: 'healthy', more: { env: { TOKEN: 'one-secret' }, cwd: '/' }, says: `cwd: runs ${process.cwd()}, wanted /` },
    { server: 'healthy', more: { env: { TOKEN: 'one-secret' }, version: '1.3.0' }, says: 'version: runs 1.2.0, wanted 1.3.0' },
  ]
  for (const { server, more, says } of differing) {
    for (const call of ['ensureServerRunning', 'startServer', 'acquire'] as const) {
      const error = await failureOf(here.manager(server, strict(more))[call]())
      t.match(error, { code: 'CONFIG_MISMATCH', pid })
      t.ok(error.message.includes(`\n  ${says}`), `${call}: ${error.message}`)
      t.notMatch(error.message, /secret/, 'no value of a variable is told')
    }
  }
  t.match(await here.manager('healthy', strict({ version: '1.2.0', env: { TOKEN: 'one-secret' } })).ensureServerRunning(), { pid }, 'the same is the same')
  t.match(await here.manager('says', { onMismatch: 'reuse' }).ensureServerRunning(), { pid }, 'and reuse takes it as it is')
  t.match(await here.manager('healthy').status(), { version: '1.2.0' })
  t.equal(here.starts().length, 1)
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('calls of one process that mean different servers do not share an answer', async (t) => {
  const here = place(t)
  const [first, second] = await Promise.allSettled([here.manager('healthy', strict()).ensureServerRunning(), here.manager('says', strict()).ensureServerRunning()])
  t.equal([first, second].filter(({ status }) => status === 'fulfilled').length, 1)
  t.match([first, second].find(({ status }) => status === 'rejected'), { reason: { code: 'CONFIG_MISMATCH' } })
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('restart replaces an older version, and neither the same nor a newer one', async (t) => {
  const here = place(t)
  const wanting = (version?: string) => here.manager('healthy', { onMismatch: 'restart', ...(version === undefined ? {} : { version }), env: { WHICH: version } })
  const old = await wanting('1.9.0').ensureServerRunning()
  const next = await wanting('1.10.0-rc.1').ensureServerRunning()
  t.match(next, { started: true })
  t.not(next.pid, old.pid)
  t.match(await failureOf(wanting('1.9.0').ensureServerRunning()), { code: 'CONFIG_MISMATCH', message: /only a server of an older version is replaced/ })
  t.match(await failureOf(wanting().ensureServerRunning()), { code: 'CONFIG_MISMATCH' }, 'no version is not a newer one')
  t.match(await wanting('1.10.0').ensureServerRunning(), { started: true }, 'a release comes after its candidate')
  here.oneAtATime(t)
  t.equal(here.starts().length, 3)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('an older one that still boots is replaced, and who waited for it finds the newer one', async (t) => {
  const here = place(t)
  const wanting = (version: string) => here.options('replaced-while-booting', { version, onMismatch: 'restart', env: { BOOT_MS: '700' } })
  const old = client(t, here, wanting('1.0.0'))
  await old.said('claimed')
  const { info } = resultOf(await client(t, here, wanting('1.1.0')).ended)
  t.match(info, { started: true })
  t.match((await old.ended).error, { code: 'CONFIG_MISMATCH', message: /version: runs 1\.1\.0, wanted 1\.0\.0/ })
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('ten clients of two versions at once, and no server: the newer one comes up, and they do not fight', async (t) => {
  const here = place(t)
  const ended = await allEnded(Array.from({ length: 10 }, (_, index) => client(t, here, here.options('replaced-while-booting', { version: index % 2 === 0 ? '1.0.0' : '1.1.0', onMismatch: 'restart' }))))
  t.equal(new Set(ended.filter((_, index) => index % 2 === 1).map((one) => resultOf(one).info.pid)).size, 1, 'all of the newer version have one server')
  t.same(ended.flatMap(({ error }) => (error === undefined || error.code === 'CONFIG_MISMATCH' ? [] : [error.message])), [], 'the others had the older one, or are told')
  t.ok(here.starts().length <= 2, `${here.starts().length} starts`)
  here.oneAtATime(t)
  t.match(await here.manager('healthy').status(), { state: 'ready', version: '1.1.0' })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a server without a version is older than any, and twenty newer clients at once replace it once', async (t) => {
  const here = place(t)
  await here.manager('healthy').ensureServerRunning()
  const options = here.options('healthy', { version: '2.0.0', onMismatch: 'restart' })
  const ended = await allEnded(Array.from({ length: 20 }, () => client(t, here, options)))
  const infos = ended.map((one) => resultOf(one).info)
  t.equal(new Set(infos.map(({ pid }) => pid)).size, 1)
  t.equal(here.starts().length, 2)
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a newer one that cannot be started leaves the older one running', async (t) => {
  const here = place(t)
  const taken = await quietPort()
  const stranger = createServer((socket) => socket.destroy()).listen(taken, '127.0.0.1')
  t.teardown(() => { stranger.close() })
  const { pid } = await here.manager('healthy', { version: '1.0.0' }).ensureServerRunning()
  const wanting: ClientProcessManagerOptions = { version: '2.0.0', onMismatch: 'restart' }
  t.match(await failureOf(here.manager('', { ...wanting, command: ['no-such-program'] }).ensureServerRunning()), { code: 'COMMAND_NOT_FOUND' })
  t.match(await failureOf(here.manager('/no/such/script.js', wanting).ensureServerRunning()), { code: 'COMMAND_NOT_FOUND' })
  t.match(await failureOf(here.manager('healthy', { ...wanting, cwd: '/no/such/folder' }).ensureServerRunning()), { code: 'COMMAND_NOT_FOUND' })
  t.match(await failureOf(here.manager('healthy', { ...wanting, port: taken }).ensureServerRunning()), { code: 'PORT_IN_USE', port: taken, pid: process.pid })
  t.match(await failureOf(here.manager('healthy', { ...wanting, port: [taken] }).ensureServerRunning()), { code: 'PORT_IN_USE' })
  t.match(await here.manager('healthy').ensureServerRunning(), { pid, started: false }, 'it has gone on')
  t.match(await here.manager('healthy', { ...wanting, port: [taken, await quietPort()] }).ensureServerRunning(), { started: true }, 'one port that is free is enough')
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a newer one may have the port of the older one', async (t) => {
  const here = place(t)
  const port = await quietPort()
  await here.manager('healthy', { version: '1.0.0', port }).ensureServerRunning()
  t.match(await here.manager('healthy', { version: '2.0.0', onMismatch: 'restart', port }).ensureServerRunning(), { started: true, port })
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a newer one that dies while starting: who waited is told, and an older client may start its own again', async (t) => {
  const here = place(t)
  const older = here.manager('healthy', { version: '1.0.0' })
  await older.ensureServerRunning()
  const options = here.options('dies-at-once', { version: '2.0.0', onMismatch: 'restart' })
  const ended = await allEnded([client(t, here, options), client(t, here, options)])
  for (const { error } of ended) t.match(error, { code: 'SERVER_EXITED', exitCode: 7 })
  t.match(await older.ensureServerRunning(), { started: true })
  here.oneAtATime(t)
  t.equal(await older.stopServer(), true)
})

t.test('what was started explicitly stays so in its newer version, even if that is started for a lease', async (t) => {
  const here = place(t)
  const wanting = (version: string) => here.manager('healthy', { version, onMismatch: 'restart', idleTimeout: 0 })
  await wanting('1.0.0').ensureServerRunning()
  const lease = await wanting('2.0.0').acquire()
  t.match(await here.manager('healthy').status(), { version: '2.0.0', pinned: true })
  await lease.release()
  t.match(await here.manager('healthy').status(), { state: 'ready', pinned: true }, 'the last lease does not end it')
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('and however many launches that takes', async (t) => {
  const here = place(t)
  await here.manager('healthy', { version: '1.0.0' }).ensureServerRunning()
  const steal = join(here.folder, 'steal')
  writeFileSync(steal, '')
  const lease = await here.manager('loses-port', { version: '2.0.0', onMismatch: 'restart', idleTimeout: 0, env: { STEAL_ONCE: steal } }).acquire()
  t.equal(here.starts().length, 3, 'one lost its port')
  t.match(await here.manager('healthy').status(), { version: '2.0.0', pinned: true })
  await lease.release()
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('an older one goes on where the newer one would meet a server that was run by hand', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy', { version: '1.0.0' }).ensureServerRunning()
  const port = await quietPort()
  await stranger(t, 'healthy', port)
  t.match(await failureOf(here.manager('healthy', { version: '2.0.0', onMismatch: 'restart', port }).ensureServerRunning()), { code: 'PORT_IN_USE', port })
  t.ok(isAlive(pid!))
  t.equal(await here.manager('healthy').stopServer({ launchId: undefined } as object), false, 'a launch that nobody knows is none')
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('an older one that is leased and ignores its signal is replaced, and ends for its holder alone', async (t) => {
  const here = place(t)
  const old = holder(t, here, here.options('ignores-sigterm', { version: '1.0.0', stopTimeout: 300, idleTimeout: 0 }))
  const { pid } = await old.held
  const next = await here.manager('healthy', { version: '2.0.0', onMismatch: 'restart', idleTimeout: 0 }).acquire()
  t.equal(isAlive(pid!), false)
  await old.release()
  t.match(await here.manager('healthy').status(), { state: 'ready', pid: next.server.pid, leases: [{}] }, 'a lease that ends on the older one does not end the newer')
  await next.release()
  await until(() => here.left().length === 0, 'the newer one to be ended, with its state')
  here.nothingLeft(t)
})

t.test('twenty clients of four versions at once: one server at a time, the newest in the end, and nobody fights', async (t) => {
  const here = place(t)
  const versions = ['1.0.0-rc.1', '1.0.0', '1.1.0', '1.10.0'] as const
  const clients = Array.from({ length: 20 }, (_, index) => client(t, here, here.options('replaced-while-booting', { version: versions[index % 4]!, onMismatch: 'restart', env: { BOOT_MS: '50' } }), { barrier: true }))
  await Promise.all(clients.map((one) => one.said('loaded')))
  for (const one of clients) one.release()
  const ended = await allEnded(clients)
  t.same(ended.flatMap(({ error }, index) => (error === undefined || (error.code === 'CONFIG_MISMATCH' && index % 4 !== 3) ? [] : [error.message])), [], 'the newest have theirs, the others one that was not newer, or are told')
  t.equal(new Set(ended.filter((_, index) => index % 4 === 3).map((one) => resultOf(one).info.pid)).size, 1)
  t.ok(here.starts().length <= versions.length, `${here.starts().length} starts`)
  here.oneAtATime(t)
  t.match(await here.manager('healthy').status(), { state: 'ready', version: '1.10.0' })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})
