/**
 * The second half of the build, after tsc: few files. Node spends half a millisecond on each module that it loads, and two
 * on each 100 kB of source; and most calls find a server that is ready. So each file holds what one kind of call needs:
 *
 *     index.js                  a call that finds a ready server
 *     cold.js                   what each client of a crowd loads that finds none
 *     launch.js                 what the launcher loads besides; and lease, stop, status
 *     watch.js                  what the holder of a lease loads besides: its watchdog, and the text that a watchdog runs
 *     checks.js                 the health checks of servers that speak no HTTP
 *     config.js                 the reader of a config file
 *     across.js                 what a server that several hosts share needs besides: among it the text of the steward
 *     index.cjs, cold.cjs       the same for a loader that knows CommonJS only, such as Jest's: the first of these seven, and the others
 *     cli.js, cli-start.js      where the command line keeps what Node has compiled; and `one-server start`
 *     cli-rest.js               the other commands, help, and the words of a failure
 *     completion.js             what a shell asks at each Tab
 *     session-server.js         the bundled server. It is valid in both module systems, since people copy it beside a bundle of their own
 *     schema.json               the schema of a config file
 *     types/index.d.cts, .d.ts  the public types
 *
 * A source that were in two files of one build would keep its state twice. So none that has state is, and the files beside
 * `index.js` take from it what it has, through the export `internals`, which no type declares.
 *
 *     node lib/bundle.mjs       makes dist/ from build/lib
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import { build } from 'esbuild'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const lib = join(ROOT, 'build/lib')
const out = join(ROOT, 'dist')
const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** Where the sources are that the others import lazily. */
const COLD = [
  'ensure', 'outcome', 'file-lock', 'patient-files', 'windows-acts', 'env-file', 'listeners',
]
const LAUNCH = [
  'decide', 'supervise', 'clean-up', 'tear-down', 'ending-rule', 'not-ready', 'port', 'lease', 'status', 'stop', 'end-watchdog', 'launches',
  'own-command', 'describe', 'spawn-gated', 'wait-until-ready',
]
const WATCH = ['watchdog']
const CHECKS = ['connect', 'read-log', 'run-command']
const CONFIG = ['servers-for', 'with-needs', 'hold-servers']
const ACROSS = ['as-steward', 'ask', 'stop-everywhere']
const COMPLETION = ['completion', 'suggest', 'known-names', 'shell-scripts']

/** Other entry points, in both formats: each is its own file, and nothing of them is in what another call loads. */
const ENTRIES = { playwright: 'runners/playwright', vitest: 'runners/vitest', jest: 'runners/jest', etcd: 'etcd' }
/** Jest takes a global teardown by the name of a file. */
const ENTRY_FILES = { esm: ENTRIES, cjs: { ...ENTRIES, 'jest-teardown': 'runners/jest-teardown' } }

/** Dependencies that are ES modules only: a CommonJS loader cannot load them, so its files contain them. */
const ES_ONLY = ['get-port']

const FORMATS = {
  esm: {
    extension: 'js',
    parts: { cold: COLD, launch: LAUNCH, watch: WATCH, checks: CHECKS, config: CONFIG, across: ACROSS },
    external: Object.keys(dependencies),
    options: {},
  },
  cjs: {
    extension: 'cjs',
    parts: { cold: [...COLD, ...LAUNCH, ...WATCH, ...CHECKS, ...CONFIG, ...ACROSS, ...ES_ONLY] },
    external: Object.keys(dependencies).filter((name) => !ES_ONLY.includes(name)),
    options: {
      // Jest's loader has no import(): each becomes a require().
      supported: { 'dynamic-import': false },
      define: { 'import.meta.dirname': '__dirname', 'import.meta.url': 'urlOfThisFile' },
      banner: { js: 'const urlOfThisFile = require("node:url").pathToFileURL(__filename).href;' },
    },
  },
}

const common = { bundle: true, platform: 'node', target: 'node20', logLevel: 'warning', metafile: true }

/**
 * As it is installed: a quarter of what Node would read and compile are names. Lines are short, since Node prints the line in which an
 * uncaught error was thrown.
 */
const installed = { ...common, minify: true, lineLimit: 200, mainFields: ['module', 'main'] }

/** The names that each of our files takes of each other. */
const taken = new Map(readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js')).map((file) => [
  join(lib, file),
  [...readFileSync(join(lib, file), 'utf8').matchAll(/^(?:import|export) \{([^}]*)\} from '([^']+)'/gm)].map(([, names, from]) => ({
    from: from.startsWith('.') ? resolve(lib, dirname(file), from) : from,
    names: names.split(',').map((name) => name.trim().replace(/ as .*/, '')).filter(Boolean),
  })),
]))

/** What the files that `by` holds of take from a module. */
const takenOf = (module, by) => {
  const imports = [...taken].filter(([file]) => by(file)).flatMap(([, all]) => all)
  return [...new Set(imports.filter(({ from }) => from === module).flatMap(({ names }) => names))]
}

const EXPORT = /^export (?:const|let|class|(?:async )?function) (\w+)/gm

/** What a source of ours exports; of a package it need not be known. */
const exportsOf = (source) => (taken.has(source) ? [...readFileSync(source, 'utf8').matchAll(EXPORT)].map(([, name]) => name) : [])

const twice = (names) => names.filter((name, at) => names.indexOf(name) < at)

/** An import of `node:fs` reads all that it has, and so loads what is lazy in it: streams, promises. So it is taken by name. */
const builtins = (by) => ({
  name: 'builtins',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined))
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `export const { ${takenOf(path, by).join(', ')} } = process.getBuiltinModule('${path}')`,
    }))
  },
})

const nameOf = (source) => basename(source, '.js').replaceAll('-', '_')

/**
 * Leaves to other files what is imported lazily. `placeOf` says in which file a source is, and under which name if its exports are not
 * exports of that file themselves; it says nothing of a source that belongs here.
 */
const apart = (placeOf) => ({
  name: 'apart',
  setup: ({ onResolve, onLoad }) => {
    onLoad({ filter: /\.js$/, namespace: 'file' }, ({ path: importer }) => {
      if (!taken.has(importer)) return undefined
      return { contents: readFileSync(importer, 'utf8').replaceAll(/\bimport\('([^']+)'\)/g, (original, path) => {
        const { file, name } = placeOf(path.startsWith('.') ? resolve(dirname(importer), path) : path) ?? {}
        return file === undefined ? original : `import('part:${file}')${name === undefined ? '' : `.then((part) => part.${name})`}`
      }) }
    })
    onResolve({ filter: /^part:/ }, ({ path }) => ({ path: path.replace('part:', './'), external: true }))
  },
})

/** Takes from `index` what it has; `names` says which names of which source. */
const fromIndex = (names, index) => ({
  name: 'from-index',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^internals$/ }, () => ({ path: `./${index}`, external: true }))
    onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
      const file = resolve(resolveDir, path)
      return kind === 'import-statement' && names.has(file) ? { path: file, namespace: 'index' } : undefined
    })
    onLoad({ filter: /./, namespace: 'index' }, ({ path }) => ({
      contents: `import { internals } from 'internals'; export const { ${names.get(path).join(', ')} } = internals()`,
    }))
  },
})

/** Leaves to npm the packages that it installs beside ours. Any other is bundled, with its licence where its code is. */
const packages = (external) => ({
  name: 'packages',
  setup: ({ onResolve, onLoad, resolve: find }) => {
    const entries = new Map()
    onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (pluginData === 'found' || /^node:|^internals$|^part:/.test(path) || kind === 'entry-point') return undefined
      if (external.includes(path)) return { path, external: true }
      const found = await find(path, { kind, resolveDir, pluginData: 'found' })
      entries.set(found.path, path)
      return { ...found, sideEffects: false }
    })
    onLoad({ filter: /node_modules/, namespace: 'file' }, ({ path }) => {
      if (!entries.has(path)) return undefined
      const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(entries.get(path))
      const folder = path.slice(0, path.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length)
      const licence = readdirSync(folder).find((file) => /^licen[cs]e(\.\w+)?$/i.test(file))
      const contents = `/*! ${name}\n\n${readFileSync(join(folder, licence), 'utf8')}*/\n${readFileSync(path, 'utf8')}`
      return { contents, resolveDir: dirname(path) }
    })
  },
})

/**
 * Of the table of options a warm call needs a few columns, without words and schemas. A warm file that takes more
 * than RULES does not build.
 */
const columns = (...wanted) => ({
  name: 'columns',
  setup: ({ onLoad }) => {
    const pick = (row) => Object.fromEntries(Object.entries(row).filter(([column]) => wanted.includes(column)))
    onLoad({ filter: /options.table\.js$/ }, async ({ path }) => {
      const { RULES } = await import(pathToFileURL(path).href)
      const rows = Object.entries(RULES).map(([option, row]) => [option, pick(row)])
      return { contents: `export const RULES = ${JSON.stringify(Object.fromEntries(rows))}` }
    })
  },
})
const FUNNEL = ['kind', 'least', 'default']

/** An entry point made of a text. */
const entry = (...lines) => ({ stdin: { resolveDir: lib, contents: lines.join('\n') } })

const COPIED = [
  'health/connect.js', 'plain-file.js', 'options/env-file.js', 'options/table.js', 'text/terminal-text.js', 'text/shell-words.js', 'text/fill.js',
  'system/spawn.js', 'protocol/look-unlocked.js', 'protocol/check-again.js', 'protocol/readiness.js', 'protocol/patience.js', 'plan/choose-url.js',
  'state/lock.js', 'state/outcome.js', 'health/awaited.js',
  'plan/versions.js', 'protocol/launcher.js', 'this-copy.js',
].map((file) => join(lib, file))

/**
 * What keeps no state need not be shared: each file has a copy of what it uses of it. So a platform may answer what a warm call
 * asks and what only a launch asks, and `index.js` has the first alone; of the table of options it has a few columns; and the
 * launcher tries a connection without `checks.js`, and a config file is read without it. What `spawn.js` remembers serves watchdogs alone.
 */
const isCopied = (file) => dirname(file) === join(lib, 'system/platform') || COPIED.includes(file)

/** The sources of ours that are in a file. */
const sourcesIn = ({ metafile }) => Object.keys(metafile.inputs).map((input) => resolve(input)).filter((file) => taken.has(file))

/** Makes one file. Returns the sources that are in it; of Node's modules it takes the names that these take. */
const bundle = async ({ plugins, ...options }) => {
  const sources = sourcesIn(await build({ ...options, write: false, plugins }))
  await build({ ...options, plugins: options.format === 'esm' ? [...plugins, builtins((by) => sources.includes(by))] : plugins })
  return sources
}

/**
 * Characters of the environment variable that carries one. Linux takes none of 128 KiB (execve(2)), and each process keeps it in memory: of
 * watchdogs there are many, of stewards one for each server.
 */
const MOST = { reaperSource: 90_000, stewardSource: 110_000 }

/**
 * A program of ours that runs as a process of its own is a text, since in an extension's bundle there is no file to run: the reaper, which
 * the watchdog of a lease runs, and the steward. Neither waits with wait-on. A text is packed, and unpacks itself.
 */
const writeText = async (entry, external, source, name) => {
  const { outputFiles: [program] } = await build({
    ...common, entryPoints: [join(lib, entry)], minify: true, write: false, format: 'cjs',
    external: ['wait-on', '*-source.js', ...external], plugins: [columns(...FUNNEL)], logOverride: { 'empty-import-meta': 'silent' },
    // Bun takes what it evaluates for an ES module, which has no require of its own.
    banner: { js: 'var require=process.getBuiltinModule;' },
  })
  const packed = deflateRawSync(program.text, { level: 9 }).toString('base64')
  const text = `eval(process.getBuiltinModule('zlib').inflateRawSync(Buffer.from('${packed}','base64')).toString())`
  if (text.length > MOST[name]) throw new Error(`${name} is ${text.length} characters long`)
  writeFileSync(join(lib, source), `export const ${name} = ${JSON.stringify(text)}\n`)
}

/** Makes the files of the library in one format. Returns the names that its index offers, by source, and the sources of the other files. */
const bundleLibrary = async (format) => {
  const { extension, parts, external, options } = FORMATS[format]
  const shared = { ...installed, format, ...options }
  const index = join(lib, 'index.js')
  const lazy = new Map(Object.keys(parts).map((part) => [part, new Set()]))
  const placeOf = (source) => {
    const [part] = Object.entries(parts).find(([, names]) => names.includes(basename(source, '.js'))) ?? []
    if (part === undefined && taken.has(source)) throw new Error(`lib/bundle.mjs does not say in which file ${source} is`)
    if (part === undefined) return undefined
    lazy.get(part).add(source)
    // Of a package the default export is used, which `export *` leaves out.
    return { file: `${part}.${extension}`, ...(taken.has(source) ? {} : { name: nameOf(source) }) }
  }
  const plugins = [apart(placeOf), packages(external)]
  const warm = [columns(...FUNNEL), ...plugins]

  const inIndex = sourcesIn(await build({ ...shared, entryPoints: [index], write: false, plugins: warm })).filter((file) => !isCopied(file))
  const names = new Map(inIndex.filter((file) => file !== index).map((file) => [file, takenOf(file, (by) => !inIndex.includes(by))]))
  const internals = [...names.values()].flat()
  if (twice(internals).length > 0) throw new Error(`internals can have a name once: ${twice(internals)}`)

  const surface = taken.get(index).flatMap((imported) => imported.names)
  const all = [...surface, 'internals']
  await bundle({
    ...shared, outfile: join(out, `index.${extension}`), plugins: warm,
    ...entry(
      ...[...names].map(([file, own]) => `import { ${own.join(', ')} } from ${JSON.stringify(file)}`),
      "import * as own from './index.js'", "import { firstBuild } from './this-copy.js'",
      // A function, since a warm call has no use for it: an object of a hundred names costs as much as all its looks.
      `const internals = () => ({ ${internals.join(', ')} })`,
      `const build = { ${surface.map((name) => `${name}: own.${name}`).join(', ')}, internals }`,
      // Callers see the name of a class or function, and esbuild has made it short.
      "for (const name of Object.keys(build)) Object.defineProperty(build[name], 'name', { value: name })",
      `const { ${all.map((name, at) => `${name}: build${at}`).join(', ')} } = firstBuild('${format}', '${version}', build)`,
      `export { ${all.map((name, at) => `build${at} as ${name}`).join(', ')} }`,
    ),
  })
  for (const [name, source] of Object.entries(ENTRY_FILES[format])) {
    const [entryPoint, outfile] = [join(lib, `${source}.js`), join(out, `${name}.${extension}`)]
    await bundle({ ...shared, entryPoints: [entryPoint], outfile, plugins: [...plugins, fromIndex(names, `index.${extension}`)] })
  }
  const as = (source) => (taken.has(source) ? '' : `as ${nameOf(source)}`)
  const optionsOf = (part) => ({
    ...shared, outfile: join(out, `${part}.${extension}`), plugins: [...plugins, fromIndex(names, `index.${extension}`)],
    ...entry(...[...lazy.get(part)].map((source) => `export * ${as(source)} from ${JSON.stringify(source)}`)),
  })
  // A lazy file imports others lazily, so which sources a file offers is known when no build finds another one.
  const found = () => [...lazy.values()].reduce((sum, { size }) => sum + size, 0)
  for (let before = 0; before < found();) {
    before = found()
    for (const part of lazy.keys()) await build({ ...optionsOf(part), write: false })
  }
  const files = await Promise.all([...lazy].map(async ([part, sources]) => {
    // `export *` drops in silence a name that two sources have.
    const collisions = twice([...sources].flatMap(exportsOf))
    if (collisions.length > 0) throw new Error(`in one file, and of one name: ${collisions}`)
    return bundle(optionsOf(part))
  }))
  const repeated = twice([...inIndex, ...files.flat().filter((file) => !isCopied(file))])
  if (repeated.length > 0) throw new Error(`in two files, so that their state would be there twice: ${repeated}`)
  return { names, lazy }
}

/** The command line: one file begins it, one has `start`, which hooks and loops call, and one all other commands, each under its own name. */
const bundleCommandLine = async ({ names, lazy }) => {
  const rest = new Map()
  const placeApart = (source) => {
    for (const part of ['config', 'across']) if (lazy.get(part).has(source)) return { file: `${part}.js` }
    return COMPLETION.includes(basename(source, '.js')) ? { file: 'completion.js', name: nameOf(source) } : undefined
  }
  const placeOf = (source) => {
    const name = basename(source, '.js')
    const elsewhere = placeApart(source)
    if (elsewhere !== undefined) return elsewhere
    if (!taken.has(source) || name === 'start') return undefined
    const as = nameOf(source)
    if (rest.has(as) && rest.get(as) !== source) throw new Error(`in one file, and of one name: ${source} and ${rest.get(as)}`)
    rest.set(as, source)
    return { file: 'cli-rest.js', name: as }
  }
  const shared = { ...installed, format: 'esm' }
  const plugins = [fromIndex(names, 'index.js'), packages(Object.keys(dependencies))]
  const warm = [columns(...FUNNEL, 'flag', 'variable'), apart(placeOf), ...plugins]
  await bundle({ ...shared, entryPoints: [join(lib, 'cli/begin.js')], outfile: join(out, 'cli.js'), plugins: [apart(() => ({ file: 'cli-start.js' }))] })
  await bundle({ ...shared, entryPoints: [join(lib, 'cli/bin.js')], outfile: join(out, 'cli-start.js'), plugins: warm })
  const commands = [...rest].map(([as, source]) => `export * as ${as} from ${JSON.stringify(source)}`)
  await bundle({ ...shared, ...entry(...commands), outfile: join(out, 'cli-rest.js'), plugins: [apart(placeApart), ...plugins] })
  const parts = COMPLETION.map((part) => `export * as ${nameOf(part)} from ${JSON.stringify(join(lib, 'cli', `${part}.js`))}`)
  await bundle({ ...shared, ...entry(...parts), outfile: join(out, 'completion.js'), plugins: [apart(placeApart), ...plugins] })
}

const bundleServer = () =>
  bundle({ ...common, entryPoints: [join(lib, 'session-server.js')], outfile: join(out, 'session-server.js'), format: 'esm', plugins: [] })

/** A class with private fields is another type in each declaration of it. So one declaration serves both module systems. */
const bundleTypes = async () => {
  const onwarn = ({ message }) => { throw new Error(message) }
  const types = await rollup({ input: join(lib, 'index.d.ts'), plugins: [dts()], external: [/^node:/], onwarn })
  await types.write({ file: join(out, 'types/index.d.cts'), format: 'es' })
  await types.close()
  writeFileSync(join(out, 'types/index.d.ts'), "export * from './index.cjs'\n")
}

/**
 * The types of an entry point for a test runner take the options from those of the library. A test of Vitest knows what the global setup
 * provides by an addition to Vitest's own types, which cannot be compiled here: Vitest is not installed.
 */
const bundleEntryTypes = async ([name, source]) => {
  const ours = [join(lib, 'options/options'), join(lib, 'from-config')]
  const onwarn = ({ message }) => { throw new Error(message) }
  const isOurs = (id) => ours.includes(resolve(id).replace(/(?:\.d\.ts|\.js|\.ts)$/, ''))
  const types = await rollup({ input: join(lib, `${source}.d.ts`), plugins: [dts()], external: (id, from) => isOurs(from ? resolve(dirname(from), id) : id), onwarn })
  const { output: [{ code }] } = await types.generate({ format: 'es', paths: () => './index.js' })
  await types.close()
  const added = name === 'vitest' ? "declare module 'vitest' {\n  interface ProvidedContext {\n    oneServer: TestServers\n  }\n}\n" : ''
  writeFileSync(join(out, `types/${name}.d.ts`), code + added)
  writeFileSync(join(out, `types/${name}.d.cts`), (code + added).replaceAll("'./index.js'", "'./index.cjs'"))
}

const writeSchema = async () => {
  const { schema } = await import(pathToFileURL(join(lib, 'config/schema.js')).href)
  writeFileSync(join(out, 'schema.json'), `${JSON.stringify(schema(), undefined, 2)}\n`)
}

rmSync(out, { recursive: true, force: true })
mkdirSync(join(out, 'types'), { recursive: true })
await writeText('reaper.js', ['get-port'], 'system/reaper-source.js', 'reaperSource')
await writeText('across/main.js', [], 'across/steward-source.js', 'stewardSource')
const [library] = await Promise.all([
  bundleLibrary('esm'), bundleLibrary('cjs'), bundleServer(), bundleTypes(), ...Object.entries(ENTRIES).map(bundleEntryTypes), writeSchema(),
])
await bundleCommandLine(library)
