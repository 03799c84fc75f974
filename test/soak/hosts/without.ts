/**
 * The same product with a part taken out, to see that the series finds it (HOSTS_WITHOUT=door, fuse or both):
 *
 * - `door`: the door passes bytes whatever the term says;
 * - `fuse`: the fuse says that it is armed, and ends nothing; nor does what ends those that left its group.
 *
 * What is patched is a copy of the compiled library: the text of the steward in it. A patch that changes nothing is an error.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Test } from 'tap'

/** In the text as it is minified: the names of properties are in it, those of variables are not. */
const PATCHES: Readonly<Record<string, readonly [RegExp, string]>> = {
  door: [/\(\)=>\w+\.term\.serves&&/g, '()=>!0||'],
  fuse: [/kill -9 (?:0\b|\$found)/g, ':'],
}

const PACKED = /'([A-Za-z0-9+/=]{1000,})'/

const patchesFor = (what: string): (readonly [RegExp, string])[] => {
  const patches = what === 'both' ? Object.values(PATCHES) : [PATCHES[what]].filter((patch) => patch !== undefined)
  if (patches.length === 0) throw new Error(`HOSTS_WITHOUT is door, fuse or both, got ${what}`)
  return patches
}

const patched = (text: string, what: string): string => {
  let steward = inflateRawSync(Buffer.from(PACKED.exec(text)![1]!, 'base64')).toString()
  for (const [pattern, instead] of patchesFor(what)) {
    const before = steward
    steward = before.replaceAll(pattern, instead)
    if (steward === before) throw new Error(`${String(pattern)} is not in the steward's text`)
  }
  return text.replace(PACKED, `'${deflateRawSync(steward).toString('base64')}'`)
}

/** `program`: the command line as it is. Returns the one to call. */
export const programWithout = (t: Pick<Test, 'teardown'>, what: string | undefined, program: string): string => {
  if (what === undefined) return program
  const from = fileURLToPath(new URL('../../../lib/', import.meta.url))
  const folder = `${from.replace(/\/$/, '')}-without-${what}-${process.pid}`
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  cpSync(from, folder, { recursive: true })
  const file = join(folder, 'across/steward-source.js')
  writeFileSync(file, patched(readFileSync(file, 'utf8'), what))
  return join(folder, 'cli/bin.js')
}
