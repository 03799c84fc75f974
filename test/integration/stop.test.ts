/** Promise 3: stop means exited. Whoever starts a server after it meets nothing of the old one. */
import t from 'tap'
import { accepts, client, isAlive, place, quietPort, resultOf } from '../support/clients.js'
import { until } from '../support/until.js'

const TIMES = 50

t.test(`stop, then start at once, ${TIMES} times: each is a new server, and never are there two`, async (t) => {
  const here = place(t)
  // One that no other process is given by chance: a server that loses its port is launched again, and that is another start.
  const manager = here.manager('healthy', { port: await quietPort() })
  const pids = new Set<number>()
  const late: number[] = []
  for (let time = 0; time < TIMES; time++) {
    const { pid, started } = await manager.ensureServerRunning()
    if (!started) t.fail('it was not the one that started it')
    pids.add(pid!)
    if (!(await manager.stopServer())) t.fail('nothing was stopped')
    if (isAlive(pid!)) late.push(pid!)
  }
  t.equal(pids.size, TIMES, 'each has a PID of its own')
  t.same(late, [], 'each had exited when stop returned')
  t.equal(here.starts().length, TIMES, 'the ledger has no other starts')
  here.oneAtATime(t)
  here.nothingLeft(t)
})

t.test('on a fixed port, too, the next server comes up at once where the last one was', async (t) => {
  const here = place(t)
  const { port } = await here.manager('healthy').ensureServerRunning()
  for (let time = 0; time < 5; time++) {
    t.equal(await here.manager('healthy').stopServer(), true)
    t.notOk(await accepts(port), 'nothing listens when stop returns')
    t.match(await here.manager('healthy', { port }).ensureServerRunning(), { port, started: true })
  }
  t.equal(await here.manager('healthy').stopServer(), true)
  here.oneAtATime(t)
})

t.test('another process than the one that started it stops it, and returns after its exit', async (t) => {
  const here = place(t)
  const { info } = resultOf(await client(t, here, here.options('healthy')).ended)
  const stopper = await client(t, here, here.options('healthy'), { method: 'stopServer' }).ended
  t.equal(stopper.result?.info, true, stopper.error?.message ?? 'it was stopped')
  t.ok(here.ledger().at(-1)!.at < stopper.result!.at, 'the server had ended by then')
  t.notOk(isAlive(info.pid!))
  here.nothingLeft(t)
})

t.test('stop of nothing is false, and writes nothing', async (t) => {
  const here = place(t)
  t.equal(await here.manager('healthy').stopServer(), false)
  t.same(here.left(), [])
  await here.manager('healthy').ensureServerRunning()
  t.equal(await here.manager('healthy').stopServer(), true)
  t.equal(await here.manager('healthy').stopServer(), false, 'a second time there is nothing')
})

t.test('two that stop at once both return after the exit, and one of them has stopped it', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  const stops = await Promise.all([0, 1].map(async () => [await here.manager('healthy').stopServer(), isAlive(pid!)]))
  t.same(stops.filter(([, alive]) => alive), [])
  t.same(stops.filter(([stopped]) => stopped).length, 1)
  here.nothingLeft(t)
})

t.test('a call during a stop gets a new server, which begins after the old one has ended', async (t) => {
  const here = place(t)
  const manager = here.manager('ignores-sigterm', { stopTimeout: 500 })
  const { pid: old } = await manager.ensureServerRunning()
  const stopping = manager.stopServer()
  // It has been asked, and goes on for as long as it may.
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the stop to be under way')
  const { info, status } = resultOf(await client(t, here, here.options('healthy')).ended)
  t.match({ info, status }, { info: { started: true }, status: 200 })
  t.not(info.pid, old)
  t.equal(await stopping, true)
  await here.only(info.pid!)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a stop that dies half-way is finished by the next call', async (t) => {
  const here = place(t)
  const { pid: old } = await here.manager('ignores-sigterm', { stopTimeout: 1000 }).ensureServerRunning()
  const stopper = client(t, here, here.options('healthy', { stopTimeout: 20_000 }), { method: 'stopServer' })
  await until(() => here.left().some((name) => name.endsWith('.ended')), 'the stop to be under way')
  stopper.child.kill('SIGKILL')
  await stopper.ended
  const { info, status } = resultOf(await client(t, here, here.options('healthy')).ended)
  t.match({ info, status }, { info: { started: true }, status: 200 })
  t.notOk(isAlive(old!))
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})
