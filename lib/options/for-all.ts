/**
 * Which options of a call hold for several servers. Times hold for each server that a call starts, and so does what is about this host
 * among others; any other option is about the one server that was asked for. The command line and the library ask here, so that both take
 * the same beside several names, and hand the same on to what a server needs.
 */
import type { ClientProcessManagerOptions } from './options.js'
import { RULES, type OptionName } from './table.js'

const OF_THIS_HOST: readonly OptionName[] = ['coordinator', 'advertise', 'listen', 'mayHost']

export const holdsForAll = (name: OptionName): boolean => RULES[name].kind === 'duration' || OF_THIS_HOST.includes(name)

export const timesIn = (options: ClientProcessManagerOptions): ClientProcessManagerOptions =>
  Object.fromEntries(Object.entries(options).filter(([name]) => holdsForAll(name as OptionName)))
