/**
 * What `npm test` runs: every test file as a process of its own, with tap's own spawn and totals, and
 * without tap's runner. The runner puts loaders into every Node process that a test starts, servers
 * and clients included: they cost each most of a second, and change what many of these tests are
 * about. The long files come first, so that no core is idle at the end.
 */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const FIRST = ['integration', 'simulation', 'cli']

const rank = (name: string): number => (FIRST.indexOf(name.split('/')[0]!) + FIRST.length + 1) % (FIRST.length + 1)

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS$|_?TAP)/.test(name)))
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js')).toSorted((one, other) => rank(one) - rank(other))

t.setTimeout(600_000)
t.jobs = Math.min(4, availableParallelism() + 2)
for (const file of files) {
  // tap's own spawn puts its loaders into NODE_OPTIONS, whatever environment it is given: env(1) takes them out again.
  void t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, join(FOLDER, file)], {
    name: file, buffered: true, timeout: 120_000, env: { ...env, TAP: '1', TAP_TIMEOUT: '120' },
  })
}
