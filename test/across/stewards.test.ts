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
  const { violations } = await after(plan, [/^a copy stays on the way: .* ready 2/, /^h1 is killed$/, /^come to s2$/], ({ clients }) => {
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
    const { world, violations } = await after(plan, [], () => {})
    t.same(violations, [])
    return world.trace.filter((line) => / all faults end/.test(line) || / engine: /.test(line)).findIndex((line) => line.includes('all faults end'))
  }
  const few = await requests(1)
  t.ok(few < 60 * (2 + 2 * 2 * 2) + 50, `${few} in a minute`)
  t.equal(await requests(50), few)
})

t.test('a steward that looks for the failure only after another host has claimed again shares it all the same', async (t) => {
  const plan: RunPlan = { sites: [1, 1, 0].map((clients) => ({ rate: 1, ttl: 5000, clients })), world: { failures: 1 }, ms: 3000 }
  const { violations } = await after(plan, [/^a copy stays on the way: .* over/, /^come to s3/], ({ clients }) => {
    t.match(clients.map(({ result }) => result), [{ code: 'SERVER_EXITED' }, { code: 'SERVER_EXITED', exitCode: 3 }, { host: 's3' }])
  })
  t.same(violations, [])
})

t.test('a server that is ready while a renewal is under way is told with the next one, at once', async (t) => {
  const { violations } = await after({ ...twoHosts({ boot: 100 }), ms: 800 }, [/^delayed by 250 ms: s1.* writes claim .* starting 1/], ({ clients }) => {
    t.same(clients.map(({ state }) => state), ['using', 'using'])
  })
  t.same(violations, [])
})

t.test('an owner that finds its claim deleted while it marks its end stops its server itself', async (t) => {
  const plan: RunPlan = { ...oneHost(9000), mayWipe: true }
  const { violations } = await after(plan, [/^leave s1/, /^delayed by 250 ms: .* writes claim .* ending/, /^everything is deleted/], ({ trace }) => {
    t.ok(trace.some((line) => line.endsWith('s1/1 returns')))
    t.notOk(trace.some((line) => line.endsWith('burns')))
  })
  t.same(violations, [])
})

t.test('an owner that is stopped while it takes its mark back says no more that it is ready', async (t) => {
  const { violations } = await after(oneHost(4000), [/^leave s1/, /^delayed by 250 ms: .* writes claim .* ending/, /^stop at s1/], ({ trace }) => {
    const ends = trace.findIndex((line) => line.includes('says: the server ends'))
    t.same(trace.slice(ends).filter((line) => /writes claim .* ready/.test(line)), [])
    t.ok(ends > 0)
  })
  t.same(violations, [])
})

t.test('an answer that a frozen steward reads late shows no silence of the owner: the server stays where it is', async (t) => {
  // It looks several times between two renewals.
  const plan: RunPlan = { sites: [{ rate: 1, ttl: 10_000, clients: 1 }, { rate: 1, ttl: 2000, clients: 1 }], world: {}, ms: 20_000 }
  const read = /^a copy stays on the way: s2\/2 reads claim/
  const late = [/^a copy stays on the way: s1.* ready 4/, read, read, /^s2\/2 is frozen for 11000 ms/]
  const { violations } = await after(plan, late, ({ clients, trace }) => {
    t.same(clients.map(({ state }) => state), ['using', 'using'])
    t.ok(trace.some((line) => line.includes('is frozen for 11000 ms')))
  })
  t.same(violations, [])
})
