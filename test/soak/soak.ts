/**
 * npm run soak: the long series, which do not fit into npm test. Prints a table, and exits non-zero
 * when anything broke.
 *
 *     npm run soak -- --rounds 200            rounds of each series
 *     npm run soak -- --only crowd            series whose name contains the word
 */
import { parseArgs } from 'node:util'
import { crowd } from './crowd.js'
import { kills } from './kills.js'
import { leases } from './leases.js'
import { recoveryTime } from './recovery.js'
import type { Outcome, Series } from './series.js'
import { everyOrder, hostileStates, randomHolders, randomOrders, randomVanishing, randomVersions } from './simulation.js'

const ALL: readonly Series[] = [crowd, ...kills, recoveryTime, ...leases, randomOrders, randomHolders, randomVanishing, randomVersions, hostileStates, ...everyOrder]

const { values } = parseArgs({ options: { rounds: { type: 'string' }, only: { type: 'string' } } })
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  console.error(`--rounds must be a whole number of at least 1, got ${values.rounds}`)
  process.exit(2)
}

const say = (text: string): void => { if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`) }

const results: { series: Series; outcome: Outcome; seconds: number }[] = []
for (const series of ALL.filter(({ name }) => name.includes(values.only ?? ''))) {
  const began = performance.now()
  const outcome = await series.run(rounds ?? series.rounds, (done) => say(`${series.name}: ${done}`))
  say('')
  results.push({ series, outcome, seconds: (performance.now() - began) / 1000 })
  for (const violation of outcome.violations) console.log(`VIOLATION in ${series.name}: ${violation}`)
}

const width = Math.max(...results.map(({ series }) => series.name.length), 6)
console.log(`${'series'.padEnd(width)}  ${'cases'.padStart(8)}  violations  slowest recovery  seconds`)
for (const { series, outcome, seconds } of results) {
  const slowest = outcome.slowest === undefined ? '–' : `${Math.round(outcome.slowest)} ms`
  console.log(`${series.name.padEnd(width)}  ${String(outcome.cases).padStart(8)}  ${String(outcome.violations.length).padStart(10)}  ${slowest.padStart(16)}  ${seconds.toFixed(0).padStart(7)}`)
  if (outcome.note !== undefined) console.log(`${' '.repeat(width)}  ${outcome.note}`)
}
process.exitCode = results.some(({ outcome }) => outcome.violations.length > 0) ? 1 : 0
