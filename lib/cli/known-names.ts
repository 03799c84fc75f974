/**
 * The names that a user may type here: those of the nearest config file, and those of servers that have state. A Tab must never start,
 * end or change anything, and must not run the code of a checkout: so this only reads, asks no server for its health, and of a
 * configuration that is code it knows the servers that have been started before.
 */
import { realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { locate, type Found } from '../config/locate.js'
import { contextOf } from '../context.js'
import { nodeSystem } from '../node-system.js'
import { NAME } from '../options/parse.js'
import { settingsFrom } from '../options/settings.js'
import { stateDir } from '../paths.js'
import { survey } from '../protocol/survey.js'
import { named, namesIn } from './named-servers.js'

export interface Known {
  readonly name: string
  /** In a word or two. */
  readonly about: string
  /** A process of it lives. */
  readonly runs: boolean
}

/** One mistake in the file must not hide the servers that run. */
const configured = async (found: Found | undefined): Promise<string[]> => {
  if (found === undefined || found.isCode) return []
  try {
    return [...(await import('../config/servers-for.js')).serversOf(found).keys()]
  } catch {
    return []
  }
}

const lives = async (pidFile: string): Promise<boolean> => {
  try {
    return (await survey(await contextOf(settingsFrom({ pidFile }), nodeSystem))).living !== undefined
  } catch {
    return false
  }
}

const recorded = async (here: string | undefined, env: NodeJS.ProcessEnv): Promise<Known[]> => {
  const folder = stateDir(env)
  return Promise.all(namesIn(folder, await nodeSystem.host()).map(async (file) => {
    const { name, folder: of, pidFile } = named(join(folder, file))
    const runs = await lives(pidFile)
    // Elsewhere the short name is another server's.
    return { name: of === undefined || of === here ? name : basename(file, '.pid'), about: runs ? 'runs' : 'has run', runs }
  }))
}

const nearest = (): Found | undefined => {
  try {
    return locate()
  } catch {
    return undefined
  }
}

/** Those of the config file first. A file may have any name, such as `$(…)`, which a shell would run once it stands in the line. */
export const knownNames = async (env: NodeJS.ProcessEnv): Promise<readonly Known[]> => {
  const found = nearest()
  const ofFile = await configured(found)
  const seen = await recorded(found === undefined ? undefined : realpathSync(found.folder), env).catch(() => [])
  const own = ofFile.map((name) => seen.find((one) => one.name === name) ?? { name, about: 'in the config file', runs: false })
  return [...own, ...seen.filter(({ name }) => NAME.test(name) && !ofFile.includes(name))]
}
