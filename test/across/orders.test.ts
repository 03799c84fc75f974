/** As `stewards.test.ts`, over orders that take longer: `npm run test:all`. */
import t from 'tap'
import { holds } from '../simulation/holds.js'
import { breaking, broken } from './breaking.js'
import { BREAKS } from './breaks.js'
import { exploreFaults, exploreRandom } from './explore.js'
import { anyFailure, anyFailures, anyGuests, anyHosts, anyLastOut, anySilence, anyTrouble, anyWiping, twoHosts } from './plans.js'

t.test('random orders of every kind', async (t) => {
  for (const plan of [anyHosts, anyTrouble, anyGuests, anySilence, anyWiping, anyLastOut, anyFailure, anyFailures]) holds(t, await exploreRandom(plan, 1001, 300))
})

t.test('two hosts, and every single fault at each 23rd step', async (t) => {
  holds(t, await exploreFaults({ ...twoHosts(), mayFreezeHosts: true }, { every: 23 }))
})

const byFault = {
  doorIgnoresTerm: /two serving/,
  termFromAnswer: /two running|two serving|is started after/,
  noFuse: /two running|is started after/,
} as const

t.test('the checker can fail: a single fault finds each of these rules broken', async (t) => {
  for (const [rule, what] of Object.entries(byFault)) {
    const { failures } = await exploreFaults({ ...broken(twoHosts(), rule as keyof typeof byFault), mayFreezeHosts: true })
    t.match(failures[0]?.result.violations[0], what, rule)
  }
})

const byChance = {
  silenceFromQuestion: [anySilence, /takes the claim of \w+ after/],
  looksBeforeItMarks: [anyLastOut, /as unused, and \w+ uses it/],
  readsBeforeItWrites: [anyLastOut, /as unused, and \w+ uses it/],
} as const

t.test('the checker can fail: random orders find each of these rules broken', async (t) => {
  for (const [rule, [plan, what]] of Object.entries(byChance)) {
    const { failures } = await exploreRandom(breaking(plan, rule as keyof typeof byChance), 1, 20_000)
    t.match(failures[0]?.result.violations[0], what, rule)
  }
})

t.test('every rule that can be broken is', async (t) => {
  const here = [...Object.keys(byFault), ...Object.keys(byChance)]
  const inNpmTest = ['ownShorterTtl', 'blindRenew', 'blindTake', 'startsUnconfirmed', 'releaseFirst']
  t.same([...here, ...inNpmTest].toSorted(), [...BREAKS].toSorted())
})
