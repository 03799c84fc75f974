/** The types of a configuration that is code, so that an editor completes it and a compiler checks it before anything is started. */
import type { ClientProcessManagerOptions } from './options/options.js'

type Otherwise = 'name' | 'pidFile' | 'healthPath' | 'healthUrl' | 'env' | 'onEvent'

/** One server of a config file: the options, of which `health` stands for `healthPath` and `healthUrl`. */
export interface ServerConfig extends Omit<ClientProcessManagerOptions, Otherwise> {
  /** The health check: a path, or a whole URL with `{port}` filled in. @default '/api/health' */
  health?: string
  /** Environment variables for the server, merged over what it inherits. `{port}` and `{host}` are filled in; `null` removes one. */
  env?: Readonly<Record<string, string | null | undefined>>
  /** The names of servers of this file that must be ready before it. */
  needs?: readonly string[]
}

/** What a config file holds. */
export interface OneServerConfig {
  /** The servers by their names. */
  servers: Readonly<Record<string, ServerConfig>>
}

/** Returns what it is given: `export default defineConfig({ servers: { … } })` in a one-server.config.ts has its keys checked. */
export function defineConfig(config: OneServerConfig): OneServerConfig
export function defineConfig(config: Promise<OneServerConfig>): Promise<OneServerConfig>
export function defineConfig(config: unknown): unknown {
  return config
}
