/**
 * What may stand where the cursor is: commands, names, flags, and values of flags. All of it comes from the tables that the parser
 * itself reads, so no suggestion is a word that the parser refuses, and no flag is missing.
 */
import { defaultOf, OPTIONS, type Row } from '../options/table.js'
import type { Accepts } from './arguments.js'
import { rowOf } from './flag-words.js'
import { FLAGS, flag, type FlagName } from './flags.js'
import { PAGES } from './pages.js'
import type { Known } from './known-names.js'

/** A word, or files whose path begins with `pattern`; `prefix` is what of it is no path. */
export type Suggestion =
  | { readonly kind: 'literal'; readonly text: string; readonly about?: string }
  | { readonly kind: 'file'; readonly type: 'any' | 'directory'; readonly pattern: string; readonly prefix: string }

const words = (rows: readonly (readonly [string, string?])[], current: string): Suggestion[] =>
  rows.filter(([text]) => text.startsWith(current))
    .map(([text, about]) => ({ kind: 'literal', text, ...(about === undefined ? {} : { about }) }))

const commands = (): [string, string][] => Object.entries(PAGES).map(([word, { summary }]) => [word, summary])

const takesValue = (name: string): boolean => Object.hasOwn(FLAGS, name) && FLAGS[name]!.read !== undefined

/** Given several times, these add up. */
const REPEATED: readonly FlagName[] = ['env', 'server-env-file']

/** The flag that a word is, by its long or its short name. */
const named = (word: string, { flags }: Accepts): FlagName | undefined =>
  flags.find((name) => word === `--${name}` || word === `-${flag(name).short}`)

/** `prefix` stands before the value in the same word. */
const values = (name: FlagName, current: string, prefix = ''): Suggestion[] => {
  const [option, row] = Object.entries<Row>(OPTIONS).find(([, { flag: own }]) => own === name) ?? []
  if (row === undefined) return []
  if (row.kind === 'path' || row.kind === 'paths') {
    return [{ kind: 'file', type: option === 'cwd' ? 'directory' : 'any', pattern: prefix + current, prefix }]
  }
  const usual = row.kind === 'duration' ? [...new Set([defaultOf(row)!, row.sample!])] : row.values ?? []
  return words(usual.map((value) => [prefix + value]), prefix + current)
}

const flagsOf = (command: Accepts, before: readonly string[], current: string): Suggestion[] => {
  const given = before.map((word) => named(word.replace(/=.*/s, ''), command))
  const left = command.flags.filter((name) => REPEATED.includes(name) || !given.includes(name))
  const rows = left.map((name): [string, string] => [`--${name}`, rowOf(name, command.defaults)[1]])
  const rest: [string, string][] = command.rest === undefined ? [] : [['--', `the ${command.rest}'s command`]]
  return words([...rest, ...rows], current)
}

/** Words before the cursor that are neither flags nor their values. */
const placed = (before: readonly string[], command: Accepts): string[] =>
  before.filter((word, at) => {
    const flagBefore = at === 0 ? undefined : named(before[at - 1]!, command)
    return !word.startsWith('-') && !(flagBefore !== undefined && takesValue(flagBefore))
  })

/** Of `api,we` the last name counts, and no name twice. */
const namesFor = (command: Accepts, current: string, known: readonly Known[]): Suggestion[] => {
  const first = command.named === 'several' ? current.slice(0, current.lastIndexOf(',') + 1) : ''
  const taken = first.split(',')
  const fit = known.filter(({ name, runs }) => !taken.includes(name) && (command.word !== 'stop' || runs))
  return words(fit.map(({ name, about }) => [first + name, about]), current)
}

/** `before`: the whole words after the program's name; `current`: what stands of the word at the cursor. */
export const suggest = async (
  before: readonly string[], current: string, commandCalled: (word: string) => Accepts | undefined, known: () => Promise<readonly Known[]>,
): Promise<readonly Suggestion[]> => {
  const [word, ...rest] = before
  if (word === undefined) return words([...commands(), ['help', 'print the help'], ['--help'], ['--version']], current)
  if (word === 'help') return rest.length === 0 ? words(commands(), current) : []
  const command = commandCalled(word)
  if (command === undefined) return []
  // A shell that can complete the command after -- does not ask here.
  if (rest.includes('--')) return [{ kind: 'file', type: 'any', pattern: current, prefix: '' }]
  const last = rest.at(-1)
  const open = last === undefined ? undefined : named(last, command)
  if (open !== undefined && takesValue(open)) return values(open, current)
  const [, joined] = /^(--[a-z-]+)=/.exec(current) ?? []
  const whose = joined === undefined ? undefined : named(joined, command)
  if (whose !== undefined) return takesValue(whose) ? values(whose, current.slice(joined!.length + 1), `${joined}=`) : []
  if (current.startsWith('-')) return flagsOf(command, rest, current)
  const isPlaced = placed(rest, command).length > 0
  if (command.choices !== undefined) return isPlaced ? [] : words(command.choices.map((choice) => [choice]), current)
  if (command.named && !isPlaced) return namesFor(command, current, await known())
  if (current !== '') return []
  return flagsOf(command, rest, '--').filter((one) => command.rest === undefined || (one.kind === 'literal' && one.text === '--'))
}
