/** A 200 from a stranger never passes for ours: by the launch id that a server gives, by what its body must hold, and by a client's wish to meet no stranger at all. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { failureOf, fixture, isAlive, place, quietPort, stranger } from '../support/clients.js'
import { until } from '../support/until.js'

t.test('a server that gives its launch id in a header is known by it', async (t) => {
  const here = place(t)
  const options = { env: { LAUNCH: 'own' } }
  const { pid } = await here.manager('says', options).ensureServerRunning()
  t.match(await here.manager('says', options).ensureServerRunning(), { pid, started: false })
  t.match(await here.manager('says', options).status(), { state: 'ready', pid })
  t.equal(await here.manager('says').stopServer(), true)
})

t.test('an empty launch id, as a server gives that was not started by us, says nothing', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const pid = await stranger(t, 'says', port, { LAUNCH: '' })
  t.match(await here.manager('healthy', { port }).ensureServerRunning(), { adopted: true, pid })
})

t.test('an answer with another launch id is not ours, although the socket is', async (t) => {
  const here = place(t)
  const healthUrl = 'http://me:SECRET@127.0.0.1:{port}/?token=SECRET'
  const error = await failureOf(here.manager('says', { env: { LAUNCH: 'f'.repeat(16) }, healthUrl, startupTimeout: 800 }).ensureServerRunning())
  t.match(error, { code: 'START_TIMEOUT', message: /is answered by another server, by the launch id that it gives/ })
  t.notMatch(error.message, /SECRET/)
  t.same(here.alive(), [])
})

t.test('a child that outlives the leader while it answers is the server of the same launch', async (t) => {
  const here = place(t)
  const [script, die] = [join(here.folder, 'leader.mjs'), join(here.folder, 'die')]
  // Asked for its health, the child first ends its parent, and answers when that is gone.
  writeFileSync(script, `
    import ${JSON.stringify(fixture('ledger'))}
    import { spawn } from 'node:child_process'
    import { existsSync } from 'node:fs'
    import { healthy, serve } from ${JSON.stringify(fixture('serve'))}
    const parent = process.ppid
    if (process.env.LEDGER_ROLE !== 'child') spawn(process.execPath, [${JSON.stringify(script)}], { stdio: 'inherit', env: { ...process.env, LEDGER_ROLE: 'child' } })
    else serve({ answer: (request, response) => {
      if (!existsSync(${JSON.stringify(die)})) return healthy(request, response)
      try { process.kill(parent, 'SIGKILL') } catch {}
      const gone = setInterval(() => { if (process.ppid !== parent) { clearInterval(gone); healthy(request, response) } }, 1)
    } })`)
  const first = await here.manager(script).ensureServerRunning()
  writeFileSync(die, '')
  const waiting = here.manager(script).ensureServerRunning()
  await until(() => !isAlive(first.pid!), 'the leader to be ended by its child')
  rmSync(die)
  const next = await waiting
  t.match(next, { started: false, launchId: first.launchId, url: first.url })
  t.not(next.pid, first.pid)
  t.ok(isAlive(next.pid!))
  t.equal(await here.manager(script).stopServer(), true)
  t.same(here.alive(), [])
})

t.test('a stranger that gives a launch id is never adopted', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const pid = await stranger(t, 'says', port, { LAUNCH: 'f'.repeat(16) })
  t.match(await failureOf(here.manager('healthy', { port }).ensureServerRunning()), { code: 'PORT_IN_USE', pid, message: /launched for another PID file/ })
})

t.test('healthMatch: a text or a regular expression that the body must hold, for those who launch and those who find', async (t) => {
  const here = place(t)
  const env = { BODY: 'shop 2.1 is up' }
  for (const healthMatch of ['shop 2', /^SHOP \d+\.\d+/i]) {
    const { pid } = await here.manager('says', { env, healthMatch }).ensureServerRunning()
    t.match(await here.manager('says', { env }).ensureServerRunning(), { pid }, `${healthMatch} goes with the record`)
    t.equal(await here.manager('says').stopServer(), true)
  }
  const error = await failureOf(here.manager('says', { env, healthMatch: 'blog', startupTimeout: 800 }).ensureServerRunning())
  t.match(error, { code: 'START_TIMEOUT', message: /its body does not match healthMatch/ })
  t.same(here.alive(), [])
})

t.test('a server run by hand is adopted only with the body that is asked for, and not at all with reuseExisting: false', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const pid = await stranger(t, 'says', port, { BODY: 'shop' })
  t.match(await here.manager('healthy', { port, healthMatch: 'shop' }).ensureServerRunning(), { adopted: true, pid })
  t.match(await failureOf(here.manager('healthy', { port, healthMatch: 'blog' }).ensureServerRunning()), { code: 'PORT_IN_USE', pid })
  const refused = here.manager('healthy', { port, reuseExisting: false })
  t.match(await failureOf(refused.ensureServerRunning()), { code: 'PORT_IN_USE', pid, message: /reuseExisting is false/ })
  t.equal(await refused.isServerRunning(), false)
  t.match(await refused.status(), { state: 'stopped' })
  here.nothingLeft(t)
})

t.test('what one-server started itself is used with reuseExisting: false, too', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  t.match(await here.manager('healthy', { reuseExisting: false }).ensureServerRunning(), { pid, started: false })
  t.equal(await here.manager('healthy').stopServer(), true)
})
