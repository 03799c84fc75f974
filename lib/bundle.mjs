/**
 * The second half of the build, after tsc: what is installed is few files. Node spends about half a ms on
 * each module that it loads and 2 ms on each 100 kB of source, and most calls find a server that is ready. So
 * what such a call needs is one file, `index.js`; what another call needs lies in `lib/` and is loaded by it. That takes
 * from `index.js` what it shares with it, so that there is one `OneServerError` and not two: by the export
 * `internals`, which no type declares. The command line is one file likewise, with `start` in it.
 *
 *     node lib/bundle.mjs dist     makes dist/package and dist/schema.json from dist/lib
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
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

const esm = {
  ...common, format: 'esm', packages: 'external', minifyWhitespace: true, minifySyntax: true,
  // Node prints the line that an uncaught error was thrown in.
  lineLimit: 100,
}

/** Leaves what is imported lazily, `inline` excepted, to files beside it: `lazy` has for each the sources that are in it. */
const apart = (lazy, where, name, inline = []) => ({
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import' || inline.includes(basename(path, '.js'))) return undefined
      const file = name(basename(path, '.js'))
      lazy.set(file, new Set([...(lazy.get(file) ?? []), resolve(resolveDir, path)]))
      return { path: `${where}${file}.js`, external: true }
    })
  },
})

/** What each of our files takes of what by name. */
const taken = new Map(readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js')).map((file) => [
  join(lib, file),
  [...readFileSync(join(lib, file), 'utf8').matchAll(/^(?:import|export) \{([^}]*)\} from '([^']+)'/gm)].map(([, names, from]) => ({
    from: from.startsWith('.') ? resolve(lib, dirname(file), from) : from, names: names.split(',').map((name) => name.trim().replace(/ as .*/, '')).filter(Boolean),
  })),
]))

/** What is taken of a module by those files that `by` holds of. */
const takenOf = (module, by = () => true) =>
  [...new Set([...taken].filter(([file]) => by(file)).flatMap(([, imports]) => imports.filter(({ from }) => from === module).flatMap(({ names }) => names)))]

/** An import of `node:fs` by name reads all that it has, and loads what is lazy in it: streams, promises. */
const builtins = {
  name: 'builtins',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined))
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({ contents: `export const { ${takenOf(path).join(', ')} } = process.getBuiltinModule(${JSON.stringify(path)})` }))
  },
}

/** Takes from `index.js` what it has. */
const shared = (names) => ({
  name: 'shared',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^internals$/ }, () => ({ path: '../index.js', external: true }))
    onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
      const file = resolve(resolveDir, path)
      return kind === 'import-statement' && names.has(file) ? { path: file, namespace: 'shared' } : undefined
    })
    onLoad({ filter: /./, namespace: 'shared' }, ({ path }) => ({ contents: `import { internals } from 'internals'; export const { ${names.get(path).join(', ')} } = internals` }))
  },
})

/**
 * In a bundle of ours, since whoever bundles us could not: what its package.json names for Node asks by a `require`
 * that esbuild cannot see through. Its licence wants to be where its code is.
 */
const jsonc = {
  name: 'jsonc',
  setup: ({ onResolve, onLoad }) => {
    const folder = join(dirname(createRequire(import.meta.url).resolve('jsonc-parser')), '../..')
    onResolve({ filter: /^jsonc-parser$/ }, () => ({ path: join(folder, 'lib/esm/main.js'), sideEffects: false }))
    onLoad({ filter: /jsonc-parser.lib.esm.main\.js$/ }, ({ path }) => ({
      contents: `/*! jsonc-parser\n\n${readFileSync(join(folder, 'LICENSE.md'), 'utf8')}*/\n${readFileSync(path, 'utf8')}`, resolveDir: dirname(path),
    }))
  },
}

const index = join(lib, 'index.js')
const lazy = new Map()
/** What a crowd loads that finds no server, in one file; the rest is for the one who launches, or rare. */
const CROWD = ['ensure', 'lease', 'status', 'stop', 'file-lock']
const here = (name) => (CROWD.includes(name) ? 'ensure' : name)

/** Entry points of several sources each. */
const joined = (lazy) => ({
  name: 'joined',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^joined:/ }, ({ path }) => ({ path: path.slice('joined:'.length), namespace: 'joined' }))
    onLoad({ filter: /./, namespace: 'joined' }, ({ path }) => ({ contents: [...lazy.get(path)].map((source) => `export * from ${JSON.stringify(source)}`).join('\n'), resolveDir: lib }))
  },
})
const beside = (lazy, more) => build({
  ...esm, outdir: join(out, 'lib'), splitting: true, plugins: [joined(lazy), jsonc, ...more],
  entryPoints: [...lazy.keys()].map((name) => ({ in: `joined:${name}`, out: name })),
})
const { metafile } = await build({ ...esm, entryPoints: [index], write: false, metafile: true, plugins: [apart(lazy, './lib/', here)] })

/**
 * What keeps no state need not be shared: each bundle has a copy of what it uses of it. So a file of a platform may have what a warm call
 * asks and what only a launch asks, and `index.js` has the first alone.
 */
const isCopied = (file) => dirname(file) === join(lib, 'system/platform')

/** What the files beside it take of each file that is in it. */
const inIndex = Object.keys(metafile.inputs).map((input) => resolve(input)).filter((file) => !isCopied(file))
const names = new Map(inIndex.filter((file) => file !== index).map((file) => [file, takenOf(file, (by) => !inIndex.includes(by))]))
const all = [...names.values()].flat()
if (new Set(all).size < all.length) throw new Error(`internals can have a name once: ${all.toSorted().filter((name, at, sorted) => name === sorted[at - 1])}`)

await build({
  ...esm, outfile: join(out, 'index.js'), plugins: [apart(lazy, './lib/', here), builtins],
  stdin: {
    resolveDir: lib,
    contents: [
      ...[...names].map(([file, own]) => `import { ${own.join(', ')} } from ${JSON.stringify(file)}`),
      "export * from './index.js'", `export const internals = { ${all.join(', ')} }`,
    ].join('\n'),
  },
})
await beside(lazy, [shared(names), builtins])

const commands = new Map()
const called = (name) => `cli-${name}`
await build({ ...esm, entryPoints: { cli: join(lib, 'cli/bin.js') }, outdir: join(out, 'lib'), plugins: [apart(commands, './', called, ['start', 'failure']), shared(names), builtins] })
// Of each other they load what is rare, which is not worth a file.
await beside(commands, [shared(names), builtins])

copyFileSync(join(lib, 'session-server.js'), join(out, 'session-server.js'))

/** The types that the public ones are made of, and no others. */
const declare = (file) => {
  const target = join(out, 'types', relative(lib, file))
  if (existsSync(target)) return
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(file, target)
  for (const [, from] of readFileSync(file, 'utf8').matchAll(/ from '(\.[^']+)\.js'/g)) declare(resolve(dirname(file), `${from}.d.ts`))
}
declare(join(lib, 'index.d.ts'))

const { schema } = await import(pathToFileURL(join(lib, 'config/schema.js')).href)
writeFileSync(resolve(dist, 'schema.json'), `${JSON.stringify(schema(), undefined, 2)}\n`)
