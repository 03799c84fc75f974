/** Promise 1 and 2, as a crowd sees them: whoever comes, however many at once, there is one server and one URL. */
import t from 'tap'
import { allEnded, isAlive, place, resultOf, together } from '../support/clients.js'

for (const count of [2, 8, 32]) {
  t.test(`${count} clients that begin in the same instant share one server, and stopping it leaves nothing`, async (t) => {
    const here = place(t)
    const ended = await allEnded(await together(t, here, count, here.options('healthy')))
    const results = ended.map(resultOf)

    t.equal(here.starts().length, 1, 'the ledger shows one start')
    t.equal(new Set(results.map(({ info }) => info.url)).size, 1, 'all have the same URL')
    t.equal(new Set(results.map(({ info }) => info.pid)).size, 1, 'all have the same PID')
    t.same(results.map(({ status }) => status).filter((status) => status !== 200), [], 'each URL was healthy at the moment of return')
    t.equal(results.filter(({ info }) => info.started).length, 1, 'one of them started it')
    t.same(ended.filter(({ code, signal, stderr }) => code !== 0 || signal !== null || stderr !== ''), [], 'each client has exited by itself, silently')

    const { pid } = results[0]!.info
    t.equal(pid, here.starts()[0]!.pid)
    t.ok(isAlive(pid!), 'the server lives on')
    await here.only(pid!)

    t.equal(await here.manager('healthy').stopServer(), true)
    t.notOk(isAlive(pid!), 'it has exited when stop returns')
    here.nothingLeft(t)
  })
}
