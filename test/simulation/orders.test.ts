/** As `simulation.test.ts`, over orders that take longer: `npm run test:all`. */
import t from 'tap'
import { endingPlan, waiter } from './ending.js'
import { exploreAll, exploreRandom, replaySeed } from './explore.js'
import { holds } from './holds.js'
import { anyGuardians, anyHolders, anyVanishing, cleaner, guardian, holder, idleStopper, leasePlan, returningHolder, sharer, starter, vanishingPlan, ward, wiper } from './leases.js'
import { anyPatience, impatient, late, patiencePlan, patient, waits } from './patience.js'
import { early, late as lateStranger, neighbourPlan } from './neighbour.js'
import { anyVersions, newer, older, replacingPlan } from './replacing.js'
import { anyActs, ensure, FAULTS, stopServer } from './series.js'

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

t.test('state that vanishes under holders of leases, at once or file by file: no second server, and nobody loses the first', async (t) => {
  for (const vanishing of [wiper, cleaner]) {
    holds(t, await exploreAll(vanishingPlan([holder, holder, vanishing]), { preemptions: 1, faults: 0, kinds: [] }))
  }
  holds(t, await exploreAll(vanishingPlan([holder, starter, wiper]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreRandom(anyVanishing, 1, 300))
})

t.test('a stranger comes to the other address of the port, in every order with up to one preemption: all callers have one URL', async (t) => {
  const [before, after] = [new Set<string>(), new Set<string>()]
  holds(t, await exploreAll(neighbourPlan(early, before), { preemptions: 1, faults: 0, kinds: [] }))
  t.ok(before.has('http://127.0.0.1'), 'it comes in time')
  holds(t, await exploreAll(neighbourPlan(lateStranger, after), { preemptions: 1, faults: 0, kinds: [] }))
  t.same([...after], ['http://localhost'], 'it comes too late')
})

t.test('a client and a stop, every order with up to two preemptions', async (t) => {
  holds(t, await exploreAll({ acts: [ensure, stopServer] }, { preemptions: 2, faults: 0, kinds: [] }))
})

t.test('two waiters against two reapers, every order with one preemption', async (t) => {
  holds(t, await exploreAll(endingPlan([waiter, waiter], 2), { preemptions: 1, faults: 0, kinds: [] }))
})

t.test('a holder that lets go and comes again into the end of the server, beside another', async (t) => {
  holds(t, await exploreAll(leasePlan([returningHolder, holder]), { preemptions: 1, faults: 0, kinds: [] }))
})

t.test('a client whose leases share a watchdog, beside another or a stop that spares holders, with one preemption or one fault', async (t) => {
  for (const other of [holder, idleStopper]) holds(t, await exploreAll(leasePlan([sharer, other]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll(leasePlan([sharer]), { preemptions: 0, faults: 1, kinds: FAULTS }))
})

t.test('2 to 5 holders in random orders, beside an explicit start or a stop that spares holders, with kills and freezes of clients and watches', async (t) => {
  holds(t, await exploreRandom(anyHolders, 1, 300))
})

t.test('leases that others take in the name of a client, released or not, with kills and freezes of all of them', async (t) => {
  holds(t, await exploreAll(leasePlan([ward, guardian]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreRandom(anyGuardians, 1, 300))
})

t.test('clients of two versions, every order with one preemption or one fault, and random ones, at a lock that keeps order', async (t) => {
  holds(t, await exploreAll(replacingPlan([older, newer]), { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll(replacingPlan([older, newer]), { preemptions: 0, faults: 1, kinds: FAULTS }))
  holds(t, await exploreRandom(anyVersions, 1, 300))
  // In these an older version was launched while a newer client cleaned up, and the newer client followed it.
  for (const seed of [4365, 5478, 8763]) t.same((await replaySeed(anyVersions, seed)).violations, [], `seed ${seed}`)
})

t.test('one deadline for everybody: three patiences, and one that comes as the time of the first ends', async (t) => {
  holds(t, await exploreAll(patiencePlan([impatient, patient]), { preemptions: 0, faults: 1, kinds: FAULTS }))
  holds(t, await exploreAll(patiencePlan([impatient, late]), { preemptions: 2, faults: 0, kinds: [] }))
  holds(t, await exploreAll(patiencePlan([impatient, late]), { preemptions: 0, faults: 1, kinds: FAULTS }))
  holds(t, await exploreAll(patiencePlan([impatient, patient, waits(4000, 50)]), { preemptions: 0, faults: 1, kinds: ['crash'] }))
  holds(t, await exploreRandom(anyPatience, 1, 600))
})

t.test('without hard links, where another client may come between the look for a file and its name', async (t) => {
  const world = { withoutLinks: true }
  holds(t, await exploreAll({ acts: [ensure, ensure], world }, { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll({ acts: [ensure, stopServer], world }, { preemptions: 1, faults: 0, kinds: [] }))
  holds(t, await exploreAll({ acts: [ensure, ensure], world }, { preemptions: 0, faults: 1, kinds: FAULTS }))
  holds(t, await exploreRandom((random) => { const plan = anyActs(random); return { ...plan, world: { ...plan.world, ...world } } }, 1, 200))
  holds(t, await exploreRandom((random) => { const plan = anyHolders(random); return { ...plan, world: { ...plan.world, ...world } } }, 1, 100))
})
