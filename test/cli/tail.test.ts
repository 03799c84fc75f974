/** The last lines of a file, also where lines and blocks do not agree. */
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { copy, startOfLastLines } from '../../lib/cli/tail.js'
import { home } from './command-line.js'
import { within } from '../support/within.js'

const BLOCK = 64 * 1024
const signal = new AbortController().signal

const CASES: [name: string, content: string, lines: number, expected: string][] = [
  ['empty', '', 3, ''],
  ['fewer than asked for', 'a\nb\n', 3, 'a\nb\n'],
  ['as many', 'a\nb\n', 2, 'a\nb\n'],
  ['more', 'a\nb\nc\n', 2, 'b\nc\n'],
  ['an unfinished last line counts', 'a\nb\nc', 2, 'b\nc'],
  ['empty lines count', 'a\n\n\n', 2, '\n\n'],
  ['none', 'a\nb\n', 0, ''],
  ['a line longer than a block', `a\n${'x'.repeat(BLOCK * 2 + 5)}\nb\n`, 2, `${'x'.repeat(BLOCK * 2 + 5)}\nb\n`],
  ['a newline at the edge of a block', `a\nb\n${'x'.repeat(BLOCK - 1)}\n`, 1, `${'x'.repeat(BLOCK - 1)}\n`],
  ['a newline just before the edge of a block', `a\n${'x'.repeat(BLOCK - 2)}\nb`, 2, `${'x'.repeat(BLOCK - 2)}\nb`],
  ['signs of several bytes across the edge', `${'é'.repeat(BLOCK)}\nü\n`, 2, `${'é'.repeat(BLOCK)}\nü\n`],
]

for (const [name, content, lines, expected] of CASES) {
  t.test(name, async (t) => {
    const path = join(home(t).folder, 'log')
    writeFileSync(path, content)
    const file = await open(path)
    t.teardown(() => file.close())
    const { size } = await file.stat()
    const parts: Uint8Array[] = []
    const start = await startOfLastLines(file, size, lines)
    const { end } = await copy(file, start, async (data) => void parts.push(data), { to: size, signal })
    t.equal(Buffer.concat(parts).toString(), expected)
    t.equal(end, size)
  })
}

t.test('a large log costs no more than its end', async (t) => {
  const path = join(home(t).folder, 'log')
  const file = await open(path, 'w+')
  t.teardown(() => file.close())
  const size = 8 * 1024 ** 3
  // A hole of 8 GiB and two lines behind it: read as a whole it would not fit in memory.
  await file.write('\na\nb\n', size)
  const began = performance.now()
  t.equal(await startOfLastLines(file, (await file.stat()).size, 2), size + 1)
  within(t, performance.now() - began, 1000, 'it did not read the rest')
})
