/** Servers by name, for programs. What reads a config file is loaded by the call. */
import { ClientProcessManager } from './client-process-manager.js'
import type { ClientProcessManagerOptions } from './options.js'

/** Options of {@link fromConfig}: those of the server come before what the file says. */
export interface FromConfigOptions extends Omit<ClientProcessManagerOptions, 'name'> {
  /** The folder from which the file is looked for, upwards. @default the working directory */
  from?: string
}

/**
 * The server of this name in the nearest `one-server.config.json`, or below the key `one-server` of the nearest
 * `package.json`, from `from` upwards. The same name in two checkouts is two servers.
 *
 * It is a promise, since the parser of the file is loaded only now: whoever does without a file does not pay for it.
 *
 * @throws OneServerError `INVALID_OPTION`: there is no file, no such server in it, or it has a mistake, which is told with
 * file, line and key. `STATE_UNUSABLE`: it cannot be read, or belongs to another user.
 */
export const fromConfig = async (name: string, { from, ...options }: FromConfigOptions = {}): Promise<ClientProcessManager> => {
  const { configured } = await import('./config/configured.js')
  return new ClientProcessManager(configured(name, options, from))
}
