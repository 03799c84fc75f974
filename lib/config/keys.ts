/**
 * The keys that a server may have in a config file: the options that have one in the table. The library's own rules
 * judge a value; here it only becomes what those rules take, since JSON has no undefined and a path in a file is
 * relative to that file, wherever it is read from.
 */
import { resolve } from 'node:path'
import { invalidCombination } from '../errors.js'
import { logPattern } from '../options/log-pattern.js'
import { parseHealth, type Kind } from '../options/parse.js'
import { OPTIONS, type OptionName, type Row } from '../options/table.js'
import { shellHabitOf } from '../text/shell-habits.js'

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

const BY_KIND: Partial<Record<Kind, (value: unknown, folder: string) => unknown>> = {
  path: inFolder, variables: withoutNull, ready: readyIn, command: withoutHabits,
}

/** What the value of a key is to the library. `folder` is that of the config file. */
export const optionsFor = (key: string, option: OptionName, value: unknown, folder: string): Readonly<Record<string, unknown>> => {
  const { kind } = OPTIONS[option]
  if (kind === 'healthPath') return parseHealth(key, value)
  return { [option]: BY_KIND[kind]?.(value, folder) ?? value }
}
