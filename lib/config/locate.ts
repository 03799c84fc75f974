/**
 * Finds the config file: the nearest one, from a folder upwards. Every name on the command line asks for it, so the
 * search costs a look or two a folder, and nothing that reads a file is loaded before one is found.
 */
import { lstatSync, readdirSync, statSync, type Stats } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { stateUnusable } from '../errors.js'
import { workingDirectory } from '../options/parse.js'
import { readPlainFile, whatElse } from '../plain-file.js'

export const CONFIG_FILE = 'one-server.config.json'

/** The same as code, which a call that starts servers runs, and no other call does. */
const CODE_FILES = ['one-server.config.ts', 'one-server.config.mjs', 'one-server.config.js'] as const

/** The key of package.json that may hold the same. */
export const PACKAGE_KEY = 'one-server'

export interface Found {
  readonly file: string
  readonly folder: string
  readonly text: string
  /** It stands in a package.json, below {@link PACKAGE_KEY}. */
  readonly inPackage: boolean
  /** It is code; `value` is what it exports by default, once it was run (load-code.ts). */
  readonly isCode: boolean
  readonly value?: unknown
}

/** Undefined also where this user may not search a folder above: a file that nobody can see there configures nothing. */
const look = (path: string, by: typeof statSync | typeof lstatSync = statSync): Stats | undefined => {
  try {
    return by(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** No list of servers is larger, in bytes; and no package.json that a person wrote. */
const LARGEST = 1024 * 1024
const LARGEST_PACKAGE = 16 * LARGEST

const ownConfig = (folder: string, from: string): Found | undefined => {
  const [name, other] = [CONFIG_FILE, ...CODE_FILES].filter((one) => look(join(folder, one), lstatSync) !== undefined)
  if (name === undefined) return undefined
  const file = join(folder, name)
  // Of two files people edit the one that is not read.
  if (other !== undefined) throw stateUnusable(file, `stands beside ${other}, and only one of them can count`, 'Remove one of the two.')
  const own = look(file, lstatSync)
  if (own === undefined) return undefined
  const stats = own.isSymbolicLink() ? look(file) : own
  // A client that passed over a broken link would use another server of the same name.
  if (stats === undefined) throw stateUnusable(file, 'is a link that leads to no config file', 'Correct the link, or remove it.')
  trust(file, stats, from)
  const refuse = (what: string): Error => stateUnusable(file, what, 'Move it away, or put a config file nearer.')
  if (whatElse(stats) !== undefined) throw refuse('is no plain file, where a config file should be')
  const found = opened(file)
  if ('refused' in found) throw refuse(found.refused)
  // Between the look and the opening another user can lead the name elsewhere: what was read is what counts.
  trust(file, found.stats, from)
  const isCode = name !== CONFIG_FILE
  // What runs is not the descriptor that was read: in such a folder another user could put a file of the same name into its place.
  if (isCode && isOpenToAll(folder)) throw refuse('is code, in a folder in which every user may replace it')
  return { file, folder, text: found.text, inPackage: false, isCode }
}

/** All may write there, and nothing (the sticky bit) keeps them from the files of others. */
const isOpenToAll = (folder: string): boolean => process.getuid !== undefined && ((look(folder)?.mode ?? 0) & 0o1002) === 0o002

const opened = (file: string): ReturnType<typeof readPlainFile> => {
  try {
    return readPlainFile(file, LARGEST)
  } catch (error) {
    throw stateUnusable(file, 'the config file cannot be read', 'Make it readable for you, or name the server by its PID file.', error)
  }
}

/**
 * A package.json that merely depends on this package configures nothing. One that has its name and cannot be parsed counts, so that
 * the reader says where it breaks.
 */
const packageConfig = (folder: string, from: string): Found | undefined => {
  const file = join(folder, 'package.json')
  if (look(file)?.isFile() !== true) return undefined
  let found: ReturnType<typeof readPlainFile>
  try {
    found = readPlainFile(file, LARGEST_PACKAGE)
  } catch {
    return undefined
  }
  if ('refused' in found) return undefined
  const { text, stats } = found
  if (!text.includes(`"${PACKAGE_KEY}"`)) return undefined
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, PACKAGE_KEY)) return undefined
  } catch {}
  trust(file, stats, from)
  return { file, folder, text, inPackage: true, isCode: false }
}

/**
 * A config file names programs that will run. A file that another user put into a folder above (`/tmp`) would run that user's
 * program. So the file must belong to this user, to root, or to the owner of the folder from which it is searched: to go there
 * and start a server is a decision.
 */
const trust = (file: string, { uid: owner }: Stats, from: string): void => {
  const own = process.getuid?.()
  if (own === undefined || owner === own || owner === 0 || owner === look(from)?.uid) return
  const what = `it belongs to another user (UID ${owner}), and one-server would run the programs in it`
  throw stateUnusable(file, what, 'Remove it, make it yours, or put a config file of your own nearer.')
}

/** The config file for a caller in `from`. A folder that was removed has none. */
export const locate = (from: string | undefined = workingDirectory()): Found | undefined => {
  if (from === undefined) return undefined
  const start = resolve(from)
  for (let folder = start; ; folder = dirname(folder)) {
    const found = ownConfig(folder, start) ?? packageConfig(folder, start)
    if (found !== undefined) return found
    if (folder === dirname(folder)) return undefined
  }
}

/** What people write by the habit of other tools. */
const UNREAD = /^one-server\.config\.(?!(?:json|ts|mjs|js)$)\w+$|^\.one-serverrc(?:\.\w+)?$|^one-server\.ya?ml$/

/** The nearest configuration file of a kind that is not read. Only a call that finds no other asks. */
export const locateUnread = (from: string | undefined = workingDirectory()): string | undefined => {
  if (from === undefined) return undefined
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const name = namesIn(folder).find((one) => UNREAD.test(one))
    if (name !== undefined) return join(folder, name)
    if (folder === dirname(folder)) return undefined
  }
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
