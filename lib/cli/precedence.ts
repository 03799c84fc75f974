/**
 * What counts where several places give the same option: flags before the environment, and the environment before the nearest
 * config file, if that has the name. A warm call looks for the file each time, so only one that exists costs its reader.
 *
 * A misspelt name must not mean something else: `run apo -- tests` beside a file that has `api` would run the tests against the bundled
 * session server. So a name that nothing defines is an error where there is a config file and the command would start a server. Commands
 * that start nothing only doubt it: for them a name that nobody has used is a server that does not run.
 */
import { existsSync } from 'node:fs'
import { CONFIG_FILE, locate, locateUnread, PACKAGE_KEY } from '../config/locate.js'
import { override } from '../config/override.js'
import { invalidCombination } from '../errors.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { settingsFrom, type Configured } from '../options/settings.js'
import { flag, type FlagName } from './flags.js'

interface Completed {
  readonly options: ClientProcessManagerOptions & Configured
  /** A name of the file that the user may have misspelt. */
  readonly doubt: string | undefined
}

/**
 * By these names `run` tells its command where the server is. A call below it would take them for options of its own server, and
 * ask for a port that is in use; ONE_SERVER_URL, which is no option, shows that they come from there.
 */
const TOLD_BY_RUN = ['ONE_SERVER_PORT', 'ONE_SERVER_HOST']

/** What the environment says of those options that the command takes. An empty variable says nothing. */
const fromEnvironment = (flags: readonly FlagName[], env: NodeJS.ProcessEnv): ClientProcessManagerOptions => {
  const options: ClientProcessManagerOptions = {}
  for (const { variable, read } of flags.map(flag)) {
    const isTold = variable !== undefined && TOLD_BY_RUN.includes(variable) && env['ONE_SERVER_URL'] !== undefined
    const value = variable === undefined || isTold ? undefined : env[variable]
    if (variable !== undefined && value) Object.assign(options, read?.(variable, value))
  }
  return options
}

/** What to say of a configuration file of a kind that is not read. */
const unreadNote = (): string | undefined => {
  const file = locateUnread()
  if (file === undefined) return undefined
  return `${file} is not read: a configuration is ${CONFIG_FILE}, or the key ${PACKAGE_KEY} of package.json`
}

/** As `judge`, where there is no config file that is read. */
const unread = (name: string, starts: boolean): string | undefined => {
  const note = unreadNote()
  if (note === undefined || !starts) return note
  throw invalidCombination(`nothing defines ${JSON.stringify(name)}: ${note}`, 'See one-server --help.')
}

/** Nobody doubts a name that comes with a way to start its server, or that has one already, or has had one: its log stays. */
const isSure = (options: ClientProcessManagerOptions): boolean => {
  if (options.command !== undefined || options.serverScript !== undefined) return true
  const { pidFile, logFile } = settingsFrom({ name: options.name! })
  return existsSync(pidFile) || existsSync(logFile)
}

const OTHERWISE = 'say how to start it (-- command, --script), or leave the name out for the bundled server'

/** Throws for a name that nothing defines, or says what is doubtful about it. */
const judge = async (name: string, file: string, names: readonly string[], starts: boolean): Promise<string | undefined> => {
  const { closestMatch } = await import('../text/did-you-mean.js')
  const near = closestMatch(name, names)
  const meant = near === undefined ? '' : `; did you mean ${near}?`
  if (!starts) return near === undefined ? undefined : `${file} has no ${JSON.stringify(name)}${meant}`
  const known = near !== undefined || names.length === 0 ? '' : ` (it has ${names.join(', ')})`
  throw invalidCombination(
    `${file} has no ${JSON.stringify(name)}${known}${meant || `; ${OTHERWISE}`}`,
    'See one-server --help.',
  )
}

export const complete = async (
  typed: ClientProcessManagerOptions, flags: readonly FlagName[], env: NodeJS.ProcessEnv, starts: boolean,
): Promise<Completed> => {
  const options = override(fromEnvironment(flags, env), typed)
  const { name, ...rest } = options
  const found = name === undefined ? undefined : locate()
  if (name === undefined) {
    const isBundled = starts && options.pidFile === undefined && options.serverScript === undefined
    return { options, doubt: isBundled && !existsSync(settingsFrom({}).pidFile) ? unreadNote() : undefined }
  }
  if (found === undefined) return { options, doubt: isSure(options) ? undefined : unread(name, starts) }
  const { optionsOf, serversOf } = await import('../config/configured.js')
  const servers = serversOf(found)
  const server = servers.get(name)
  if (server !== undefined) return { options: override(optionsOf(found, name, server), rest), doubt: undefined }
  return { options, doubt: isSure(options) ? undefined : await judge(name, found.file, [...servers.keys()], starts) }
}
