/**
 * The second half of the build, after tsc: what is installed is few files. Node spends about half a ms on
 * each module that it loads and 2 ms on each 100 kB of source, and most calls find a server that is ready. So
 * what such a call needs is one file, `ready.js`; what another call needs is loaded by it, and imports from
 * that one file what it shares with it, so that there is one `OneServerError` and not two.
 *
 *     node lib/bundle.mjs dist     makes dist/package from dist/lib
 */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [, , dist = 'dist'] = process.argv
const lib = resolve(dist, 'lib')
const out = resolve(dist, 'package')
rmSync(out, { recursive: true, force: true })

const common = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning' }

// What the watch over a launch runs is a text, since in an extension's bundle there is no file to run.
const { outputFiles: [reaper] } = await build({
  ...common, entryPoints: [join(lib, 'reaper.js')], minify: true, write: false, format: 'cjs',
  // It starts no server, so it never waits for one and chooses no port; and it sets no watch.
  external: ['wait-on', 'get-port', '*/reaper-source.js'], logOverride: { 'empty-import-meta': 'silent' },
})
writeFileSync(join(lib, 'system/reaper-source.js'), `export const reaperSource = ${JSON.stringify(reaper.text)}\n`)

const esm = { ...common, format: 'esm', packages: 'external', minifyWhitespace: true, minifySyntax: true }

/** Modules of ours by their absolute path; each `import()` of one is a file of its own. */
const lazy = new Set()

/** Leaves what is imported lazily to files beside it. */
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined
      lazy.add(resolve(resolveDir, path))
      return { path: `./${basename(path)}`, external: true }
    })
  },
}

/** An import of `node:fs` by name reads all that it has, and loads what is lazy in it: streams, promises. */
const builtins = {
  name: 'builtins',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }))
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({ contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})` }))
  },
}

/** Takes from `ready.js` what it has. */
const shared = (inReady) => ({
  name: 'shared',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\./ }, ({ path, resolveDir }) => (inReady.has(resolve(resolveDir, path)) ? { path: './ready.js', external: true } : undefined))
  },
})

const { metafile } = await build({ ...esm, entryPoints: [join(lib, 'index.js')], write: false, metafile: true, plugins: [apart] })
const inReady = new Set(Object.keys(metafile.inputs).map((path) => resolve(path)).filter((path) => path !== join(lib, 'index.js')))

const names = new Map()
for (const path of inReady) {
  for (const name of Object.keys(await import(pathToFileURL(path)))) {
    if (names.has(name)) throw new Error(`${path} and ${names.get(name)} both export ${name}, and ready.js can have it once`)
    names.set(name, path)
  }
}

await build({
  ...esm, outfile: join(out, 'lib/ready.js'), plugins: [apart, builtins],
  stdin: { contents: [...inReady].map((path) => `export * from ${JSON.stringify(path)}`).join('\n'), resolveDir: lib },
})
await build({ ...esm, entryPoints: [...lazy], outdir: join(out, 'lib'), entryNames: '[name]', splitting: true, plugins: [shared(inReady)] })
await build({ ...esm, entryPoints: { cli: join(lib, 'cli/bin.js') }, outdir: join(out, 'lib'), plugins: [shared(inReady)] })

const surface = Object.keys(await import(pathToFileURL(join(lib, 'index.js'))))
writeFileSync(join(out, 'index.js'), `export { ${surface.join(', ')} } from './lib/ready.js'\n`)
copyFileSync(join(lib, 'session-server.js'), join(out, 'session-server.js'))
