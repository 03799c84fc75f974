/**
 * What counts where several places give the same option: flags before the environment, and the environment before the nearest
 * config file, if that has the name. A warm call looks for the file each time, so only one that exists costs its reader.
 */
import { existsSync } from 'node:fs'
import { locate } from '../config/locate.js'
import { override } from '../config/override.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { settingsFrom, type Configured } from '../options/settings.js'
import { flag, type FlagName } from './flags.js'

interface Completed {
  readonly options: ClientProcessManagerOptions & Configured
  /** A name of the file that the user may have misspelt. */
  readonly doubt: string | undefined
}

/** What the environment says of those options that the command takes. An empty variable says nothing. */
const fromEnvironment = (flags: readonly FlagName[], env: NodeJS.ProcessEnv): ClientProcessManagerOptions => {
  const options: ClientProcessManagerOptions = {}
  for (const { variable, read } of flags.map(flag)) {
    const value = variable === undefined ? undefined : env[variable]
    if (variable !== undefined && value) Object.assign(options, read?.(variable, value))
  }
  return options
}

export const complete = async (
  typed: ClientProcessManagerOptions, flags: readonly FlagName[], env: NodeJS.ProcessEnv,
): Promise<Completed> => {
  const options = override(fromEnvironment(flags, env), typed)
  const { name, ...rest } = options
  const found = name === undefined ? undefined : locate()
  if (name === undefined || found === undefined) return { options, doubt: undefined }
  const { optionsOf, serversOf } = await import('../config/configured.js')
  const servers = serversOf(found)
  const server = servers.get(name)
  if (server !== undefined) return { options: override(optionsOf(found, name, server), rest), doubt: undefined }
  // Nobody doubts a name that comes with a way to start its server, or that has one already.
  const isSure = options.command !== undefined || options.serverScript !== undefined || existsSync(settingsFrom({ name }).pidFile)
  if (isSure) return { options, doubt: undefined }
  const { closestMatch } = await import('../text/did-you-mean.js')
  const near = closestMatch(name, [...servers.keys()])
  return { options, doubt: near === undefined ? undefined : `${found.file} has no ${JSON.stringify(name)}; did you mean ${near}?` }
}
