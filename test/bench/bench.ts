/**
 * npm run bench: how long clients wait, as ratios to the least that the machine allows, beside what people use instead.
 *
 *     npm run bench -- --only crowd           cases whose name contains the word
 *     npm run bench -- --only memory          what each way to hold a lease keeps: processes, memory, processor time
 *     npm run bench -- --rounds 40            rounds of each case
 *     npm run bench -- --node /path/to/node   another Node for all that is measured
 *     npm run bench -- --plots .github        only draws the two plots, into that folder
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { alternatives, cases, type Verdict } from './cases.js'
import { median } from '../support/recovery.js'
import { measureMemory } from './memory.js'
import { drawPlots } from './plots.js'

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, rounds: { type: 'string' }, node: { type: 'string', default: process.execPath }, plots: { type: 'string' } },
})
const bench = { node: resolve(values.node) }

const chosen = cases.filter(({ name }) => name.includes(values.only))

if (chosen.length > 0 && !existsSync(join(alternatives, 'node_modules'))) {
  execFileSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel', 'error'], { cwd: alternatives, stdio: 'inherit' })
}

const version = execFileSync(bench.node, ['--version'], { encoding: 'utf8' }).trim()
const place = `Node ${version.slice(1)}, ${process.platform} ${process.arch}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}`

const figure = (value: number, as: Verdict['as']): string => (as === 'ratio' ? `${value.toFixed(2)} ×` : as === 'ms more' ? `${value >= 0 ? '+' : ''}${value.toFixed(0)} ms` : as === 'ms' ? `${value.toFixed(0)} ms` : `${value.toFixed(2)} ${as}`)

/** What is compared: each round with the floor of the same round. */
const compared = (own: readonly number[], { floor, as }: Verdict): readonly number[] =>
  own.map((value, at) => (floor === undefined ? value : as === 'ratio' ? value / floor[at]! : value - floor[at]!))

const spread = (values_: readonly number[], as: Verdict['as']): string => {
  const sorted = values_.toSorted((one, other) => one - other)
  return `${figure(median(values_), as)} (${figure(sorted[0]!, as)} to ${figure(sorted.at(-1)!, as)})`
}

const row = (verdict: Verdict): string => {
  const { what, floor, as, target, others } = verdict
  const own = compared(verdict.ours, verdict)
  const met = target === undefined ? 'reported' : `${as === 'ms more' ? '≤ +' : '≤ '}${figure(target, as).replace('+', '')}${median(own) <= target ? '' : ' **missed**'}`
  const beside = [...others].map(([name, values_]) => `${name} ${figure(median(compared(values_, verdict)), as)}`).join(', ')
  return `| ${what} | ${floor === undefined ? '–' : `${median(floor).toFixed(0)} ms`} | ${spread(own, as)} | ${met} | ${beside || '–'} |`
}

if (values.plots !== undefined) {
  await drawPlots(bench, values.plots, place)
} else {
  console.log(place)
  if (chosen.length > 0) {
    console.log('\nMedian (min to max) of each round beside the floor of the same round\n')
    console.log('| case | floor | one-server | target | instead |\n|---|---|---|---|---|')
  }
  for (const one of chosen) {
    for (const verdict of await one.run(bench, values.rounds === undefined ? one.rounds : Number(values.rounds))) console.log(row(verdict))
  }
  if ('memory'.includes(values.only)) {
    console.log('')
    for await (const line of measureMemory(bench)) console.log(line)
  }
}
