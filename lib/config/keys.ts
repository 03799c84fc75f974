/**
 * The keys that a server may have in a config file: the options that have one in the table. The library's own rules
 * judge a value; here it only becomes what those rules take, since JSON has no undefined and a path in a file is
 * relative to that file, wherever it is read from.
 */
import { resolve } from 'node:path'
import { parseHealth, type Kind } from '../options/parse.js'
import { OPTIONS, type OptionName, type Row } from '../options/table.js'

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

const BY_KIND: Partial<Record<Kind, (value: unknown, folder: string) => unknown>> = {
  path: inFolder, variables: withoutNull, ready: socketIn,
}

/** What the value of a key is to the library. `folder` is that of the config file. */
export const optionsFor = (key: string, option: OptionName, value: unknown, folder: string): Readonly<Record<string, unknown>> => {
  const { kind } = OPTIONS[option]
  if (kind === 'healthPath') return parseHealth(key, value)
  return { [option]: BY_KIND[kind]?.(value, folder) ?? value }
}
