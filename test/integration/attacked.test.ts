/** What an attack on the whole found, kept. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { allEnded, client, failureOf, now, place, resultOf, together } from '../support/clients.js'
import { within } from '../support/within.js'

t.test('a health check whose body does not end is healthy by its status, for the launcher and for all', async (t) => {
  const here = place(t)
  const ended = await allEnded(await together(t, here, 3, here.options('body-without-end', { startupTimeout: 8000 }), { env: { METHOD: 'startServer' } }))
  t.same(ended.filter(({ error }) => error !== undefined), [])
  const manager = here.manager('body-without-end', { startupTimeout: 8000 })
  t.match(await manager.ensureServerRunning(), { adopted: false })
  await manager.stopServer()
  const began = now()
  t.match(await manager.ensureServerRunning(), { started: true })
  within(t, now() - began, 6000, 'long before the deadline')
  await manager.stopServer()
  here.nothingLeft(t)
})

t.test('a state folder behind a link to nowhere is named', async (t) => {
  const here = place(t)
  symlinkSync('/nowhere/at/all', join(here.folder, 'link.log'))
  const error = await failureOf(here.manager('healthy', { pidFile: join(here.folder, 'link.log', 'x.pid'), logFile: join(here.folder, 'x.log') }).ensureServerRunning())
  t.match(error, { code: 'STATE_UNUSABLE', message: /link\.log.*: cannot be/ })
})

t.test('a client whose call has failed is not held by a health check that is under way', async (t) => {
  const here = place(t)
  const waiting = client(t, here, here.options('never-answers', { startupTimeout: 1500, healthTimeout: '30s' }))
  const ended = await waiting.ended
  t.equal(ended.error?.code, 'START_TIMEOUT')
  within(t, ended.at - ended.error!.at, 1000, 'it ended soon after its call')
  t.throws(() => resultOf(ended))
})
