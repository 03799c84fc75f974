/**
 * A value that code has exported, as the reader of a config file takes it (document.ts). Nothing of a value shows its line, so an error
 * names the file and the key.
 */
import { OneServerError } from '../errors.js'
import type { Part } from './document.js'

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))

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
