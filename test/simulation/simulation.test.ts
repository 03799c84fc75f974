/**
 * Promises 1, 3 and 4 over every order that fits into a few seconds; `orders.test.ts` goes through more, and `npm run soak` through the
 * rest. The lock grants itself to everybody here, unless said.
 */
import t from 'tap'
import { endingPlan, waiter, waiterThatLooksFirst } from './ending.js'
import { exploreAll, exploreRandom, replaySeed } from './explore.js'
import { holds } from './holds.js'
import { exploreHostileStates } from './hostile.js'
import { anyHolder, holder, leasePlan, stopper, unattendedPlan, userWithoutLease, vanishingPlan, wiper } from './leases.js'
import { impatient, patient, patiencePlan } from './patience.js'
import { anyActs, ensure, FAULTS } from './series.js'

t.test('two clients, every order with up to two preemptions', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, ensure] }, { preemptions: 2, faults: 0, kinds: [] }))
})

t.test('two clients, every order with one fault', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, ensure] }, { preemptions: 0, faults: 1, kinds: FAULTS }))
})

t.test('3 to 6 clients in random orders, with kills, freezes and deaths of the server', async (t) => {
  holds(t, await exploreRandom(anyActs, 1, 400))
})

t.test('a waiter against a reaper past its deadline, in every order', async (t) => {
  holds(t, await exploreAll(endingPlan([waiter], 1), { preemptions: 40, faults: 0, kinds: [] }))
})

t.test('one deadline for everybody: the most patient client that waits decides, in every order with one preemption', async (t) => {
  holds(t, await exploreAll(patiencePlan([impatient, patient]), { preemptions: 1, faults: 0, kinds: [] }))
})

t.test('the checker can fail: a patient client that does not object loses the launch', async (t) => {
  const { failures } = await exploreAll(patiencePlan([impatient, patient], undefined, true), { preemptions: 0, faults: 0, kinds: [] })
  t.match(failures[0]?.result.violations, [/^\w+ is ended at \d+.*, and \d+ waits until/])
})

t.test('two holders of leases, every order with one preemption or one fault', async (t) => {
  holds(t, await exploreAll(leasePlan([holder, holder]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll(leasePlan([holder, holder]), { preemptions: 0, faults: 1, kinds: ['crash'] }))
})

t.test('whoever ends a server is killed, and nobody comes afterwards: the watches bring it to its end', async (t) => {
  holds(t, await exploreAll(unattendedPlan([anyHolder, stopper]), { preemptions: 0, faults: 1, kinds: ['crash'] }))
  // Its launcher finds that it does not answer in time.
  holds(t, await exploreAll(unattendedPlan([anyHolder], ['c1']), { preemptions: 0, faults: 1, kinds: ['crash'] }))
})

t.test('state that vanishes under holders of leases, without a preemption: no second server, and nobody loses the first', async (t) => {
  holds(t, await exploreAll(vanishingPlan([holder, holder, wiper]), { preemptions: 0, faults: 0, kinds: [] }))
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
