/**
 * The promises of several hosts over orders that fit into a second: never two serving, never two running, failure shared, the last one out,
 * a server for the next client, nothing left. `orders.test.ts` goes through more, and `npm run soak -- --only stewards` through the rest.
 */
import t from 'tap'
import { holds } from '../simulation/holds.js'
import { breaking } from './breaking.js'
import { exploreFaults, exploreRandom, replaySeed, runWith } from './explore.js'
import { anyFailure, anyFailures, anyGuests, anyHosts, anyWiping, twoHosts } from './plans.js'
import type { RunPlan } from './schedule.js'
import type { World } from './world.js'

t.test('2 or 3 hosts in random orders, with kills, freezes, cut links, lost and late requests, deaths of servers and fuses', async (t) => {
  holds(t, await exploreRandom(anyHosts, 1, 120))
})

t.test('clients that come and go all the time, and an engine that forgets everything', async (t) => {
  holds(t, await exploreRandom(anyGuests, 1, 30))
  holds(t, await exploreRandom(anyWiping, 1, 30))
})

t.test('a server that fails: its failure on each host that waited, and one attempt for each host at most', async (t) => {
  holds(t, await exploreRandom(anyFailure, 1, 30))
  holds(t, await exploreRandom(anyFailures, 1, 30))
})

t.test('two hosts, and every single fault at each 307th step', async (t) => {
  holds(t, await exploreFaults({ ...twoHosts(), mayFreezeHosts: true }, { every: 307 }))
})

for (const [rule, plan, what] of [
  ['ownShorterTtl', anyHosts, /takes the claim of \w+ after/],
  ['blindRenew', anyHosts, /takes the claim of \w+ after/],
  ['blindTake', anyHosts, /takes the claim of \w+ after/],
  ['startsUnconfirmed', anyHosts, /two running|takes the claim/],
  ['releaseFirst', anyHosts, /two running|has returned, and the server/],
] as const) {
  t.test(`the checker can fail: ${rule}`, async (t) => {
    const { failures } = await exploreRandom(breaking(plan, rule), 1, 1000)
    t.match(failures[0]?.result.violations[0], what)
    const seed = Number(/\d+/.exec(failures[0]!.replay)?.[0])
    t.same((await replaySeed(breaking(plan, rule), seed)).trace, failures[0]!.result.trace, 'the seed replays it')
  })
}

/** Runs a plan with faults of these names, and looks at the world before the faults end. */
const after = async (plan: RunPlan, those: readonly RegExp[], look: (world: World) => void) => {
  let seen: World | undefined
  const { violations } = await runWith({ ...plan, check: (world) => { look(seen = world) } }, those)
  return { violations, world: seen! }
}

const oneHost = (ms: number, world: RunPlan['world'] = {}): RunPlan => ({ sites: [{ rate: 1, ttl: 5000, clients: 1 }], world, ms })

t.test('a claim that was carried out without an answer, or twice, is the own one of its steward, which claims no second time', async (t) => {
  for (const fault of [/^the answer is lost: .* writes claim .* starting 0/, /^repeated: .* writes claim .* starting 0/, /^lost: .* writes claim .* starting 0/]) {
    const { violations } = await after(oneHost(3000), [fault], ({ trace, clients }) => {
      t.equal(clients[0]!.state, 'using', String(fault))
      t.equal(trace.filter((line) => /engine: .* writes claim .* starting 0/.test(line)).length, 1)
    })
    t.same(violations, [])
  }
})

t.test('a steward that is asked to end while it claims gives the claim back', async (t) => {
  const { violations } = await after(oneHost(2000), [/^a copy stays on the way: .* writes claim/, /^stop at s1/], ({ engine, attempts }) => {
    t.match(engine.store.get('p/n/claim')?.value, /"state":"over"/)
    t.equal(attempts, 0)
  })
  t.same(violations, [])
})

t.test('an owner that died as it was ready is waited for, and nobody is told that its host cannot be reached', async (t) => {
  const plan: RunPlan = { sites: [{ rate: 1, ttl: 15_000, clients: 1 }, { rate: 1, ttl: 15_000, clients: 0 }], world: {}, ms: 25_000 }
  const { violations } = await after(plan, [/^leave s1$/, /^h1 is killed$/, /^come to s2$/], ({ clients }) => {
    t.match(clients.at(-1), { state: 'using', result: { host: 's2' } })
  })
  t.same(violations, [])
})

t.test('a wish to stop that was lost is written again', async (t) => {
  const { violations } = await after({ ...twoHosts(), ms: 4000 }, [/^leave s2/, /^come to s2/, /^stop at s2/, /^lost: .* writes stop/], ({ servers, trace }) => {
    t.same(servers.map(({ isAlive }) => isAlive), [false], trace.join('\n'))
  })
  t.same(violations, [])
})

t.test('a server that takes longer to stop than the fuse burns is not killed while its claim is renewed', async (t) => {
  const { violations } = await after(oneHost(12_000, { stopping: 7000 }), [/^leave s1/], ({ trace }) => {
    const at = (pattern: RegExp): number => Number.parseInt(trace.find((line) => pattern.test(line)) ?? '', 10)
    t.ok(at(/server 1 dies/) - at(/signals the server/) >= 7000, trace.join('\n'))
  })
  t.same(violations, [])
})

t.test('what waits for a server that another host stops gets STOPPED, and starts none', async (t) => {
  const plan: RunPlan = { ...twoHosts({ boot: 5000 }), ms: 4000 }
  const { violations } = await after(plan, [/^delayed by 250 ms: .* writes users/, /^stop at s1/], ({ clients, attempts }) => {
    t.match(clients[1]!.result, { code: 'STOPPED' })
    t.equal(attempts, 1)
  })
  t.same(violations, [])
})

t.test('requests to the engine do not grow with the clients, and no host wakes another for ever', async (t) => {
  const requests = async (clients: number): Promise<number> => {
    const plan: RunPlan = { sites: [1, 1, 1].map((rate) => ({ rate, ttl: 5000, clients })), world: { hints: true }, ms: 60_000 }
    const { world } = await after(plan, [], () => {})
    return world.trace.filter((line) => / all faults end/.test(line) || / engine: /.test(line)).findIndex((line) => line.includes('all faults end'))
  }
  const few = await requests(1)
  t.ok(few < 60 * (2 + 2 * 2 * 2) + 50, `${few} in a minute`)
  t.equal(await requests(50), few)
})
