/**
 * From a config file to the options of one of its servers. A mistake in one server must not stop the others, so only
 * the server that a client asks for is judged. A call loads this file once it has found a config file.
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { OneServerError } from '../errors.js'
import { didYouMean, closestMatch } from '../text/did-you-mean.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { EXPECTED_NAME, NAME, workingDirectory } from '../options/parse.js'
import { settingsFrom, type Configured } from '../options/settings.js'
import { stateDir } from '../paths.js'
import { variablesIn } from '../options/env-file.js'
import { parse, type Part } from './document.js'
import { KEYS, optionsFor } from './keys.js'
import { CONFIG_FILE, locate, PACKAGE_KEY, type Found } from './locate.js'
import { idleTimeoutWith } from './needs.js'
import { override } from './override.js'
import { partOf } from './value-part.js'

export type ConfiguredOptions = ClientProcessManagerOptions & Configured

/** The servers of a file, by name. */
export const serversOf = ({ file, text, inPackage, isCode, value }: Found): ReadonlyMap<string, Part> => {
  const document = isCode ? partOf(file, value) : parse(file, text, inPackage)
  const root = inPackage ? document.entries().get(PACKAGE_KEY) as Part : document
  if (!root.isObject) throw root.wrong(isCode ? 'expected an object with servers, exported by default' : 'expected an object with servers')
  const entries = root.entries()
  for (const [name, part] of entries) {
    if (name !== '$schema' && name !== 'servers') throw part.wrong(`unknown key; ${didYouMean(name, ['servers', '$schema'])}`)
  }
  const servers = entries.get('servers')
  if (servers === undefined) throw root.wrong('expected the key servers')
  if (!servers.isObject) throw servers.wrong('expected an object of servers by their names')
  const named = servers.entries()
  for (const [name, part] of named) if (!NAME.test(name)) throw part.wrong(`expected a name of ${EXPECTED_NAME}`)
  return named
}

/** Says the library's words about an option as words about the key in the file. */
const inFile = (part: Part, options: readonly string[], error: unknown): unknown => {
  if (!(error instanceof OneServerError) || error.code !== 'INVALID_OPTION') return error
  const [, option = '', below, text = ''] = /^([A-Za-z]+)(?:\.(\S+))?((?:: .*)? must be .*)$/s.exec(error.message) ?? []
  if (!options.includes(option)) return part.wrong(error.message)
  return part.wrong(text.startsWith(': ') ? text.slice(2) : text.replace(/^ must be /, 'expected '), below)
}

const valueOf = (name: string, part: Part, folder: string): object => {
  const option = KEYS.get(name)
  if (option === undefined) throw part.wrong(`unknown key; ${didYouMean(name, [...KEYS.keys(), 'needs'])}`)
  if (part.value === null) throw part.wrong('expected a value, got null; leave the key out for its default')
  // A key that stands twice would lose one of its values in silence; entries() refuses it.
  part.entries()
  let options = [name]
  try {
    const given = optionsFor(name, option, part.value, folder)
    options = Object.keys(given)
    const { envFile } = settingsFrom({ pidFile: '/any', ...given })
    if (envFile !== undefined) variablesIn(name, envFile)
    return given
  } catch (error) {
    throw inFile(part, options, error)
  }
}

/** The same name in two checkouts is two servers, so the PID file has the folder in its name. */
const pidFileFor = (name: string, folder: string): string => {
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 8)
  return join(stateDir(process.env), `${name}-${hash}.pid`)
}

/** What the place of a file alone says of a server of it, whatever the file says. */
export const placeOf = ({ folder }: Found, name: string): ConfiguredOptions => {
  const real = realpathSync(folder)
  return { pidFile: pidFileFor(name, real), cwd: real, configured: { name, folder: real } }
}

/**
 * The options of one server of a file. `starts`: the call may start it. No other reads `envFile`: a server whose variables are gone can
 * be stopped all the same.
 */
export const optionsOf = (found: Found, name: string, servers: ReadonlyMap<string, Part>, starts = true): ConfiguredOptions => {
  const part = servers.get(name)!
  if (!part.isObject) throw part.wrong('expected an object')
  const place = placeOf(found, name)
  const keys = [...part.entries()].filter(([key]) => key !== 'needs' && (starts || key !== 'envFile'))
  if (found.isCode && keys.some(([key]) => key === 'pidFile')) {
    throw part.wrong('a configuration that is code cannot say it, since status, stop and others do not run it', 'pidFile')
  }
  const given = Object.assign({}, ...keys.map(([key, value]) => valueOf(key, value, place.cwd!))) as ClientProcessManagerOptions
  const idleTimeout = idleTimeoutWith(servers, name)
  const options = { ...place, ...given, ...(idleTimeout === undefined ? {} : { idleTimeout }) }
  try {
    settingsFrom(options)
  } catch (error) {
    throw inFile(part, [], error)
  }
  return options
}

/** The options of the server of this name in the nearest file; `options` come before them. */
export const configured = (
  name: string, options: ClientProcessManagerOptions, from?: string, found: Found | undefined = locate(from),
): ConfiguredOptions => {
  if (found === undefined) {
    const folder = from ?? workingDirectory() ?? 'the working directory, which was removed,'
    throw new OneServerError(
      'INVALID_OPTION', `there is no ${CONFIG_FILE} in ${folder} or above it, nor a package.json with the key ${PACKAGE_KEY}`,
      `Write one: { "servers": { "${name}": { "command": ["node", "server.js"] } } }`,
    )
  }
  const servers = serversOf(found)
  if (servers.has(name)) return override(optionsOf(found, name, servers), options)
  const near = closestMatch(String(name), [...servers.keys()])
  throw new OneServerError(
    'INVALID_OPTION', `${found.file}: there is no server ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`,
    servers.size === 0 ? 'It has none.' : `It has ${[...servers.keys()].join(', ')}.`,
  )
}
