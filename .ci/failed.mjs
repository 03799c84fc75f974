/**
 * What failed, for the tail of a long log: nobody scrolls through the thousands of lines of a run. Each failed test once, with the
 * tests that it is nested in, its file and its diagnostics; of a command that failed without a failed test, its last lines.
 *
 *     node .ci/failed.mjs LOG...     logs of commands that failed, each named after its command, with a number and a dot before it
 *
 * It needs no package, and nothing that was built: it is called where that may have failed.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** Lines in all, and of the diagnostics of one test. */
const MOST = 80
const MOST_EACH = 40
/** Lines of a command that failed without a failed test. */
const LAST = 20
const COLUMNS = 200

const RESULT = /^( *)(not )?ok \d+(?: - (.*?))?(?: # (?:time=.*|(SKIP|TODO)\b.*))?$/i

/** The lines of a block of diagnostics whose `---` stands at `at`, without their indentation. */
const blockAt = (lines, at, indent) => {
  const end = lines.indexOf(`${indent}...`, at)
  return end < 0 ? [] : lines.slice(at + 1, end).map((line) => line.slice(indent.length))
}

/** Without what the head of a failure says, the source around the line, and how all.ts starts a file. */
const shortened = (diagnostics) => {
  let isLeftOut = false
  return diagnostics.filter((line) => {
    if (/^\S/.test(line)) isLeftOut = /^(source|at|command|args|stdio|jobId):/.test(line)
    return !isLeftOut && line.trim() !== ''
  })
}

const placeIn = (diagnostics) => {
  const [file, line] = ['fileName', 'lineNumber'].map((name) => new RegExp(`^  ${name}: (.*)$`, 'm').exec(diagnostics.join('\n'))?.[1])
  return file === undefined ? undefined : `${file}:${line}`
}

/** Names that tell how files are run, and not what is tested. */
const isSeries = (name) => /^(every test file|\d+ files that start no process)$/.test(name)

const isTestFile = (name) => /\.test\.[cm]?[jt]s\b/.test(name)

/**
 * The failed tests in what tap printed. A result stands behind those that are nested in it, four columns to their left, so a failed
 * result with failures to its right is the name of where they are, and one without any is a failure of its own.
 */
const failuresIn = (text) => {
  const lines = text.split('\n')
  let found = []
  for (let at = 0; at < lines.length; at++) {
    const result = RESULT.exec(lines[at])
    if (result === null) continue
    const [, { length: depth }, not, name = '(no name)', directive] = result
    const indent = `${' '.repeat(depth)}  `
    const isDiagnosed = lines[at + 1] === `${indent}---`
    const diagnostics = isDiagnosed ? blockAt(lines, at + 1, indent) : []
    // The lines of a block may look like results.
    if (diagnostics.length > 0) at += diagnostics.length + 2
    const inside = found.filter((one) => one.depth > depth)
    if (not === undefined || directive !== undefined) {
      found = found.filter((one) => one.depth <= depth)
      continue
    }
    const place = placeIn(diagnostics)
    for (const one of inside) {
      one.path.unshift(name)
      one.places.push(place)
      one.depth = depth
    }
    // tap tells twice of a test whose time is over.
    const last = found.at(-1)
    const isTold = last?.depth === depth && last.path.length > 1 && last.path[0] === name && last.places.at(-1) === place
    if (inside.length === 0 && !isTold) found.push({ depth, path: [name], places: [place], diagnostics })
  }
  return found.map(({ path, places, diagnostics }) => {
    const known = places.filter((place) => place !== undefined)
    const file = known.find(isTestFile) ?? path.findLast(isTestFile) ?? known[0]
    return { title: path.join(' > '), key: path.filter((name) => !isSeries(name)).join(' > '), file, diagnostics: shortened(diagnostics) }
  })
}

const read = (log) => {
  const command = basename(log).replace(/^\d+\./, '')
  const text = readFileSync(log, 'utf8').replaceAll('\r', '')
  const failures = failuresIn(text)
  const last = text.trimEnd().split('\n').slice(-LAST)
  return (failures.length > 0 ? failures : [{ key: command, title: 'it failed without a failed test; its last lines', diagnostics: last }])
    .map((failure) => ({ ...failure, commands: [command] }))
}

/** Each failure once: what `npm test` runs, `npm run test:all` runs again. */
const distinct = (failures) => {
  const byKey = new Map()
  for (const one of failures) {
    const same = byKey.get(one.key)
    if (same === undefined) byKey.set(one.key, one)
    else same.commands = [...new Set([...same.commands, ...one.commands])]
  }
  return [...byKey.values()]
}

/** The first lines, and how many there are besides. */
const first = (lines, most) =>
  lines.length <= most ? lines : most <= 0 ? [] : [...lines.slice(0, most - 1), `(${lines.length - most + 1} more lines)`]

const head = ({ commands, title, file }, number) =>
  [`${number}. ${commands.join(', ')}: ${title}`, ...(file === undefined ? [] : [`   ${file}`])]

const failures = distinct(process.argv.slice(2).flatMap(read))
const heads = failures.map((failure, index) => head(failure, index + 1))
const shown = []
let left = MOST - 2
for (const [index, lines] of heads.entries()) {
  // Names come first: each failure that follows keeps room for its own.
  const needed = heads.slice(index).reduce((sum, { length }) => sum + length, 0)
  if (left < lines.length) break
  const share = Math.floor((left - needed) / (heads.length - index))
  const diagnostics = first(failures[index].diagnostics, Math.min(MOST_EACH, share)).map((line) => `      ${line}`)
  const told = [...lines, ...diagnostics].map((line) => line.slice(0, COLUMNS))
  left -= told.length
  shown.push(told)
}
const missing = failures.length - shown.length
console.log(['Failed:', ...shown.flat(), ...(missing === 0 ? [] : [`and ${missing} more`])].join('\n'))
