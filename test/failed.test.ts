/**
 * The tail of a CI log says what failed: `.ci/run` itself, with programs of ours in the place of npm and apt-get, over what tap printed of
 * real failures. A log of thousands of lines whose end says "1 failed" sends its reader to look for the line.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { bareEnv } from './support/child.js'
import { ROOT } from './support/pages.js'
import { tempFolder } from './support/temp-folder.js'

const TAP = JSON.stringify(import.meta.resolve('tap'))

/** Test files, each with a failure of a kind, and what tap prints when they are run as all.ts runs its files. */
const FILES = {
  'nested.test.mjs': `await t.test('outer', async (t) => {
  await t.test('passes', async (t) => { t.ok(true); t.fail('to be done', { todo: true }) })
  await t.test('inner', async (t) => {
    t.fail('for later', { todo: true })
    t.same({ a: 1 }, { a: 2 }, 'the shapes', { told: 'not ok 1 - a line of a diagnostic\\n  ---\\nnot ok 2 - another' })
  })
})`,
  'throws.test.mjs': `t.test('throws', async () => { throw new Error('out of order') })`,
  'late.test.mjs': `t.test('never ends', { timeout: 1 }, () => new Promise((resolve) => { setTimeout(resolve, 50) }))`,
  'killed.test.mjs': `t.test('is killed', () => new Promise(() => { process.kill(process.pid, 'SIGKILL') }))`,
  'passes.test.mjs': `t.pass('well')`,
} as const

const report = (folder: string): string => {
  const env = { ...bareEnv(), TAP: '1' }
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), `import t from ${TAP}\n${text}\n`)
  const run = (name: string, args: readonly string[]): string =>
    `t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...${JSON.stringify(args)}],
      { name: '${name}', buffered: true, env: { ...process.env, TAP: '1' } })`
  const alone = ['throws', 'late', 'killed', 'passes'].map((name) => run(`${name}.test.js`, [join(folder, `${name}.test.mjs`)]))
  // As the files that start no process: the name of the file shows in the diagnostics alone.
  const together = run('7 files that start no process', [join(folder, 'nested.test.mjs')])
  writeFileSync(join(folder, 'all.mjs'), `import t from ${TAP}\n${[together, ...alone].join('\n')}\n`)
  writeFileSync(join(folder, 'series.mjs'), `import t from ${TAP}\n${run('every test file', [join(folder, 'all.mjs')])}\n`)
  return spawnSync(process.execPath, [join(folder, 'series.mjs')], { encoding: 'utf8', cwd: folder, env }).stdout
}

const many = (count: number): string => {
  const one = (number: number): string => `not ok ${number} - number ${number}\n  ---\n  diff: |\n    one\n    two\n  ...\n`
  const all = Array.from({ length: count }, (_, index) => one(index + 1))
  return `TAP version 14\n${all.join('')}1..${count}\n# { total: ${count}, pass: 0, fail: ${count} }\n`
}

/** Runs `.ci/run` where each script of npm prints a text and exits; those without one pass. Returns the lines it prints. */
const ci = (folder: string, scripts: Readonly<Record<string, { text: string; code: number }>>) => {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'apt-get'), '#!/bin/sh\n', { mode: 0o755 })
  const cases = Object.entries(scripts).map(([name, { text, code }], index) => {
    writeFileSync(join(folder, `said-${index}`), text)
    return `"${name}"|"${name} "*) cat "${join(folder, `said-${index}`)}"; exit ${code};;`
  })
  const passed = "echo 'not ok 1 - a failure that passes by # TODO'; echo '# { total: 1, pass: 1 }'"
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\ncase "$*" in\n${cases.join('\n')}\n*) ${passed};;\nesac\n`, { mode: 0o755 })
  const env = { ...bareEnv(), PATH: [bin, process.env['PATH']].join(delimiter) }
  const { stdout, status } = spawnSync('bash', [join(ROOT, '.ci/run')], { encoding: 'utf8', env })
  return { lines: stdout.trimEnd().split('\n'), status }
}

const tailOf = (lines: readonly string[]): string[] => lines.slice(lines.lastIndexOf('Failed:'))

// It shows a hang, and not a busy machine.
t.setTimeout(1_200_000)

t.test('each failed test is named once, with its file and its diagnostics, right before the last line', async (t) => {
  const folder = tempFolder(t)
  const text = report(folder)
  const { lines, status } = ci(folder, { test: { text, code: 1 }, 'run test:all': { text, code: 1 } })
  t.equal(status, 1)
  const tail = tailOf(lines)
  const heads = tail.filter((line) => /^\d+\. /.test(line)).map((line) => line.replace(/^\d+\. /, ''))
  const both = 'npm test, npm run test:all: every test file'
  t.same(heads.toSorted(), [
    `${both} > 7 files that start no process > outer > inner > the shapes`,
    `${both} > killed.test.js`,
    `${both} > late.test.js > never ends > timeout!`,
    `${both} > throws.test.js > throws > out of order`,
  ])
  const below = (word: string): string => {
    const at = tail.findIndex((line) => line.endsWith(word))
    return tail.slice(at + 1, at + 1 + tail.slice(at + 1).findIndex((line) => /^\S/.test(line))).join('\n')
  }
  t.match(below('the shapes'), /nested\.test\.mjs:6\n[^]*-  "a": 2,\n.*\+  "a": 1,/)
  t.match(below('the shapes'), /not ok 2 - another/, 'a diagnostic that looks like a result is none')
  t.match(below('killed.test.js'), /^ {3}killed\.test\.js\n[^]*signal: SIGKILL/)
  t.match(below('out of order'), /throws\.test\.mjs:2\n[^]*stack:/)
  t.match(lines.at(-1), /^\d+ passed, \d+ failed(, \d+ skipped)?$/)
  t.ok(tail.length - 1 <= 80, `${tail.length - 1} lines`)
})

t.test('nothing is said when nothing failed', async (t) => {
  const { lines, status } = ci(tempFolder(t), {})
  t.equal(status, 0)
  t.notOk(lines.includes('Failed:'))
  t.match(lines.at(-1), /^\d+ passed, 0 failed$/)
})

t.test('a command that fails without a failed test counts as one, and its last lines are there', async (t) => {
  const { lines, status } = ci(tempFolder(t), { 'run test:wine': { text: 'ok\nlib/x.ts(1,2): error TS1005\n', code: 2 } })
  t.equal(status, 1)
  t.same(tailOf(lines).slice(0, 4), [
    'Failed:', '1. npm run test:wine -- --if-possible: it failed without a failed test; its last lines',
    '      ok', '      lib/x.ts(1,2): error TS1005',
  ])
  t.match(lines.at(-1), /, 1 failed$/)
})

t.test('a hundred failures are eighty lines, and a dozen share them', async (t) => {
  const [hundred, dozen] = [100, 12].map((count) => tailOf(ci(tempFolder(t), { test: { text: many(count), code: 1 } }).lines))
  t.equal(hundred!.length - 1, 80)
  t.equal(hundred!.filter((line) => /^\d+\. npm test: number \d+$/.test(line)).length, 78)
  t.equal(hundred!.at(-2), 'and 22 more')
  t.equal(dozen!.filter((line) => line.endsWith('two')).length, 12)
})
