/**
 * Imports run one way: a file imports from its own folder or from further down, nobody imports the
 * public surface, and there is no cycle, not even one of types alone. Read from the sources, since
 * imports of types leave no trace in what is compiled.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** From the top to the bottom. */
const LAYERS = [
  'index.ts', 'cli/', 'doctor/', 'runners/', 'define-config.ts', 'from-config.ts', 'with-needs.ts', 'bring-up.ts', 'etcd.ts', 'client-process-manager.ts', 'reaper.ts', 'across/', 'protocol/', 'across/ask.ts', 'across/errors.ts', 'plan/', 'context.ts', 'server-info.ts', 'node-system.ts',
  'state/', 'system/', 'health/', 'config/', 'options/', 'events.ts', 'deadline.ts', 'paths.ts', 'plain-file.ts', 'system/platform/', 'timer.ts', 'errors.ts', 'text/', 'this-copy.ts',
]

/** Processes of their own, which neither import nor are imported. */
const ALONE = ['session-server.ts']

const LIB = fileURLToPath(new URL('../../lib/', import.meta.url))

type Sources = ReadonlyMap<string, string>

const sources: Sources = new Map(
  readdirSync(LIB, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name.replaceAll('\\', '/').replace(/\.d\.ts$/, '.ts'), readFileSync(join(LIB, name), 'utf8')]),
)

const IMPORTS = [
  /^(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(\.[^'"]+)\1/gm,
  /^import\s*(['"])(\.[^'"]+)\1/gm,
  /\b(?:import|require)\(\s*(['"`])(\.[^'"`]+)\1/g,
]

/** What a file imports, as names of files below lib. */
const importsOf = (file: string, text: string): string[] =>
  IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)]).map((match) => posix.join(posix.dirname(file), match[2]!).replace(/\.js$/, '.ts'))

/** A folder within another may be a layer of its own, so the longest name that fits counts. */
const layerOf = (file: string): number =>
  LAYERS.indexOf(LAYERS.filter((layer) => (layer.endsWith('/') ? file.startsWith(layer) : file === layer)).toSorted((one, other) => other.length - one.length)[0] ?? '')

const against = (files: Sources): string[] => {
  const found: string[] = []
  for (const [file, text] of files) {
    if (layerOf(file) < 0 && !ALONE.includes(file)) found.push(`${file} is in no layer`)
    for (const target of importsOf(file, text)) {
      if (target.startsWith('..')) continue
      if (!files.has(target)) found.push(`${file} imports ${target}, which is not there`)
      else if (ALONE.includes(file) || ALONE.includes(target)) found.push(`${file} imports ${target}`)
      else if (layerOf(target) < layerOf(file) || (layerOf(target) === layerOf(file) && dirname(target) !== dirname(file))) found.push(`${file} imports ${target}, which is above it`)
    }
  }
  return found
}

const cycles = (files: Sources): string[] => {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    if (done.has(file)) return
    for (const target of importsOf(file, files.get(file) ?? '')) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of files.keys()) visit(file, [])
  return found
}

t.test('each file imports from its own folder or from further down', async (t) => {
  t.same(against(sources), [])
})

t.test('nobody imports the public surface', async (t) => {
  t.same([...sources].filter(([file, text]) => importsOf(file, text).includes('index.ts')).map(([file]) => file), [])
})

t.test('there is no cycle, not even one of types', async (t) => {
  t.same(cycles(sources), [])
})

const PLATFORM = 'system/platform/'

/** Where a text asks which system this is. */
const asksWhichSystem = (text: string): boolean => /\bprocess\s*(?:\.\s*platform|\[['"]platform)|\b(?:os|platform)\(\) [!=]==/.test(text)

t.test('one file asks which system this is, and the others what the platform answers', async (t) => {
  t.same([...sources].filter(([, text]) => asksWhichSystem(text)).map(([file]) => file), [`${PLATFORM}current.ts`])
})

t.test('the platforms keep no state, since each bundle has its own copy of them', async (t) => {
  const variables = [...sources].filter(([file]) => file.startsWith(PLATFORM)).flatMap(([file, text]) => (/^(?:export )?(?:let|var) .*/gm.exec(text) ?? []).map((line) => `${file}: ${line}`))
  t.same(variables, [])
})

t.test('the rules see every kind of import, and each breach of them', async (t) => {
  const edges = [...sources].flatMap(([file, text]) => importsOf(file, text).map((target) => `${file} → ${target}`))
  for (const edge of [
    'index.ts → client-process-manager.ts', 'protocol/supervise.ts → errors.ts', 'events.ts → errors.ts',
    'node-system.ts → system/file-lock.ts', 'node-system.ts → health/wait-until-ready.ts', 'system/files.ts → system/system.ts', 'system/processes.ts → system/platform/current.ts', 'paths.ts → system/platform/current.ts',
  ]) t.ok(edges.includes(edge), edge)
  for (const text of [
    "import { x } from '../protocol/x.js'", "import type { X } from '../protocol/x.js'", "import {\n  x,\n  type Y,\n} from '../protocol/x.js'", "export * from '../protocol/x.js'",
    "export type { X } from '../protocol/x.js'", "import '../protocol/x.js'", "const x = await import('../protocol/x.js')", "type X = import('../protocol/x.js').X",
  ]) {
    t.same(against(new Map([['system/a.ts', text], ['protocol/x.ts', '']])), ['system/a.ts imports protocol/x.ts, which is above it'], text)
    t.same(cycles(new Map([['system/a.ts', text], ['protocol/x.ts', "import type { A } from '../system/a.js'"]])), ['system/a.ts → protocol/x.ts → system/a.ts'], text)
  }
  t.same(against(new Map([['system/platform/a.ts', "import '../b.js'"], ['system/b.ts', '']])), ['system/platform/a.ts imports system/b.ts, which is above it'])
  t.same(against(new Map([['new.ts', '']])), ['new.ts is in no layer'])
  t.same(against(new Map([['cli/bin.ts', "import '../session-server.js'"], ['session-server.ts', '']])), ['cli/bin.ts imports session-server.ts'])
  t.same(against(new Map([['cli/a.ts', "import './b.js'"]])), ['cli/a.ts imports cli/b.ts, which is not there'])
  t.same(against(new Map([['protocol/a.ts', "import './b.js'\nimport '../errors.js'"], ['protocol/b.ts', ''], ['errors.ts', '']])), [])
})

/** Files below 20 lines, each with the one thing that it hides. */
const SHORT: Readonly<Record<string, string>> = {
  'index.ts': 'the public surface: nothing but re-exports',
  'reaper.ts': 'a process of its own',
  'across/steward-source.ts': 'the declaration of a text that the build makes',
  'system/reaper-source.ts': 'the declaration of a text that the build makes',
  'runners/jest-teardown.ts': 'a file of its own, since Jest takes it by its name',
  'cli/begin.ts': 'Node keeps what is compiled after this file',
  'cli/version.ts': 'where the version of the package is read',
  'options/for-all.ts': 'which options hold for several servers',
  'text/duration.ts': 'which package makes durations for people',
  'text/wrap.ts': 'which package wraps text',
  'text/redact-url.ts': 'what of a URL is no secret',
  'text/is-url.ts': 'what each place asks that reads a URL',
}

t.test('no file is longer than 300 lines, and none is shorter than 20 without a reason', async (t) => {
  const lines = (text: string): number => text.trimEnd().split('\n').length
  t.same([...sources].filter(([, text]) => lines(text) > 300).map(([file]) => file), [])
  t.same([...sources].filter(([, text]) => lines(text) < 20).map(([file]) => file).toSorted(), Object.keys(SHORT).toSorted())
})

/** Tables of text for people, which may be wider. */
const TEXTS = ['cli/pages.ts', 'options/table.ts']

t.test('lines of code end before column 140', async (t) => {
  const wide = [...sources].filter(([file]) => !TEXTS.includes(file)).flatMap(([file, text]) => text.split('\n').flatMap((line, index) => (line.length >= 140 ? [`${file}:${index + 1}`] : [])))
  t.same(wide, [])
})
