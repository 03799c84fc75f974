/**
 * npm run soak: the long series, which do not fit into npm test. Prints a table, row by row, and exits non-zero
 * when anything broke.
 *
 *     npm run soak -- --rounds 200            rounds of each series
 *     npm run soak -- --only crowd            series whose name contains the word
 */
import { parseArgs } from 'node:util'
import { crowd } from './crowd.js'
import { hosts } from './hosts/series.js'
import { kills } from './kills.js'
import { leases } from './leases.js'
import { models } from './models.js'
import { recoveryTime } from './recovery.js'
import type { Outcome, Series } from './series.js'
import { everyOrder, hostileStates, randomGuardians, randomHolders, randomOrders, randomVanishing, randomVersions } from './simulation.js'
import { stewards } from './stewards.js'

const ALL: readonly Series[] = [crowd, ...kills, recoveryTime, ...leases, randomOrders, randomHolders, randomGuardians, randomVanishing, randomVersions, hostileStates, ...everyOrder, ...hosts, ...stewards, ...models]

const { values } = parseArgs({ options: { rounds: { type: 'string' }, only: { type: 'string' } } })
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  console.error(`--rounds must be a whole number of at least 1, got ${values.rounds}`)
  process.exit(2)
}

const say = (text: string): void => { if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`) }

const chosen = ALL.filter(({ name }) => name.includes(values.only ?? ''))
const width = Math.max(...chosen.map(({ name }) => name.length), 6)
console.log(`${'series'.padEnd(width)}  ${'cases'.padStart(8)}  violations  slowest recovery  seconds`)

const show = ({ name }: Series, { cases, violations, slowest, note }: Outcome, seconds: number): void => {
  const recovery = slowest === undefined ? '–' : `${Math.round(slowest)} ms`
  for (const violation of violations) console.log(`VIOLATION in ${name}: ${violation}`)
  console.log(`${name.padEnd(width)}  ${String(cases).padStart(8)}  ${String(violations.length).padStart(10)}  ${recovery.padStart(16)}  ${seconds.toFixed(0).padStart(7)}`)
  if (note !== undefined) console.log(`${' '.repeat(width)}  ${note}`)
  if (violations.length > 0) process.exitCode = 1
}

let violated = 0
for (const series of chosen) {
  const began = performance.now()
  const outcome = await series.run(rounds ?? series.rounds, (done) => say(`${series.name}: ${done}`))
  say('')
  // Each row at once: a run of an hour that is cut short has shown what it has seen.
  show(series, outcome, (performance.now() - began) / 1000)
  violated += outcome.violations.length
}
console.log(`${violated} violations`)
