/** Which port it becomes, and who is there already: a stranger, a server run by hand, another PID file's server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { accepts, allEnded, client, failureOf, isAlive, place, quietPort, resultOf, stranger, together } from '../support/clients.js'
import { until } from '../support/until.js'

t.test('a fixed port is the one, and a running server\'s own port comes before the one that a later client asks for', async (t) => {
  const here = place(t)
  const [port, other] = [await quietPort(), await quietPort()]
  const server = await here.manager('healthy', { port }).ensureServerRunning()
  t.match(server, { port, url: `http://localhost:${port}`, address: `http://127.0.0.1:${port}` })
  t.match(await here.manager('healthy', { port: other }).ensureServerRunning(), { port, started: false })
  t.equal(await here.manager('healthy', { port: other }).stopServer(), true)
  here.nothingLeft(t)
})

t.test('of a list, the first that nobody has', async (t) => {
  const here = place(t)
  const ports = [await quietPort(), await quietPort(), await quietPort()]
  const pid = await stranger(t, 'plain-http-server', ports[0]!)
  const { info, status } = resultOf(await client(t, here, here.options('healthy', { port: ports })).ended)
  t.match({ info, status }, { info: { port: ports[1], started: true, adopted: false }, status: 200 })
  t.ok(isAlive(pid))
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('auto: clients that begin together still share one port', async (t) => {
  const here = place(t)
  const results = (await allEnded(await together(t, here, 4, here.options('healthy', { port: 0 })))).map(resultOf)
  t.equal(new Set(results.map(({ info }) => info.port)).size, 1)
  t.equal(here.starts()[0]!.port, results[0]!.info.port, 'it is the port that the server was told')
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a healthy server that somebody runs by hand is adopted, and left alone by stop', async (t) => {
  const here = place(t)
  const port = await quietPort()
  const pid = await stranger(t, 'healthy', port)
  const results = (await allEnded(await together(t, here, 3, here.options('healthy', { port })))).map(resultOf)
  for (const { info, status } of results) {
    t.match({ info, status }, { info: { adopted: true, started: false, pid, port, launchId: undefined, url: `http://localhost:${port}`, address: `http://127.0.0.1:${port}` }, status: 200 })
  }
  const manager = here.manager('healthy', { port })
  t.equal(await manager.isServerRunning(), true)
  t.match(await manager.status(), { state: 'ready', adopted: true, pid })
  t.equal(await manager.stopServer(), false)
  t.ok(isAlive(pid) && (await accepts(port)), 'it serves on')
  t.equal(here.starts().length, 0)
  here.nothingLeft(t)
})

t.test('a server that was launched for another PID file is not adopted', async (t) => {
  const [here, there] = [place(t), place(t)]
  const port = await quietPort()
  const { pid } = await there.manager('healthy', { port }).ensureServerRunning()
  const error = await failureOf(here.manager('healthy', { port }).ensureServerRunning())
  t.match(error, { code: 'PORT_IN_USE', port, pid })
  t.match(error.message, `Port ${port} is in use by PID ${pid}, a server that was launched for another PID file`)
  t.equal(await here.manager('healthy', { port }).isServerRunning(), false)
  t.equal(await here.manager('healthy', { port }).stopServer(), false)
  t.ok(isAlive(pid!))
  here.nothingLeft(t)
  t.equal(await there.manager('healthy').stopServer(), true)
})

t.test('two PID files that want one port at once: one gets it, the other is told so, and never takes the other\'s server for its own', async (t) => {
  const [here, there] = [place(t), place(t)]
  const port = await quietPort()
  const clients = await Promise.all([here, there].map((at) => together(t, at, 3, at.options('boots-after-300ms', { port }))))
  const sides = await Promise.all(clients.map(allEnded))
  const winners = sides.filter((ended) => ended.every(({ result }) => result !== undefined))
  const losers = sides.filter((ended) => ended.every(({ error }) => error !== undefined))
  t.same([winners.length, losers.length], [1, 1], 'each side is of one mind')
  t.same(losers.flat().map(({ error }) => error?.code), ['PORT_IN_USE', 'PORT_IN_USE', 'PORT_IN_USE'], losers.flat()[0]?.error?.message ?? '')
  t.same(losers.flat().filter(({ error }) => !error?.message.startsWith(`Port ${port} is in use`)), [])
  const winner = sides[0] === winners[0] ? here : there
  await until(() => [here.alive(), there.alive()].flat().join() === String(resultOf(winners[0]![0]!).info.pid), 'one server to live')
  t.equal(await winner.manager('healthy').stopServer(), true)
})

t.test('a server that loses its port between choice and bind gets another one, and all clients get that', async (t) => {
  const here = place(t)
  const once = join(here.folder, 'once.log')
  writeFileSync(once, '')
  const ended = await allEnded(await together(t, here, 6, here.options('loses-port', { env: { STEAL_ONCE: once } })))
  const results = ended.map(resultOf)
  t.equal(new Set(results.map(({ info }) => info.url)).size, 1, 'one URL')
  t.same(results.map(({ status }) => status).filter((status) => status !== 200), [])
  t.equal(results.filter(({ info }) => info.started).length, 1)
  t.same(here.ledger().filter(({ event }) => event === 'stop').map(({ exitCode }) => exitCode), [1], 'the first has ended')
  t.equal(here.starts().length, 2)
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
})

t.test('a server that loses a fixed port fails at once, with what it said', async (t) => {
  const here = place(t)
  const once = join(here.folder, 'once.log')
  writeFileSync(once, '')
  const port = await quietPort()
  const error = await failureOf(here.manager('loses-port', { port, env: { STEAL_ONCE: once } }).ensureServerRunning())
  t.match(error, { code: 'PORT_IN_USE', port, exitCode: 1, logTail: /EADDRINUSE/ })
  t.match(error.message, `Port ${port} is in use now: the server lost it to another process between the choice and the bind.`)
  t.equal(here.starts().length, 1)
  t.same(here.alive(), [])
})

for (const choice of ['auto', 'fixed'] as const) {
  t.test(`a lost port is told from another failure by those who follow, too, when the launcher is gone (${choice})`, async (t) => {
    const here = place(t)
    const once = join(here.folder, 'once.log')
    writeFileSync(once, '')
    const port = choice === 'auto' ? choice : await quietPort()
    const clients = await together(t, here, 4, here.options('loses-port', { port, env: { STEAL_ONCE: once, LOSE_MS: '1000' } }))
    await Promise.all(clients.map((one) => one.said('waiting')))
    const { pid } = await until(() => here.starts()[0], 'the server to begin')
    const launcher = await Promise.race(clients.map((one) => one.said('claimed').then(() => one)))
    launcher.child.kill('SIGKILL')
    const ended = await allEnded(clients.filter((one) => one !== launcher))
    t.equal(here.ledger().find(({ event }) => event === 'stop')?.pid, pid)
    if (choice === 'auto') {
      const results = ended.map(resultOf)
      t.equal(new Set(results.map(({ info }) => info.url)).size, 1, 'they choose again, one for all')
      t.equal(here.starts().length, 2)
      t.equal(await here.manager('healthy').stopServer(), true)
    } else {
      t.same(ended.map(({ error }) => error?.code), ['PORT_IN_USE', 'PORT_IN_USE', 'PORT_IN_USE'])
      t.equal(new Set(ended.map(({ error }) => error?.message)).size, 1)
      t.equal(here.starts().length, 1)
    }
  })
}
