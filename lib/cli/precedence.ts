/**
 * What counts where several places give the same option: flags before the environment, and the environment before the nearest
 * config file, if that has the name. A warm call looks for the file each time, so only one that exists costs its reader.
 *
 * A misspelt name must not mean something else: `run apo -- tests` beside a file that has `api` would run the tests against the bundled
 * session server. So a name that nothing defines is an error where there is a config file and the command would start a server. Commands
 * that start nothing only doubt it: for them a name that nobody has used is a server that does not run.
 */
import { existsSync } from 'node:fs'
import type { Server } from '../bring-up.js'
import { CONFIG_FILE, locate, locateUnread, PACKAGE_KEY, type Found } from '../config/locate.js'
import { override } from '../config/override.js'
import { invalidCombination } from '../errors.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { settingsFrom } from '../options/settings.js'
import { flag, type FlagName } from './flags.js'

interface Completed {
  readonly servers: readonly Server[]
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
  for (const { variable, read, said = read } of flags.map(flag)) {
    const isTold = variable !== undefined && TOLD_BY_RUN.includes(variable) && env['ONE_SERVER_URL'] !== undefined
    const value = variable === undefined || isTold ? undefined : env[variable]
    if (variable !== undefined && value) Object.assign(options, said?.(variable, value))
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

/** What of the command line is about one server each, and what holds for all. */
interface Asked {
  readonly options: ClientProcessManagerOptions
  /** The command would start a server. */
  readonly starts: boolean
}

const plain = (name: string | undefined, options: Server['options']): Server => ({ name, options, needs: [] })

/** A file that is code is not run by a command that starts nothing: the server is found where its name and folder say. */
const unseen = async (name: string, found: Found, rest: ClientProcessManagerOptions): Promise<Server> => {
  const { placeOf } = await import('../config/servers-for.js')
  const options = override(placeOf(found, name), rest)
  const { pidFile, logFile } = settingsFrom(options)
  const isOurs = existsSync(pidFile) || existsSync(logFile) || !isSure({ ...rest, name })
  return plain(name, isOurs ? options : { ...rest, name })
}

/** The servers of these names, each after those that it needs. */
const complete = async (names: readonly string[], { options, starts }: Asked): Promise<Completed> => {
  const rest = { ...options }
  delete rest.name
  const found = locate()
  const outside = async (name: string, judged: (name: string) => Promise<string | undefined> | string | undefined): Promise<Completed> => {
    const options = { ...rest, name }
    return { servers: [plain(name, options)], doubt: isSure(options) ? undefined : await judged(name) }
  }
  const each = async (one: (name: string) => Promise<Completed>): Promise<Completed> => {
    const all = await Promise.all(names.map(one))
    return { servers: all.flatMap(({ servers }) => servers), doubt: all.find(({ doubt }) => doubt !== undefined)?.doubt }
  }
  if (found === undefined) return each((name) => outside(name, () => unread(name, starts)))
  if (found.isCode && !starts) {
    const servers = await Promise.all(names.map((name) => unseen(name, found, rest)))
    return { servers: servers.length === 1 ? servers : await (await import('./needs-seen.js')).withNeedsSeen(servers), doubt: undefined }
  }
  const { asked: ofNames, loaded, needing, serversOf, timesIn } = await import('../config/servers-for.js')
  const file = found.isCode ? await (await import('./foreign-code.js')).runForeign(found.file, () => loaded(found)) : found
  const servers = serversOf(file)
  const known = names.filter((name) => servers.has(name))
  const others = names.filter((name) => !servers.has(name))
  const alone = others.length === 0 ? [] : [await Promise.all(others.map((name) =>
    outside(name, () => judge(name, file.file, [...servers.keys()], starts))))].flat()
  // Only what starts servers needs what they need. To look at one, or to stop it, concerns that one.
  const own = starts ? needing(file, known, () => rest, timesIn(rest)) : ofNames(file, known, () => rest)
  const doubt = alone.find((one) => one.doubt !== undefined)?.doubt
  return { servers: [...own, ...alone.flatMap((one) => one.servers)], doubt }
}

/** What the call is about, in the order in which it is to be brought up; no server twice. */
export const serversAsked = async (
  typed: ClientProcessManagerOptions, names: readonly string[],
  { flags, env, starts }: Pick<Asked, 'starts'> & { readonly flags: readonly FlagName[]; readonly env: NodeJS.ProcessEnv },
): Promise<Completed> => {
  const several = names.length > 1
  const around = fromEnvironment(flags, env)
  const { timesIn } = several ? await import('../config/servers-for.js') : { timesIn: (all: ClientProcessManagerOptions) => all }
  const options = override(several ? timesIn(around) : around, typed)
  if (names.length > 0) return complete(names, { options, starts })
  const isBundled = starts && options.pidFile === undefined && options.serverScript === undefined
  return { servers: [plain(undefined, options)], doubt: isBundled && !existsSync(settingsFrom({}).pidFile) ? unreadNote() : undefined }
}
