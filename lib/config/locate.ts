/**
 * Which file says what the names mean: the nearest one, from a folder upwards. That is asked for each name
 * on the command line, so it costs a look or two a folder, and nothing else is loaded before one is found.
 */
import { lstatSync, readFileSync, statSync, type Stats } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { stateUnusable } from '../errors.js'
import { here } from '../options.js'

export const CONFIG_FILE = 'one-server.config.json'

/** The key of package.json that may say the same. */
export const PACKAGE_KEY = 'one-server'

export interface Found {
  readonly file: string
  readonly folder: string
  readonly text: string
  /** It stands in a package.json, below {@link PACKAGE_KEY}. */
  readonly inPackage: boolean
}

/** Undefined also where a folder above may not be searched: what we cannot see there is not meant for us. */
const look = (path: string, by: typeof statSync | typeof lstatSync = statSync): Stats | undefined => {
  try {
    return by(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** More than any list of servers, in bytes. */
const LARGEST = 1024 * 1024

const ownConfig = (folder: string, from: string): Found | undefined => {
  const file = join(folder, CONFIG_FILE)
  const own = look(file, lstatSync)
  if (own === undefined) return undefined
  const stats = own.isSymbolicLink() ? look(file) : own
  // Passed over, the name would mean another server.
  if (stats === undefined) throw stateUnusable(file, 'is a link that leads to no config file', 'Set it right, or remove it.')
  // Before it is opened: a FIFO that another user has put there would hold everyone who works below it.
  trust(file, stats, from)
  if (!stats.isFile() || stats.size > LARGEST) {
    throw stateUnusable(file, stats.isFile() ? `is ${stats.size} bytes long` : 'is no plain file, where a config file should be', 'Move it away, or put a config file nearer.')
  }
  try {
    return { file, folder, text: readFileSync(file, 'utf8'), inPackage: false }
  } catch (error) {
    throw stateUnusable(file, 'the config file cannot be read', 'Make it readable for you, or say which server is meant by its PID file.', error)
  }
}

/** A package.json that merely depends on us is none; one that has our name in it and cannot be parsed is, so that the reader says where it breaks. */
const packageConfig = (folder: string, from: string): Found | undefined => {
  const file = join(folder, 'package.json')
  if (look(file)?.isFile() !== true) return undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  if (!text.includes(`"${PACKAGE_KEY}"`)) return undefined
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, PACKAGE_KEY)) return undefined
  } catch {}
  const stats = look(file)
  if (stats !== undefined) trust(file, stats, from)
  return { file, folder, text, inPackage: true }
}

/**
 * What stands in it is run. So it has to be this user's or root's; or that of whoever owns the folder one stands in: going there
 * and starting what is there is a decision. A file that another user has put into a folder above (`/tmp`) is none.
 */
const trust = (file: string, { uid: owner }: Stats, from: string): void => {
  const own = process.getuid?.()
  if (own === undefined || owner === own || owner === 0 || owner === look(from)?.uid) return
  throw stateUnusable(file, `it belongs to another user (UID ${owner}), and what stands in it would be run`, 'Remove it, make it yours, or put a config file of your own nearer.')
}

/** The config file for whoever stands in `from`. None for whoever stands in a folder that was removed. */
export const locate = (from: string | undefined = here()): Found | undefined => {
  if (from === undefined) return undefined
  const start = resolve(from)
  for (let folder = start; ; folder = dirname(folder)) {
    const found = ownConfig(folder, start) ?? packageConfig(folder, start)
    if (found !== undefined) return found
    if (folder === dirname(folder)) return undefined
  }
}
