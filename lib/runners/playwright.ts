/**
 * For Playwright: a part of its configuration, which `defineConfig` merges with the rest. Playwright reads the configuration again in each
 * worker, after the global setup, and there `use.baseURL` finds the URL in the environment. So `page.goto('/')` and `request.get('/')`
 * need nothing else. This module is also the file that Playwright runs as the global setup.
 */
import { dirname, join } from 'node:path'
import { libraryFolder } from '../this-copy.js'
import { asking, askedBefore, inProcess, keep, type Asked, type TestRunOptions, type TestServerOptions, type Which } from './asked.js'
import { lend } from './environment.js'

export type { TestRunOptions, TestServerOptions } from './asked.js'
export { serverUrl } from './environment.js'

/** What {@link oneServer} adds to a configuration. */
export interface PlaywrightPart {
  /** Where the configuration has global setups of its own, name this one first: `globalSetup: [part.globalSetup, './mine']`. */
  globalSetup: string
  use: { baseURL?: string }
}

/** What a global setup is given, as far as it counts here. */
export interface PlaywrightConfig {
  readonly configFile?: string
}

export type PlaywrightSetup = (config?: PlaywrightConfig) => Promise<() => Promise<void>>

const setUp = async (asked: Asked, config: PlaywrightConfig | undefined): Promise<() => Promise<void>> => {
  const { holdServers } = await import('./hold-servers.js')
  const { variables, release } = await holdServers(asked, config?.configFile ? dirname(config.configFile) : '.')
  const takeBack = lend(variables)
  return async () => {
    takeBack()
    inProcess().isOver = true
    await release()
  }
}

/**
 * The part of a configuration by which a test run uses a server: `defineConfig(oneServer('web'), { … })`. The first run starts
 * it, all runs share it, and it stops `idleTimeout` (30 s) after the last one has ended.
 *
 * @param name Of a server in the config file, or of any other whose options have a `command`. With several names `use.baseURL` is the
 * first one's, and `serverUrl(name)` tells each.
 * @param options Come before what the file says; `env` and `healthHeaders` are added to it. With several names only times may be given.
 * @throws OneServerError `INVALID_OPTION`
 */
export function oneServer(name: string | readonly string[], options?: TestRunOptions): PlaywrightPart
export function oneServer(server: TestServerOptions): PlaywrightPart
export function oneServer(which: Which, options?: TestRunOptions): PlaywrightPart {
  keep(asking(which, options))
  const baseURL = process.env['ONE_SERVER_URL']
  return { globalSetup: join(libraryFolder, 'playwright.cjs'), use: baseURL ? { baseURL } : {} }
}

/** The same as a function, for a file of your own: `export default globalSetup('web')`, with `baseURL: process.env.ONE_SERVER_URL`. */
export function globalSetup(name: string | readonly string[], options?: TestRunOptions): PlaywrightSetup
export function globalSetup(server: TestServerOptions): PlaywrightSetup
export function globalSetup(which: Which, options?: TestRunOptions): PlaywrightSetup {
  const asked = asking(which, options)
  return (config) => setUp(asked, config)
}

const setup: PlaywrightSetup = async (config) =>
  setUp(askedBefore(inProcess().asked, 'Name it there: defineConfig(oneServer(name), { … }).'), config)

/** @internal The runner alone takes it, by the name of the file. */
export default setup
