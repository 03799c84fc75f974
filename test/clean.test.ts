/** What is left of an earlier build: nothing of a source that is gone, and no memory of an output that is gone. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { tempFolder } from './support/temp-folder.js'

const CLEAN = fileURLToPath(new URL('../../lib/clean.mjs', import.meta.url))

t.test('outputs of a source that was moved go, and the others stay', async (t) => {
  const root = tempFolder(t)
  const outputs = [
    'lib/a.js', 'lib/a.d.ts', 'lib/text/b.js', 'lib/text/b.d.ts', 'test/a.test.js', 'test/a.test.d.ts', 'lib/made.js', '.tsbuildinfo',
  ]
  const stale = ['lib/b.js', 'lib/b.d.ts', 'test/old/b.test.js', 'test/old/b.test.d.ts']
  const sources = ['lib/a.ts', 'lib/text/b.ts', 'test/a.test.ts', 'lib/made.d.ts']
  for (const file of [...sources, ...[...outputs, ...stale].map((output) => `build/${output}`)]) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), '')
  }
  execFileSync(process.execPath, [CLEAN, root])
  const left = readdirSync(join(root, 'build'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  t.same(left.map(({ parentPath, name }) => join(parentPath, name).slice(join(root, 'build/').length)).toSorted(), outputs.toSorted())

  rmSync(join(root, 'build/lib/a.js'))
  execFileSync(process.execPath, [CLEAN, root])
  t.notOk(existsSync(join(root, 'build/.tsbuildinfo')), 'where an output is missing, tsc compiles everything')
})

t.test('there need not have been a build', async (t) => {
  const root = tempFolder(t)
  mkdirSync(join(root, 'lib'))
  writeFileSync(join(root, 'lib/a.ts'), '')
  execFileSync(process.execPath, [CLEAN, root])
  t.same(readdirSync(root), ['lib'])
})
