/** The PID file: simple tools can read it, another tool's is a hint, and somebody's file is not touched. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nodeSystem } from '../../lib/node-system.js'
import { pathsOf } from '../../lib/paths.js'
import { formatPidFile, parsePidFile, readPidFile } from '../../lib/state/pid-file.js'
import { tempFolder } from '../support/temp-folder.js'
import { aRecord } from '../support/a-record.js'

const parse = (text: string) => parsePidFile('/p', text, 5)

t.test('what was written is read back', async (t) => {
  t.same(parse(formatPidFile(aRecord())), { kind: 'record', record: aRecord() })
})

t.test('line 1 is the PID alone and line 2 the whole record', async (t) => {
  const file = join(tempFolder(t), 's.pid')
  writeFileSync(file, formatPidFile(aRecord({ logFile: '/with\nline break\u2028.log' })))
  t.equal(execFileSync('head', ['-n1', file], { encoding: 'utf8' }), '4321\n', 'as kill $(head -n1 P) reads it')
  t.equal(Number.parseInt(readFileSync(file, 'utf8')), 4321, 'as parseInt reads it')
  t.equal(readFileSync(file, 'utf8').split('\n').length, 3)
})

t.test('a bare number is a hint with the time at which it was written', async (t) => {
  for (const text of ['77', '77\n', ' 77 \r\n', '77\n\n\n']) t.same(parse(text), { kind: 'bare', pid: 77, modified: 5 }, JSON.stringify(text))
})

t.test('of a record that is cut short, or is about another PID, the number is left', async (t) => {
  const text = formatPidFile(aRecord())
  t.same(parse(text.slice(0, 60)), { kind: 'bare', pid: 4321, modified: 5 })
  t.same(parse(`99${text.slice(4)}`), { kind: 'bare', pid: 99, modified: 5 })
})

t.test('an empty file names nobody', async (t) => {
  for (const text of ['', '\n', '  \n ']) t.same(parse(text), { kind: 'absent' }, JSON.stringify(text))
})

t.test('what is neither is refused by its path', async (t) => {
  for (const text of ['hello', '12a', '-5', '12345678901', '5\nhello', '5\n{"a":1}', '5\n\nmore', '1 2', '5\n6\n', `${formatPidFile(aRecord())}more`]) {
    t.throws(() => parse(text), { code: 'STATE_UNUSABLE', message: /^\/p: is there and is not a PID file/, hint: /Nothing in it was touched/ }, JSON.stringify(text))
  }
})

t.test('the file of a newer version is not judged', async (t) => {
  t.throws(() => parse('5\n{"format":2}\n'), { code: 'STATE_NEWER', message: /^\/p / })
})

t.test('it is read from disk, and never through what only looks like it', async (t) => {
  const folder = tempFolder(t)
  const read = (name: string) => readPidFile(nodeSystem, pathsOf(join(folder, name), 'h'))
  writeFileSync(join(folder, 'good'), formatPidFile(aRecord()))
  t.match(await read('good'), { kind: 'record', record: aRecord() })
  t.same(await read('missing'), { kind: 'absent' })
  writeFileSync(join(folder, 'bare'), '77\n')
  const bare = await read('bare')
  t.match(bare, { kind: 'bare', pid: 77 })
  t.ok(bare.kind === 'bare' && Math.abs(bare.modified - Date.now()) < 60_000, 'with its mtime')

  symlinkSync('good', join(folder, 'link'))
  await t.rejects(read('link'), { code: 'STATE_UNUSABLE', message: `${folder}/link: is a symbolic link` })
  mkdirSync(join(folder, 'folder'))
  await t.rejects(read('folder'), { code: 'STATE_UNUSABLE', message: `${folder}/folder: is a folder` })
  execFileSync('mkfifo', [join(folder, 'fifo')])
  await t.rejects(read('fifo'), { code: 'STATE_UNUSABLE', message: `${folder}/fifo: is a FIFO` }, 'without blocking')
})
