/**
 * Promises 1, 3 and 4 over every order that fits into a few seconds; `npm run soak` goes through the
 * rest. The lock grants itself to everybody here, unless said.
 */
import t, { type Test } from 'tap'
import { endingPlan, waiter, waiterThatLooksFirst } from './ending.js'
import { exploreAll, exploreRandom, replaySeed, type Explored } from './explore.js'
import { exploreHostileStates } from './hostile.js'
import { anyHolder, anyHolders, holder, leasePlan, returningHolder, stopper, unattendedPlan, userWithoutLease } from './leases.js'
import { anyVersions, newer, older, replacingPlan } from './replacing.js'
import { anyActs, ensure, FAULTS, stopServer } from './series.js'

/** A failing order as a person needs it: what broke, how to replay it, and what happened. */
const report = ({ runs, steps, failures }: Explored) => ({ runs, steps, failures: failures.map(({ replay, result }) => ({ replay, violations: result.violations, trace: result.trace.slice(-80) })) })

const holds = (t: Test, explored: Explored): void => {
  t.comment(`${explored.orders ?? explored.runs} orders, ${explored.steps} steps`)
  t.same(report(explored).failures, [])
}

t.test('two clients, every order with up to two preemptions', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, ensure] }, { preemptions: 2, faults: 0, kinds: [] }))
})

t.test('two clients, every order with one fault', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, ensure] }, { preemptions: 0, faults: 1, kinds: FAULTS }))
})

t.test('two clients, and a leader that ends while its children serve on or serve nobody, in every order', async (t) => {
  const ends = { faults: 1, kinds: ['leader-dies', 'leader-leaves'] } as const
  holds(t, await exploreAll({ acts: [ensure, ensure], world: { withChildren: 'serving' } }, { ...ends, preemptions: 1 }))
  holds(t, await exploreAll({ acts: [ensure, ensure], world: { withChildren: 'idle' } }, { ...ends, preemptions: 0 }))
})

t.test('two holders, and a leader that ends while its children serve on: the server is taken from neither', async (t) => {
  const plan = leasePlan([holder, holder])
  const served = { ...plan, world: { ...plan.world, withChildren: 'serving' as const } }
  holds(t, await exploreAll(served, { preemptions: 0, faults: 1, kinds: ['leader-dies', 'leader-leaves'] }))
})

t.test('a client and a stop, every order with up to two preemptions', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, stopServer] }, { preemptions: 2, faults: 0, kinds: [] }))
})

t.test('3 to 6 clients in random orders, with kills, freezes and deaths of the server', async (t) => {
  holds(t, await exploreRandom(anyActs, 1, 400))
})

t.test('a waiter against a reaper past its deadline, in every order', async (t) => {
  holds(t, await exploreAll(endingPlan([waiter], 1), { preemptions: 40, faults: 0, kinds: [] }))
})

t.test('two waiters against two reapers, every order with one preemption', async (t) => {
  holds(t, await exploreAll(endingPlan([waiter, waiter], 2), { preemptions: 1, faults: 0, kinds: [] }))
})

t.test('two holders of leases, every order with one preemption or one fault', async (t) => {
  holds(t, await exploreAll(leasePlan([holder, holder]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll(leasePlan([holder, holder]), { preemptions: 0, faults: 1, kinds: ['crash'] }))
})

t.test('a holder that lets go and comes again into the end of the server, beside another', async (t) => {
  holds(t, await exploreAll(leasePlan([returningHolder, holder]), { preemptions: 1, faults: 0, kinds: [] }))
})

t.test('whoever ends a server is killed, and nobody comes afterwards: the watches bring it to its end', async (t) => {
  holds(t, await exploreAll(unattendedPlan([anyHolder, stopper]), { preemptions: 0, faults: 1, kinds: ['crash'] }))
  // Its launcher finds that it does not answer in time.
  holds(t, await exploreAll(unattendedPlan([anyHolder], ['c1']), { preemptions: 0, faults: 1, kinds: ['crash'] }))
})

t.test('2 to 5 holders in random orders, beside an explicit start or a stop that spares holders, with kills and freezes of clients and watches', async (t) => {
  holds(t, await exploreRandom(anyHolders, 1, 300))
})

t.test('clients of two versions, every order with one preemption or one fault, and random ones, at a lock that keeps order', async (t) => {
  holds(t, await exploreAll(replacingPlan([older, newer]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll(replacingPlan([older, newer]), { preemptions: 0, faults: 1, kinds: FAULTS }))
  holds(t, await exploreRandom(anyVersions, 1, 300))
  // In these an older version was launched while a newer client cleaned up, and the newer client followed it.
  for (const seed of [4365, 5478, 8763]) t.same((await replaySeed(anyVersions, seed)).violations, [], `seed ${seed}`)
})

t.test('the checker can fail: whoever uses the server without a lease may lose it', async (t) => {
  const { failures } = await exploreAll(leasePlan([holder, userWithoutLease]), { preemptions: 1, faults: 0, kinds: [] })
  t.match(failures[0]?.result.violations, [/dies, and a client holds it$/])
})

t.test('any content of the PID file and the folder: a server or an error of ours, and no stranger is signalled', async (t) => {
  await t.resolves(exploreHostileStates(1000))
})

t.test('the checker can fail: without the second listing it finds two servers', async (t) => {
  const broken = { acts: [ensure, ensure], world: { withoutSecondListing: true } }
  const { failures } = await exploreAll(broken, { preemptions: 1, faults: 0, kinds: [] })
  t.match(failures[0]?.result.violations, [/^two servers: /])
})

t.test('the checker can fail: a waiter that looks before it objects is given a server that is ended', async (t) => {
  const { failures } = await exploreAll(endingPlan([waiterThatLooksFirst], 1), { preemptions: 3, faults: 0, kinds: [] })
  t.match(failures[0]?.result.violations, [/^somebody was told ready/])
})

t.test('a failing order has a seed, and the seed replays it', async (t) => {
  const broken = (random: () => number) => ({ ...anyActs(random), world: { withoutSecondListing: true } })
  const { failures } = await exploreRandom(broken, 1, 500)
  const seed = Number(/\d+/.exec(failures[0]!.replay)?.[0])
  t.same((await replaySeed(broken, seed)).trace, failures[0]!.result.trace)
})
