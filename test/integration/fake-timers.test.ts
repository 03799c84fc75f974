/**
 * A process whose test has put fake timers in the place of the host's (Vitest, Jest, sinon, node:test): no timer fires, and the clocks
 * stand still or begin at 0. Every call is answered all the same, and leaves nothing that stays when the timers are true again.
 */
import t, { type Test } from 'tap'
import { runModule } from '../support/child.js'
import { place } from '../support/clients.js'

/** What stands in the place of the timers as long as `fake()` has not been taken back. They never fire. */
const FAKE = `
  const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
  const manager = new ClientProcessManager(JSON.parse(process.argv[1]))
  const real = { setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval, clearInterval }
  const { bigint } = process.hrtime
  const fake = () => {
    for (const name of Object.keys(real)) globalThis[name] = () => ({ ref() {}, unref() {} })
    process.hrtime.bigint = () => 0n
    return () => {
      Object.assign(globalThis, real)
      process.hrtime.bigint = bigint
    }
  }
`

const lib = new URL('../../../dist/index.js', import.meta.url).href

const during = async (t: Test, program: string): Promise<string> => {
  const here = place(t)
  const { stdout, stderr } = await runModule(t, FAKE + program, [JSON.stringify(here.options('healthy'))], { env: { ...here.env, ONE_SERVER_LIB: lib } })
  await here.manager('healthy').stopServer()
  return stdout + stderr
}

t.test('a cold start under fake timers is ready, and others give it its time', async (t) => {
  t.equal(await during(t, `
    const restore = fake()
    const { started, pid } = await manager.ensureServerRunning()
    restore()
    const again = await manager.ensureServerRunning()
    console.log(started, again.started, again.pid === pid)`), 'true false true\n')
})

t.test('so are a look, a lease and a stop', async (t) => {
  t.equal(await during(t, `
    await manager.ensureServerRunning()
    fake()
    const { state } = await manager.status()
    const lease = await manager.acquire()
    await lease.release()
    console.log(state, await manager.isServerRunning(), await manager.stopServer(), await manager.isServerRunning())`),
  'ready true true false\n')
})

t.test('the idle connection of calls under fake timers is closed when its time is over', async (t) => {
  t.equal(await during(t, `
    const { subscribe } = await import('node:diagnostics_channel')
    const sockets = []
    subscribe('net.client.socket', ({ socket }) => sockets.push(socket))
    await manager.ensureServerRunning()
    const restore = fake()
    for (let call = 0; call < 3; call++) await manager.ensureServerRunning()
    restore()
    await manager.ensureServerRunning()
    const { length } = sockets
    for (let looks = 0; looks < 100 && sockets.some(({ destroyed }) => !destroyed); looks++) await new Promise((done) => real.setTimeout(done, 20))
    console.log(length > 1, sockets.every(({ destroyed }) => destroyed))`), 'true true\n')
})

t.test('fakes that were there before the package was loaded still have the true timers', async (t) => {
  const here = place(t)
  const { stdout, stderr } = await runModule(t, `
    const clock = {}
    const real = {}
    // As sinon does it: each fake has its clock, and the clock has what was there before.
    const replace = (of, name, fake) => {
      real[name] = clock['_' + name] = of[name]
      of[name] = Object.assign(fake, { clock })
    }
    const timers = process.getBuiltinModule('node:timers')
    for (const name of ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate']) {
      replace(globalThis, name, () => ({ ref() {}, unref() {} }))
      timers[name] = globalThis[name]
    }
    replace(process, 'hrtime', Object.assign(() => [0, 0], { bigint: () => 0n }))
    const { ClientProcessManager } = await import(process.env.ONE_SERVER_LIB)
    const manager = new ClientProcessManager(JSON.parse(process.argv[1]))
    console.log((await manager.ensureServerRunning()).started, (await manager.status()).state, await manager.stopServer())`,
  [JSON.stringify(here.options('healthy'))], { env: { ...here.env, ONE_SERVER_LIB: lib } })
  await here.manager('healthy').stopServer()
  t.equal(stdout + stderr, 'true ready true\n')
})

t.test('timers that are numbers, as those of a browser (jsdom)', async (t) => {
  t.equal(await during(t, `
    const { pid } = await manager.ensureServerRunning()
    globalThis.setTimeout = (...args) => Number(real.setTimeout(...args))
    for (let call = 0; call < 3; call++) if ((await manager.ensureServerRunning()).pid !== pid) console.log('another server')
    console.log('done')`), 'done\n')
})

t.test('and a URL that cannot be asked first, as that of jsdom 20 (Jest 29)', async (t) => {
  t.equal(await during(t, `
    delete URL.canParse
    delete URL.parse
    const own = new ClientProcessManager(JSON.parse(process.argv[1]))
    const { started } = await own.ensureServerRunning()
    const lease = await own.acquire()
    await lease.release()
    console.log(started, (await own.ensureServerRunning()).started, (await own.status()).state, await own.stopServer())`), 'true false ready true\n')
})
