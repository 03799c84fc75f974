/**
 * npm run bench: how long clients wait, as ratios to the least that the machine allows, beside what people use instead.
 *
 *     npm run bench -- --only crowd           cases whose name contains the word
 *     npm run bench -- --only memory          what each way to hold a lease keeps: processes, memory, processor time
 *     npm run bench -- --rounds 40            rounds of each case
 *     npm run bench -- --node /path/to/node   another Node for all that is measured
 *     npm run bench -- --growth               how costs grow with clients, leases and servers; --only leases: one of them
 *     npm run bench -- --growth --most 50     no more than that many of each
 *     npm run bench -- --plots .github        only draws the two plots, into that folder; with --growth that table's
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { alternatives, cases } from './cases.js'
import { HEAD, rowOf } from './figures.js'
import { drawGrowth } from './growth-plot.js'
import { growthTable, measureGrowth } from './growth.js'
import { measureMemory } from './memory.js'
import { drawPlots } from './plots.js'
import { watchOthers } from './quiet.js'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' }, rounds: { type: 'string' }, node: { type: 'string', default: process.execPath },
    plots: { type: 'string' }, growth: { type: 'boolean', default: false }, most: { type: 'string', default: 'Infinity' },
  },
})
const bench = { node: resolve(values.node) }

const version = execFileSync(bench.node, ['--version'], { encoding: 'utf8' }).trim().slice(1)
const place = `Node ${version}, ${process.platform} ${process.arch}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}`
const others = watchOthers()

const installAlternatives = (): void => {
  if (existsSync(join(alternatives, 'node_modules'))) return
  const quietly = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel', 'error']
  execFileSync('npm', ['install', ...quietly], { cwd: alternatives, stdio: 'inherit' })
}

/** Rounds behind a median that is compared with a target. */
const FEWEST = 20

let isShort = false

const printTable = async (): Promise<void> => {
  const chosen = cases.filter(({ name }) => name.includes(values.only))
  if (chosen.length === 0) return
  installAlternatives()
  console.log(`\n${HEAD}`)
  for (const one of chosen) {
    await others.look(one.name)
    const rounds = values.rounds === undefined ? one.rounds : Number(values.rounds)
    isShort ||= rounds < Math.min(FEWEST, one.rounds)
    for (const verdict of await one.run(bench, rounds)) console.log(rowOf(verdict, Number(version.split('.')[0])))
  }
}

const printGrowth = async (): Promise<void> => {
  await others.look('growth')
  const lines = await measureGrowth(bench, values.only, Number(values.most))
  console.log(`\n${growthTable(lines)}`)
  if (values.plots !== undefined) drawGrowth(lines, values.plots, place)
}

const began = performance.now()
console.log(place)
if (values.growth) {
  await printGrowth()
} else if (values.plots !== undefined) {
  installAlternatives()
  await others.look('the plots')
  await drawPlots(bench, values.plots, place)
} else {
  await printTable()
  // Four ways, and a minute of each in which nothing happens: only where it is asked for.
  if (values.only !== '' && 'memory'.includes(values.only)) {
    console.log('')
    for await (const line of measureMemory(bench)) console.log(line)
  }
}
console.log(`\nin ${((performance.now() - began) / 60_000).toFixed(1)} minutes`)
const warning = others.warning()
if (warning !== undefined) console.log(warning)
if (isShort) console.log(`warning: fewer than ${FEWEST} rounds are for a look, and their figures are not to be kept`)
