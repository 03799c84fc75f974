/**
 * What `npm test` runs: test files as processes of their own, and those that start none in one, with tap's own spawn and totals, and
 * without tap's runner. The runner puts loaders into every Node process that a test starts, servers
 * and clients included: they cost each most of a second, and change what many of these tests are
 * about. The long files come first, so that no core is idle at the end.
 *
 *     node build/test/all.js                 all but what beyond.ts names
 *     node build/test/all.js --all           all
 *     node build/test/all.js leases cli/     files whose name has one of these words
 *
 * One limit stands for the whole run, so generous that it shows a hang and not a slow machine; each test bounds itself by counts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import t from 'tap'
import { isBeyond, missing } from './beyond.js'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const FIRST = ['integration', 'simulation', 'cli']

/** Seconds. */
const LIMIT = 2 * 60 * 60

const { values, positionals: words } = parseArgs({ options: { all: { type: 'boolean', default: false } }, allowPositionals: true })

const rank = (name: string): number => (FIRST.indexOf(name.split('/')[0]!) + FIRST.length + 1) % (FIRST.length + 1)

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS$|_?TAP)/.test(name)))
const all = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.js'))
const files = all
  .filter((name) => (words.length > 0 ? words.some((word) => name.includes(word)) : values.all || !isBeyond(name)))
  .toSorted((one, other) => rank(one) - rank(other))

/** Whether a test file starts processes, by what it imports. */
const startsProcesses = (file: string): boolean =>
  /from '(?:node:child_process|.*\/(?:child|clients|holders|command-line|terminal|etcd-server)\.js)'/.test(readFileSync(join(FOLDER, file), 'utf8'))

/** tap prints the files in their order, so a long one holds back what is known of the others. */
const progress = (text: string): void => { process.stderr.write(`${text}\n`) }

if (missing(all).length > 0) t.fail(`beyond.ts names what is not there: ${missing(all).join(', ')}`)
if (files.length === 0) t.fail(`no test file has ${words.join(' or ')} in its name`)
progress(`${files.length} of ${all.length} test files; npm run test:all runs all`)
t.setTimeout(LIMIT * 1000)
t.jobs = Math.min(4, availableParallelism() + 2)
let ended = 0

/** Runs a program of this folder over some of the files. */
const run = (name: string, args: readonly string[], count: number): void => {
  // tap's own spawn puts its loaders into NODE_OPTIONS, whatever environment it is given: env(1) takes them out again.
  const result = t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    name, buffered: true, timeout: LIMIT * 1000, env: { ...env, TAP: '1', TAP_TIMEOUT: String(LIMIT) },
  })
  void Promise.resolve(result).then((end) => {
    const { ok, time = 0 } = (end ?? {}) as { ok?: boolean; time?: number }
    progress(`[${ended += count}/${files.length}] ${ok === false ? 'FAILED ' : ''}${name} ${(time / 1000).toFixed(1)} s`)
  })
}

const alone = files.filter((file) => words.length > 0 || startsProcesses(file))
const together = files.filter((file) => !alone.includes(file))
for (const file of alone) run(file, [join(FOLDER, file)], 1)
if (together.length > 0) run(`${together.length} files that start no process`, [join(FOLDER, 'together.js'), ...together], together.length)
