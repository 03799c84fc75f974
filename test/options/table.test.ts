/**
 * The table is the one place where an option is described: flags, variables, keys, help and schema come from it, and what
 * must be written by hand (the README, the docstrings) says the same. A warm call carries none of its words.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import t from 'tap'
import { COMMANDS } from '../../lib/cli/commands.js'
import { FLAGS } from '../../lib/cli/flags.js'
import { helpFor, overview } from '../../lib/cli/help.js'
import { parseDuration } from '../../lib/options/parse.js'
import { defaultOf, OPTIONS, type OptionName, type Row } from '../../lib/options/table.js'

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')

const ROWS = Object.entries<Row>(OPTIONS) as [OptionName, Row][]
const flagOf = ({ flag, with: other }: Row): string | undefined => (other === undefined ? flag : (OPTIONS[other] as Row).flag)

/** Without what only marks code. */
const plain = (text: string): string => text.replace(/[`'"]/g, '').trim()

t.test('a flag, a variable and a key each belong to one option', async (t) => {
  for (const column of ['flag', 'variable', 'key'] as const) {
    const values = ROWS.flatMap(([, row]) => row[column] ?? [])
    t.equal(new Set(values).size, values.length, column)
  }
  for (const [name, { flag, variable, key, schema, value, sample, kind, with: other }] of ROWS) {
    // A flag that says no has a variable that says whether.
    const said = kind === 'boolean' ? name.replace(/[A-Z]/g, '_$&') : flag?.replaceAll('-', '_')
    if (variable !== undefined) t.equal(variable, `ONE_SERVER_${said?.toUpperCase()}`, name)
    t.equal(key === undefined, schema === undefined, `${name}: a key has a schema`)
    if (flag !== undefined) t.equal(value !== undefined && sample !== undefined, kind !== 'boolean', `${name}: a flag with a value has a sample`)
    if (other !== undefined) t.ok((OPTIONS[other] as Row).flag, name)
  }
})

t.test('each flag of an option is one of some command, and its help says what the table says', async (t) => {
  const help = Object.values(COMMANDS).map(helpFor).join('\n').replace(/\s+/g, ' ')
  for (const [name, row] of ROWS) {
    if (row.flag === undefined) continue
    t.ok(FLAGS[row.flag], name)
    t.equal(FLAGS[row.flag]!.variable, row.variable, name)
    t.ok(Object.values(COMMANDS).some(({ flags }) => (flags as readonly string[]).includes(row.flag!)), `${name} is a flag of a command`)
    const standard = row.value === undefined ? undefined : defaultOf(row)
    t.ok(help.includes(`--${row.flag}${row.value === undefined ? '' : ` ${row.value}`} ${row.text.replace(/^with a coordinator: /, '')}${standard === undefined ? '' : ` (default: ${standard})`}`), name)
    if (row.variable !== undefined) t.ok(help.includes(row.variable), row.variable)
  }
})

t.test("the README's table has each option, with its flag and its default", async (t) => {
  const tables = [...`${read('README.md')}\n${read('fixtures/README.md')}`.matchAll(/^\| option \| command line \| default \|.*\n\|[-|]+\n((?:\|.*\n)+)/gm)].map(([, lines = '']) => lines)
  const told = new Set<string>()
  for (const line of tables.join('').trim().split('\n')) {
    const [names = '', flags = '', standard = ''] = line.split(/(?<!\\)\|/).slice(1)
    const options = names.split(',').map(plain) as OptionName[]
    const rows = options.map((name) => OPTIONS[name] as Row | undefined)
    t.notOk(rows.includes(undefined), names)
    for (const name of options) told.add(name)
    t.same((flags.match(/--[a-z-]+/g) ?? []).toSorted(), rows.flatMap((row) => (flagOf(row!) === undefined ? [] : [`--${flagOf(row!)}`])).toSorted(), `flags of ${names}`)
    t.equal(plain(standard), rows.map((row) => plain(defaultOf(row!) ?? '–')).join(', '), `default of ${names}`)
  }
  t.same([...told].toSorted(), Object.keys(OPTIONS).toSorted())
})

t.test('the docstrings have the defaults of the table', async (t) => {
  const source = read('lib/options/options.ts')
  const told = new Map([...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}([A-Za-z]+)\?: /g)].map(([, text, name]) => [name!, /@default (.*)/.exec(text!)?.[1]?.trim()]))
  t.same([...told.keys()].toSorted(), Object.keys(OPTIONS).toSorted())
  for (const [name, row] of ROWS) {
    const [documented, standard] = [told.get(name), defaultOf(row)]
    if (row.kind === 'duration') t.equal(parseDuration(name, documented), parseDuration(name, standard), name)
    else t.ok(standard === undefined ? documented === undefined : plain(documented ?? '').startsWith(plain(standard)), `${name}: ${documented} begins with ${standard}`)
  }
})

t.test('a warm call carries no words and no schema of the table, nor those of the help', async (t) => {
  const warm = ['index.js', 'index.cjs', 'cli.js', 'cli-start.js'].map((file) => read(`dist/${file}`)).join('\n')
  const words = ROWS.flatMap(([, { text, sample, inFile }]) => [text, inFile?.text ?? [], sample === undefined ? [] : [`sample:"${sample}"`, `sample:'${sample}'`]].flat())
  const others = ['additionalProperties', 'minItems', overview().split('\n')[0]!, 'wrap-ansi', 'pretty-ms', 'damerau']
  t.same([...words, ...others].filter((text) => warm.includes(text)), [])
  t.match(read('dist/cli-start.js'), 'idle-timeout', 'while it knows the flags')
})

const IMPORTS = [/(?:^|[;}\s])(?:import|export)\b[^'"`;(]*?(?:from)?\s*(['"])([^'"]+)\1/g, /\b(?:import|require)\((['"])([^'"]+)\1\)/g]

t.test('what is installed imports nothing but Node, itself and its dependencies, and has the licences of what it holds', async (t) => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
  // A line of a bundle may end within a string.
  const texts = readdirSync(new URL('dist/', ROOT)).filter((name) => /\.c?js$/.test(name)).map((name) => read(`dist/${name}`).replaceAll('\\\n', ''))
  const imported = texts.flatMap((text) => IMPORTS.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[2]!)))
  const foreign = new Set(imported.filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name)))
  t.same([...foreign].filter((name) => !Object.hasOwn(dependencies, name)), [])
  t.ok(foreign.has('proper-lockfile'), 'the patterns find imports')
  for (const name of [
    'jsonc-parser', 'damerau-levenshtein', 'pretty-ms', 'parse-ms', 'wrap-ansi', 'string-width', 'strip-ansi', 'ansi-regex', 'ansi-styles',
    'get-east-asian-width',
  ]) t.ok(texts.some((text) => new RegExp(`\\*! ${name}\n[\\s\\S]{0,300}?Copyright`).test(text)), `the licence of ${name}`)
})
