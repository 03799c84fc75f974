/** Servers by name from a config file, for programs. Most clients have no config file, so its reader is loaded only by the call. */
import { ClientProcessManager } from './client-process-manager.js'
import { unforeseen } from './errors.js'
import type { ClientProcessManagerOptions } from './options/options.js'

/** Options of {@link fromConfig}. An option of the server comes before what the file says. */
export interface FromConfigOptions extends Omit<ClientProcessManagerOptions, 'name'> {
  /** The folder in which the search for the file begins; it goes on in each parent folder. @default the working directory */
  from?: string
}

/**
 * The server of this name in the nearest `one-server.config.json` (or `.ts`, `.mjs`, `.js`, which is code, and is run), or below the key
 * `one-server` of the nearest `package.json`, from `from` upwards. The same name in two checkouts stands for two servers. What the
 * server needs by the file is started, and leased, before it.
 *
 * @returns A promise, since the parser of the file is loaded by the first call.
 * @throws OneServerError `INVALID_OPTION`: there is no file, it has no such server, or it has a mistake; the message names
 * file, line and key. `STATE_UNUSABLE`: the file cannot be read, or belongs to another user.
 */
export const fromConfig = async (name: string, { from, ...options }: FromConfigOptions = {}): Promise<ClientProcessManager> => {
  try {
    const { serversFor } = await import('./config/servers-for.js')
    const servers = await serversFor(name, options, from)
    const own = servers.at(-1)!
    return servers.length === 1 ? new ClientProcessManager(own.options) : new (await import('./with-needs.js')).WithNeeds(servers)
  } catch (error) {
    throw unforeseen(error)
  }
}
