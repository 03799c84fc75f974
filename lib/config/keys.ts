/**
 * The keys that a server may have in a config file: the options that have one in the table. The library's own rules
 * judge a value; here it only becomes what those rules take, since JSON has no undefined and a path in a file is
 * relative to that file, wherever it is read from.
 */
import { resolve } from 'node:path'
import { invalidCombination, invalidOption } from '../errors.js'
import { logPattern } from '../options/log-pattern.js'
import { parseHealth, type Kind } from '../options/parse.js'
import { OPTIONS, type OptionName, type Row } from '../options/table.js'
import { shellHabitIn, shellHabitOf } from '../text/shell-habits.js'
import { splitWords } from '../text/shell-words.js'

/** Each key, and the option that it is. */
export const KEYS: ReadonlyMap<string, OptionName> = new Map(
  Object.entries<Row>(OPTIONS).flatMap(([name, { key }]) => (key === undefined ? [] : [[key, name as OptionName]])))

/** What is no text is left for the library to refuse. */
const inFolder = (value: unknown, folder: string): unknown => (typeof value === 'string' && value !== '' ? resolve(folder, value) : value)

/** JSON has no undefined, by which the library removes a name. */
const withoutNull = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, item ?? undefined]))
}

const socketIn = (value: unknown, folder: string): unknown =>
  typeof value === 'string' ? value.replace(/^socket:(.+)$/s, (_, path: string) => `socket:${resolve(folder, path)}`) : value

/** JSON has no regular expressions. */
const readyIn = (value: unknown, folder: string): unknown => {
  const [, text] = typeof value === 'string' ? /^cmd:(.*)$/s.exec(value) ?? [] : []
  const words = text === undefined ? (value as { command?: unknown } | null)?.command : wordsIn(text)
  if (words !== undefined) return { ...(typeof value === 'object' ? value : {}), command: withoutHabits(words) }
  const log = typeof value === 'string' ? /^log:(.*)$/s.exec(value)?.[1] : (value as { log?: unknown } | null)?.log
  if (typeof log !== 'string') return socketIn(value, folder)
  return { ...(typeof value === 'object' ? value : {}), log: logPattern('ready', log) }
}

/** Only what is a list of words can be judged here; the library refuses the rest. */
const withoutHabits = (value: unknown): unknown => {
  const words = Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : []
  const habit = shellHabitOf(words)
  if (habit !== undefined) throw invalidCombination(habit, 'Correct the file and call again.')
  return value
}

const wordsIn = (text: string): readonly string[] => {
  const split = splitWords(text)
  const habit = shellHabitIn(text)
  if (habit !== undefined) throw invalidCombination(habit, 'Correct the file and call again.')
  if ('malformed' in split) throw invalidOption('ready', `a command in words and quotes as a shell has them (${split.malformed})`, text)
  return split.words
}

const BY_KIND: Partial<Record<Kind, (value: unknown, folder: string) => unknown>> = {
  path: inFolder, paths: (value, folder) => (Array.isArray(value) ? value.map((one) => inFolder(one, folder)) : inFolder(value, folder)),
  variables: withoutNull, ready: readyIn, command: withoutHabits,
}

/** What the value of a key is to the library. `folder` is that of the config file. */
export const optionsFor = (key: string, option: OptionName, value: unknown, folder: string): Readonly<Record<string, unknown>> => {
  const { kind } = OPTIONS[option]
  if (kind === 'healthPath') return parseHealth(key, value)
  return { [option]: BY_KIND[kind]?.(value, folder) ?? value }
}
