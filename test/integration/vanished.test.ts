/** State that vanishes under a living server: no second server, nobody's server is taken, and what nobody uses ends all the same. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { OneServerError, type ClientProcessManagerOptions } from '../../lib/index.js'
import { bareEnv, fixture, run } from '../support/child.js'
import { isAlive, place, statusOf } from '../support/clients.js'
import { gone, holder } from '../support/holders.js'
import { until } from '../support/until.js'

const IDLE = 300

/** A place whose state lies in a folder of its own, which something may delete. */
const aCheckout = (t: Test) => {
  const here = place(t)
  const state = join(here.folder, '.one-server')
  const pidFile = join(state, 'e2e.pid')
  const options = (more: ClientProcessManagerOptions = {}) => here.options('healthy', { pidFile, idleTimeout: IDLE, ...more })
  const host = (): string => join(`${pidFile}.d`, readdirSync(`${pidFile}.d`)[0]!)
  const removeAll = (isMeant: (name: string) => boolean): void => {
    for (const name of readdirSync(host())) if (isMeant(name)) rmSync(join(host(), name))
  }
  return { here, state, pidFile, options, host, removeAll }
}

type Checkout = ReturnType<typeof aCheckout>

/** Each deletes or moves what a living server has on disk. */
const VANISHING: Readonly<Record<string, (checkout: Checkout) => void>> = {
  'rm -rf of the state folder': ({ state }) => { rmSync(state, { recursive: true }) },
  'git clean -ffdx of the checkout': ({ here }) => {
    writeFileSync(join(here.folder, '.gitignore'), '.one-server\nledger\n')
    const git = (...args: string[]) => execFileSync('git', ['-C', here.folder, ...args], { env: bareEnv(), stdio: 'ignore' })
    git('init')
    git('clean', '-ffdx', '-e', 'ledger')
  },
  'a state folder that is renamed': ({ state }) => { renameSync(state, `${state}.old`) },
  'a cleaner that removes the claim alone': ({ removeAll }) => { removeAll((name) => name.endsWith('.claim')) },
  'a cleaner that removes the PID file alone': ({ pidFile }) => { rmSync(pidFile) },
  'a cleaner that removes the leases alone': ({ removeAll }) => { removeAll((name) => /\.(lease|watch)$/.test(name)) },
  'a cleaner that removes old files one by one, and no folder': ({ removeAll, pidFile }) => {
    removeAll(() => true)
    rmSync(pidFile)
  },
}

for (const [what, vanish] of Object.entries(VANISHING)) {
  t.test(`state that vanishes: ${what}: the server lives for its holders, and ends after the last one`, async (t) => {
    const checkout = aCheckout(t)
    const { here, options } = checkout
    const [one, other] = [holder(t, here, options()), holder(t, here, options())]
    const [{ pid }] = await Promise.all([one.held, other.held])
    vanish(checkout)
    await one.kill()
    // The idle time passes, and more than that: the watchdog of the one that was killed looks and sees the other.
    await new Promise((resolve) => { setTimeout(resolve, 5 * IDLE) })
    t.ok(isAlive(pid!), 'it lives for the other')
    t.equal((await other.release()).failed, 0)
    await gone(here)
    t.equal(here.starts().length, 1)
  })

  t.test(`state that vanishes: ${what}: the next client finds the server that lives`, async (t) => {
    const checkout = aCheckout(t)
    const { here, options } = checkout
    const manager = here.manager('healthy', options({ idleTimeout: 60_000 }))
    const first = await (await manager.acquire()).release().then(() => statusOf(manager))
    vanish(checkout)
    const lease = await manager.acquire()
    t.match(lease.server, { pid: first.pid, started: false })
    t.match(await manager.status(), { state: 'ready', pid: first.pid, leases: [{ pid: process.pid }] })
    await lease.release()
    t.equal(await manager.stopServer(), true)
    await gone(here)
    t.equal(here.starts().length, 1)
  })
}

t.test('state that vanishes within the idle time, and no client comes: the watchdog ends what nobody uses', async (t) => {
  const { here, state, options } = aCheckout(t)
  const one = holder(t, here, options())
  await one.held
  await one.release()
  rmSync(state, { recursive: true })
  await gone(here)
  t.equal(here.starts().length, 1)
  await until(() => !existsSync(state) || readdirSync(state).every((name) => name.endsWith('.log')), 'the state to go as well')
})

t.test('state that vanishes under a pinned server: no watchdog ends it, and start, status, isServerRunning and stop know it', async (t) => {
  for (const ask of ['ensureServerRunning', 'status', 'isServerRunning', 'stopServer'] as const) {
    const { here, state, options } = aCheckout(t)
    const manager = here.manager('healthy', options())
    // A lease came first, so that a watchdog lives when the server is pinned.
    const lease = await manager.acquire()
    const { pid } = await manager.ensureServerRunning()
    rmSync(state, { recursive: true })
    await lease.release()
    await new Promise((resolve) => { setTimeout(resolve, 3 * IDLE) })
    t.ok(isAlive(pid!), 'the end of the lease is not its end')
    const answer = await manager[ask]()
    if (ask === 'ensureServerRunning' || ask === 'status') t.match(answer, { pid })
    else t.equal(answer, true, ask)
    if (ask === 'status') t.notOk(existsSync(state), 'a getter writes nothing')
    if (ask !== 'stopServer') t.equal(await manager.stopServer(), true)
    await gone(here)
    t.equal(here.starts().length, 1)
  }
})

t.test('state that vanishes: list and doctor tell of the server by its processes', async (t) => {
  const { here, state, options } = aCheckout(t)
  const { pid } = await here.manager('healthy', options()).ensureServerRunning()
  rmSync(state, { recursive: true })
  const command = (...words: string[]) => run(t, process.execPath, [fixture('../build/lib/cli/bin').replace(/mjs$/, 'js'), ...words], {
    env: { ...here.env, ONE_SERVER_STATE_DIR: state },
  })
  t.match((await command('doctor', 'e2e')).stdout, new RegExp(`PID ${pid}`))
  t.match((await command('list')).stdout, new RegExp(`^e2e +ready +(?:- +)?${pid} `, 'm'))
  t.match(await command('stop', 'e2e'), { code: 0 })
  await gone(here)
})

t.test('state that cannot be seen when a lease is released: OneServerError or nothing, and the watchdog is let go all the same', async (t) => {
  const { here, pidFile, options } = aCheckout(t)
  const manager = here.manager('healthy', options())
  const lease = await manager.acquire()
  rmSync(`${pidFile}.d`, { recursive: true })
  writeFileSync(`${pidFile}.d`, 'no folder')
  await lease.release().catch((error: unknown) => { t.type(error, OneServerError) })
  rmSync(`${pidFile}.d`)
  await gone(here)
  t.equal(here.starts().length, 1)
})
