/** The models find what is broken, in the variants that take few states. `npm run soak -- --only models` goes through all of them. */
import t from 'tap'
import { exploreTerm, type Variant } from './term.js'
import { exploreUsers } from './users.js'

for (const [variant, states] of [['early', 335], ['blindtake', 13_903]] as const satisfies [Variant, number][]) {
  t.test(`a claim over hosts, ${variant}: two servers`, async (t) => {
    const found = exploreTerm(variant)
    t.equal(found.states, states)
    t.ok(found.twoServing ?? found.twoRunning)
    t.same(exploreTerm(variant).twoServing?.at(0), 'A asks', 'with the way to it')
  })
}

t.test('a claim over hosts, without writes that arrive late and for as long as a test may take: never two', async (t) => {
  const { twoServing, twoRunning, isCapped } = exploreTerm('ok', { ghosts: false, most: 20_000 })
  t.same([twoServing, twoRunning, isCapped], [undefined, undefined, true])
})

t.test('the last one out: holds as it is, and not if either side looks before it writes', async (t) => {
  t.same(exploreUsers('ok', 3), { states: 4157, violation: undefined })
  t.match(exploreUsers('lookfirst', 3), { states: 153, violation: Array })
  t.match(exploreUsers('readfirst', 3), { states: 121, violation: Array })
  t.match(exploreUsers('nolook', 3), { violation: Array })
})
