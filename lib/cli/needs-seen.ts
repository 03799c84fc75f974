/**
 * Which servers need which others, as their records tell it. `stop` runs no configuration that is code, and still must end a server
 * before what it needs. A launch that needs others was given their URLs, each in the variable that is named after the other one: so the
 * record of the one shows the names. A server that never ran has no record, and no order that matters.
 */
import { basename, dirname, join } from 'node:path'
import type { Server } from '../bring-up.js'
import { nodeSystem } from '../node-system.js'
import { parseRecord } from '../state/launch-record.js'
import { variableOf } from '../text/fill.js'
import { linesOf, named, namesIn } from './named-servers.js'

/** The variables that a launch was given. */
const variablesOf = (pidFile: string): readonly string[] => {
  const record = parseRecord(linesOf(pidFile)[1] ?? '')
  return typeof record === 'object' ? Object.keys({ ...record.identity.env, ...record.identity.spread }) : []
}

/** The same servers with their needs among these, also through others of their folder, each behind what it needs. */
export const withNeedsSeen = async (servers: readonly Server[]): Promise<readonly Server[]> => {
  const { pidFile = '', configured } = servers.find(({ options }) => options.configured !== undefined)?.options ?? {}
  if (configured === undefined) return servers
  const folder = dirname(pidFile)
  const there = namesIn(folder, await nodeSystem.host()).map((file) => named(join(folder, basename(file))))
    .filter((one) => one.folder === configured.folder)
  const given = new Map(there.map((one) => [one.name, variablesOf(one.pidFile)]))
  const below = (name: string, seen: ReadonlySet<string> = new Set()): ReadonlySet<string> =>
    there.filter((one) => one.name !== name && !seen.has(one.name) && given.get(name)?.includes(variableOf(one.name)))
      .reduce((all, one) => below(one.name, new Set([...all, one.name])), seen)
  return servers.map((server) => {
    const needed = below(server.name!)
    return { ...server, needs: servers.flatMap(({ name }) => (name !== server.name && needed.has(name!) ? [name!] : [])) }
  }).toSorted((one, other) => one.needs.length - other.needs.length)
}
