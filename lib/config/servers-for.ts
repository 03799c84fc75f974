/**
 * The server of a name in the nearest config file, and before it all that it needs. The library and the command line ask here, so that
 * both start the same servers in the same order.
 */
export { loaded } from './load-code.js'
export { placeOf, serversOf } from './configured.js'
export { timesIn } from '../options/for-all.js'

import { invalidCombination } from '../errors.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { holdsForAll, timesIn } from '../options/for-all.js'
import type { OptionName } from '../options/table.js'
import { configured, optionsOf, serversOf, type ConfiguredOptions } from './configured.js'
import { loaded } from './load-code.js'
import { locate, type Found } from './locate.js'
import { inOrder, needsAmong, needsOf, outliving } from './needs.js'
import { override } from './override.js'

/** A server of a file, with the names that it needs. */
export interface Needing {
  readonly name: string
  readonly options: ConfiguredOptions
  readonly needs: readonly string[]
}

/** Those of these names, and all that they need, each after what it needs. `given`: the caller's options for a server. */
export const needing = (
  found: Found, names: readonly string[], given: (name: string) => ClientProcessManagerOptions, times: ClientProcessManagerOptions,
): readonly Needing[] => {
  const servers = serversOf(found)
  return outliving(inOrder(servers, names).map((name) => ({
    name, needs: needsOf(servers, name), options: override(optionsOf(found, name, servers), names.includes(name) ? given(name) : times),
  })))
}

/** Those of these names, for a command that starts nothing. */
export const asked = (
  found: Found, names: readonly string[], given: (name: string) => ClientProcessManagerOptions,
): readonly Needing[] => {
  const servers = serversOf(found)
  const all = names.map((name) => ({
    name, needs: needsAmong(servers, name, names), options: override(optionsOf(found, name, servers, false), given(name)),
  }))
  // What needs more of the others stands behind them, so that each stands behind what it needs.
  return all.toSorted((one, other) => one.needs.length - other.needs.length)
}

/** For the library: the last one is the server of this name. */
export const serversFor = async (name: string, options: ClientProcessManagerOptions, from?: string): Promise<readonly Needing[]> => {
  const found = locate(from)
  const file = found && (await loaded(found))
  // Refuses a file without this name.
  const own = configured(name, options, from, file)
  if (file === undefined) throw invalidCombination('there is no config file', 'Write one.')
  const servers = needing(file, [name], () => options, timesIn(options))
  return [...servers.slice(0, -1), { ...servers.at(-1)!, options: own }]
}

/** A test run has time: it waits as long as `one-server run` does where neither its options nor the file say otherwise. */
export const patiently = <Options extends ClientProcessManagerOptions>(options: Options): Options =>
  override({ startupTimeout: '60s' } as Options, options)

/**
 * For test runs, which read a name as the command line does: options come before the nearest config file that has it, and a name that no
 * file has needs a way to start its server.
 */
export const serversNamed = async (
  names: readonly string[], options: ClientProcessManagerOptions, from: string,
): Promise<readonly Needing[]> => {
  const other = names.length > 1 ? Object.keys(options).find((name) => !holdsForAll(name as OptionName)) : undefined
  if (other !== undefined) {
    const hint = 'Say it in the config file; with several names only times may be given.'
    throw invalidCombination(`${other} stands beside ${names.length} names`, hint)
  }
  const found = locate(from)
  const file = found && (await loaded(found))
  const known = file === undefined ? new Map() : serversOf(file)
  const others = names.filter((name) => !known.has(name))
  if (options.command === undefined && options.serverScript === undefined) {
    // Refuses it.
    for (const name of others) configured(name, options, from, file)
  }
  const own = file === undefined ? [] : needing(file, names.filter((name) => known.has(name)), () => options, timesIn(options))
  return [...own, ...others.map((name) => ({ name, options: { ...options, name }, needs: [] }))]
    .map((server) => ({ ...server, options: patiently(server.options) }))
}
