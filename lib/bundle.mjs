/**
 * The second half of the build, after tsc: what has to be one file is made one. The argument is the
 * folder that tsc wrote.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const [, , dist = 'dist'] = process.argv

const { outputFiles: [reaper] } = await build({
  entryPoints: [join(dist, 'lib/reaper.js')], bundle: true, minify: true, write: false, platform: 'node', format: 'cjs', target: 'node20',
  // It starts no server, so it never waits for one and chooses no port; and it sets no watch.
  external: ['wait-on', 'get-port', '*/reaper-source.js'], logOverride: { 'empty-import-meta': 'silent' },
})
writeFileSync(join(dist, 'lib/system/reaper-source.js'), `export const reaperSource = ${JSON.stringify(reaper.text)}\n`)
