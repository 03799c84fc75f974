/**
 * A value that code has exported, as the reader of a config file takes it (document.ts). Nothing of a value shows its line, so an error
 * names the file and the key.
 */
import { OneServerError } from '../errors.js'
import type { Part } from './document.js'

/** Of any realm: a test runner has an Object of its own. */
const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const above: unknown = Object.getPrototypeOf(value)
  return above === null || Object.getPrototypeOf(above) === null
}

/** Objects and lists without what acts when it is read. Throws what such a thing throws, and where a value stands within itself. */
export const plainCopy = (value: unknown, path = '', above: readonly unknown[] = []): unknown => {
  if (!Array.isArray(value) && !isPlain(value)) return value
  if (above.includes(value)) throw new Error(`${path} stands within itself`)
  const copied = Object.entries(value)
    .map(([name, item]) => [name, plainCopy(item, path === '' ? name : `${path}.${name}`, [...above, value])] as const)
  return Array.isArray(value) ? copied.map(([, item]) => item) : Object.fromEntries(copied)
}

export const partOf = (file: string, value: unknown, path = ''): Part => {
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`)
  // In code a key with undefined is a key that was left out.
  const entries = (): ReadonlyMap<string, Part> => new Map(Object.entries(isPlain(value) ? value : {})
    .filter(([, item]) => item !== undefined).map(([name, item]) => [name, partOf(file, item, below(name))]))
  const wrong: Part['wrong'] = (message, key) => {
    const at = key !== undefined && entries().has(key) ? below(key) : path
    return new OneServerError('INVALID_OPTION', `${file}: ${at === '' ? '' : `${at}: `}${message}`, 'Correct the file and call again.')
  }
  return { value, path, isObject: isPlain(value), entries, wrong }
}
