/** A server of a config file that needs another, for programs: a lease on it is a lease on both, in whose name ever, and a failure leaves neither. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fromConfig, type ClientProcessManager, type Lease } from '../lib/index.js'
import { library, start } from './support/child.js'
import { failureOf, fixture, isAlive, place, type Place } from './support/clients.js'
import { execveNode, withExecve } from './support/execve.js'
import { gone, holdsOf, hostFolder, watchesOf } from './support/holders.js'
import { allProcesses, commandOf } from './support/processes.js'
import { tempFolder } from './support/temp-folder.js'
import { until } from './support/until.js'

interface Both {
  readonly api: Place
  readonly db: Place
  /** Of the config file. */
  readonly folder: string
  readonly manager: () => ReturnType<typeof fromConfig>
}

/** Two servers, each in a place of its own. `command`: of the one that needs the other. */
const configure = (t: Test, command = [process.execPath, fixture('healthy')]): Both => {
  const [api, db, folder] = [place(t), place(t), tempFolder(t)]
  const entry = (here: Place, words: readonly string[], more: object = {}) =>
    ({ command: words, port: 'auto', pidFile: here.pidFile, idleTimeout: 0, env: { LEDGER: join(here.folder, 'ledger') }, ...more })
  const servers = { api: entry(api, command, { needs: ['db'] }), db: entry(db, [process.execPath, fixture('boots-after-300ms')]) }
  writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers }))
  return { api, db, folder, manager: () => fromConfig('api', { from: folder }) }
}

const endOf = (here: Place): number => here.ledger().find(({ event }) => event === 'stop')?.at ?? Number.NaN

t.test('a lease is on both, and so is its release', async (t) => {
  const { api, db, manager } = configure(t)
  const lease: Lease = await (await manager()).acquire()
  for (const here of [api, db]) t.match(await here.manager('healthy').status(), { state: 'ready', pinned: false, leases: [{ pid: process.pid }] })
  t.equal(lease.server.pid, api.starts()[0]!.pid)
  t.ok(api.starts()[0]!.at - db.starts()[0]!.at > 290, 'what is needed was ready before')
  await lease.release()
  for (const here of [api, db]) await gone(here)
  t.ok(api.starts().length === 1 && db.starts().length === 1)
  t.ok(endOf(api) > 0)
})

/** The file of the lease becomes a folder, which is not removed as a file. */
const spoil = (here: Place): void => {
  const path = join(hostFolder(here)!, holdsOf(here, 'lease')[0]!)
  rmSync(path)
  mkdirSync(path)
}

t.test('a release goes on after a lease that cannot be released, and begins with the one that needs the other', async (t) => {
  for (const isFirstAlone of [true, false]) {
    const { api, db, manager } = configure(t)
    const lease = await (await manager()).acquire()
    for (const here of isFirstAlone ? [api] : [api, db]) spoil(here)
    const { code, message } = await failureOf(lease.release())
    t.equal(code, 'STATE_UNUSABLE')
    t.match(message, api.folder, 'what is told is the failure of the first')
    if (isFirstAlone) await gone(db)
  }
})

t.test('a lease that is handed over is both', withExecve, async (t) => {
  const { api, db, folder } = configure(t)
  // It keeps its PID, and none of its pipes.
  const text = `
    const { fromConfig } = await import(${JSON.stringify(library('index.js'))})
    const lease = await (await fromConfig('api', { from: ${JSON.stringify(folder)} })).acquire()
    await lease.handOver()
    process.execve('/bin/sleep', ['sleep', '610'], process.env)`
  const child = start(t, execveNode, ['--no-warnings', '--input-type=module', '--eval', text], { stdio: ['ignore', 'inherit', 'inherit'] })
  await until(() => commandOf(child.pid!).trim() === 'sleep 610', 'the client to be another program')
  for (const here of [api, db]) {
    const [watch] = watchesOf(here)
    // A watchdog that looks whether its holder lives naps in between; before the end of an idle time of 0 none does.
    await until(() => {
      if (holdsOf(here, 'lease').length === 0) throw new Error('the lease has ended with the pipe')
      return allProcesses().some(({ pid, parent }) => parent === watch && /^ sleep (?!0\.000)/.test(commandOf(pid)))
    }, 'the watchdog to look')
    t.match(await here.manager('healthy').status(), { state: 'ready', leases: [{ pid: child.pid }] })
  }
  child.kill('SIGKILL')
  for (const here of [api, db]) await gone(here)
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
  const STARTS = [(one: ClientProcessManager) => one.startServer(), async (one: ClientProcessManager) => (await one.ensureServerRunning()).pid]
  for (const begin of STARTS) {
    const { api, db, manager } = configure(t)
    const pid = await begin(await manager())
    for (const here of [api, db]) t.match(await here.manager('healthy').status(), { pinned: true })
    t.equal((await (await manager()).ensureServerRunning()).pid, pid)
    t.match(await (await manager()).status(), { pid })
    t.equal(await (await manager()).stopServer(), true)
    t.match(await db.manager('healthy').status(), { state: 'ready' }, 'another server may need it')
    t.equal(await db.manager('healthy').stopServer(), true)
    for (const here of [api, db]) here.nothingLeft(t)
  }
})
