/**
 * `logs` prints what the server wrote, byte for byte, follows it across launches without losing a
 * line, and ends quietly when its reader has had enough.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fixture, home } from './command-line.js'

const numbered = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('')

t.test('the last 20 lines, or as many as asked for', async (t) => {
  const { folder, run } = home(t)
  const log = join(folder, 'web.log')
  writeFileSync(log, numbered(1, 30))
  t.same(await run(['logs', '--log-file', log]), { code: 0, signal: null, stdout: numbered(11, 30), stderr: '' })
  t.match(await run(['logs', '--log-file', log, '-n', '2']), { code: 0, stdout: numbered(29, 30) })
  t.match(await run(['logs', '--log-file', log, '-n0']), { code: 0, stdout: '' })
})

t.test('bytes that are no text pass as they are', async (t) => {
  const { folder, shell } = home(t)
  const log = join(folder, 'web.log')
  const copy = join(folder, 'copy')
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x1b, 0x5b])
  writeFileSync(log, bytes)
  t.match(await shell(['logs', '--log-file', log], `>${copy}`), { code: 0, stderr: '' })
  t.same(readFileSync(copy), bytes)
})

t.test('no log yet', async (t) => {
  const { folder, run } = home(t)
  const log = join(folder, 'none', 'web.log')
  const { code, stdout, stderr } = await run(['logs', '--log-file', log])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr.replace(/\s+/g, ' '), `one-server: ${log}: there is no log yet hint: one-server start writes one.`)
})

t.test('the log of the run before', async (t) => {
  const { folder, run } = home(t)
  const log = join(folder, 'web.log')
  writeFileSync(log, numbered(1, 3))
  t.match(await run(['logs', '--log-file', log, '--prev']), { code: 1, stdout: '', stderr: /web\.log\.prev: there is no log of a run before/ })
  writeFileSync(`${log}.prev`, numbered(4, 30))
  t.same(await run(['logs', '--log-file', log, '--prev', '-n', '2']), { code: 0, signal: null, stdout: numbered(29, 30), stderr: '' })
  t.match(await run(['logs', '--log-file', log, '--prev', '-f']), { code: 2, stdout: '', stderr: /^one-server: give --prev or --follow, not both/ })
})

t.test('each launch keeps the log of the one before it', async (t) => {
  const { run, start } = home(t)
  const say = (word: string): string[] => ['start', 'web', '--port', 'auto', '--', 'sh', '-c', `echo ${word}; exec "$0" "$1"`, process.execPath, fixture('healthy')]
  await start(say('first'))
  await run(['stop', 'web'])
  await start(say('second'))
  t.match(await run(['logs', 'web', '--prev']), { code: 0, stdout: /^first\n/ })
  t.match(await run(['logs', 'web']), { code: 0, stdout: /^second\n/ })
})

t.test('a folder in the place of the log', async (t) => {
  const { folder, run } = home(t)
  t.match(await run(['logs', '--log-file', folder]), { code: 1, stdout: '', stderr: /this is a folder, not a log/ })
})

t.test('-f: goes on with the same log, with the next launch, and with one that was emptied', async (t) => {
  const { folder, begin } = home(t)
  const log = join(folder, 'web.log')
  writeFileSync(log, numbered(1, 3))
  const { child, ended, prints } = begin(['logs', '--log-file', log, '-f', '-n', '1'])
  await prints('line 3\n')

  appendFileSync(log, 'half')
  await prints('half')
  appendFileSync(log, ' whole\n')
  await prints('half whole\n')

  // As a launch does it: its log is written under another name until it has won.
  writeFileSync(`${log}.next`, 'second launch\n')
  appendFileSync(log, 'last words')
  renameSync(log, `${log}.prev`)
  renameSync(`${log}.next`, log)
  await prints('last words\nsecond launch\n')
  await prints('one-server: a new launch has begun its log\n', 'stderr')

  // The name is free for a while.
  renameSync(log, `${log}.prev`)
  appendFileSync(`${log}.prev`, 'still the second\n')
  await prints('still the second\n')
  writeFileSync(log, 'third launch\n')
  await prints('third launch\n')

  truncateSync(log)
  appendFileSync(log, 'afresh\n')
  await prints('afresh\n')

  child.kill('SIGINT')
  const { code, stdout, stderr } = await ended
  t.equal(code, 130)
  t.equal(stdout, 'line 3\nhalf whole\nlast words\nsecond launch\nstill the second\nthird launch\nafresh\n')
  t.equal(stderr, 'one-server: a new launch has begun its log\n'.repeat(2), 'an interrupt is the usual way out and worth no word')
})

t.test('-f -n 0 begins with what comes', async (t) => {
  const { folder, begin } = home(t)
  const log = join(folder, 'web.log')
  writeFileSync(log, 'old\n')
  const { child, ended, prints } = begin(['logs', '--log-file', log, '-f', '-n', '0', '--quiet'])
  // Nothing tells that it has begun but what it prints, so lines are written until one is printed.
  const ticker = setInterval(() => appendFileSync(log, 'new\n'), 20)
  t.teardown(() => clearInterval(ticker))
  await prints('new\n')
  child.kill('SIGTERM')
  const { code, stdout } = await ended
  t.equal(code, 143)
  t.match(stdout, /^(new\n)+$/)
})

t.test('a reader that has had enough', async (t) => {
  const { folder, shell } = home(t)
  const log = join(folder, 'web.log')
  const line = `${'x'.repeat(99)}\n`
  writeFileSync(log, line.repeat(50_000))
  const logs = ['logs', '--log-file', log, '-n', '50000']
  t.match(await shell(logs, '| head -n 1'), { code: 0, stdout: line, stderr: '' })
  t.match(await shell([...logs, '-f'], '| head -n 1'), { code: 0, stdout: line, stderr: '' })
})

t.test('closed streams', async (t) => {
  const { folder, shell } = home(t)
  const log = join(folder, 'web.log')
  writeFileSync(log, 'a\n')
  for (const closed of ['<&-', '>&-', '2>&-', '<&- >&- 2>&-']) {
    const stdout = closed.includes(' >&-') || closed === '>&-' ? '' : 'a\n'
    t.match(await shell(['logs', '--log-file', log], closed), { code: 0, stdout, stderr: '' }, closed)
  }
})

t.test('a name has its log in the folder of named servers', async (t) => {
  const { folder, env, run } = home(t)
  mkdirSync(env['ONE_SERVER_STATE_DIR'] as string, { mode: 0o700 })
  writeFileSync(join(folder, 'state', 'web.log'), 'a\n')
  t.match(await run(['logs', 'web']), { code: 0, stdout: 'a\n', stderr: '' })
})
