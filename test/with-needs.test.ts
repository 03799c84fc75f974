/** A server of a config file that needs another, for programs: a lease on it is a lease on both, in whose name ever, and a failure leaves neither. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fromConfig, type Lease } from '../lib/index.js'
import { start } from './support/child.js'
import { failureOf, fixture, isAlive, place, type Place } from './support/clients.js'
import { gone, holdsOf } from './support/holders.js'
import { tempFolder } from './support/temp-folder.js'

interface Both {
  readonly api: Place
  readonly db: Place
  readonly manager: () => ReturnType<typeof fromConfig>
}

/** Two servers, each in a place of its own. `command`: of the one that needs the other. */
const configure = (t: Test, command = [process.execPath, fixture('healthy')]): Both => {
  const [api, db, folder] = [place(t), place(t), tempFolder(t)]
  const entry = (here: Place, words: readonly string[], more: object = {}) =>
    ({ command: words, port: 'auto', pidFile: here.pidFile, idleTimeout: 0, env: { LEDGER: join(here.folder, 'ledger') }, ...more })
  const servers = { api: entry(api, command, { needs: ['db'] }), db: entry(db, [process.execPath, fixture('healthy')]) }
  writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers }))
  return { api, db, manager: () => fromConfig('api', { from: folder }) }
}

const endOf = (here: Place): number => here.ledger().find(({ event }) => event === 'stop')?.at ?? Number.NaN

t.test('a lease is on both, and its release ends the one that needs the other first', async (t) => {
  const { api, db, manager } = configure(t)
  const lease: Lease = await (await manager()).acquire()
  for (const here of [api, db]) t.match(await here.manager('healthy').status(), { state: 'ready', pinned: false, leases: [{ pid: process.pid }] })
  t.equal(lease.server.pid, api.starts()[0]!.pid)
  t.ok(db.starts()[0]!.at < api.starts()[0]!.at, 'what is needed began before')
  await lease.release()
  for (const here of [api, db]) await gone(here)
  t.ok(api.starts().length === 1 && db.starts().length === 1)
})

t.test('in the name of another process: both end with it', async (t) => {
  const { api, db, manager } = configure(t)
  const one = start(t, 'sleep', ['608'])
  await (await manager()).acquire({ pid: one.pid! })
  for (const here of [api, db]) t.match(await here.manager('healthy').status(), { leases: [{ pid: one.pid }] })
  one.kill('SIGKILL')
  for (const here of [api, db]) await gone(here)
})

t.test('one that cannot be started lets go of what it needs, whose ever the lease is', async (t) => {
  const one = start(t, 'sleep', ['609'])
  for (const call of [{}, { pid: one.pid! }]) {
    const { db, manager } = configure(t, [process.execPath, fixture('dies-at-once')])
    t.match(await failureOf((await manager()).acquire(call)), { code: 'SERVER_EXITED', message: /^api: / })
    t.equal(db.starts().length, 1)
    await gone(db)
    t.same(holdsOf(db, 'lease'), [])
  }
  t.ok(isAlive(one.pid!))
})

t.test('an explicit start pins both, and a look or a stop concerns the one alone', async (t) => {
  const { api, db, manager } = configure(t)
  const pid = await (await manager()).startServer()
  t.equal((await (await manager()).ensureServerRunning()).pid, pid)
  for (const here of [api, db]) t.match(await here.manager('healthy').status(), { pinned: true })
  t.match(await (await manager()).status(), { pid })
  t.equal(await (await manager()).stopServer(), true)
  t.match(await db.manager('healthy').status(), { state: 'ready' }, 'another server may need it')
  t.equal(await db.manager('healthy').stopServer(), true)
  t.notOk(endOf(db) < endOf(api))
  for (const here of [api, db]) here.nothingLeft(t)
})
