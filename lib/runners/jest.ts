/**
 * For Jest: a part of its configuration, to be spread into it. Jest's workers inherit the environment as the global setup leaves it, so
 * a test finds the URL by `serverUrl()`, or in `ONE_SERVER_URL`. This module is also the file that Jest runs as the global setup.
 *
 * In watch mode Jest runs setup and teardown around each run. A teardown that released there would end the server of a person who thinks
 * for longer than the idle time, and the next run would wait for it again; so the lease stays until the next run has its own, or until
 * the process ends.
 */
import { join } from 'node:path'
import { libraryFolder } from '../this-copy.js'
import { asking, askedBefore, inProcess, keep, type Asked, type TestRunOptions, type TestServerOptions, type Which } from './asked.js'
import { lend } from './environment.js'

export type { TestRunOptions, TestServerOptions } from './asked.js'
export { serverUrl } from './environment.js'

/** What {@link oneServer} adds to a configuration. */
export interface JestPart {
  globalSetup: string
  globalTeardown: string
}

/** What Jest gives to a global setup and teardown, as far as it counts here. */
export interface JestGlobalConfig {
  readonly watch?: boolean
  readonly watchAll?: boolean
}

export interface JestProjectConfig {
  readonly rootDir?: string
}

export type JestSetup = (globalConfig?: JestGlobalConfig, projectConfig?: JestProjectConfig) => Promise<void>

const setUp = async (asked: Asked, { rootDir = '.' }: JestProjectConfig = {}): Promise<void> => {
  const { holdServers } = await import('./hold-servers.js')
  const { variables, release } = await holdServers(asked, rootDir)
  const { held } = inProcess()
  await held.get(asked)?.end()
  const takeBack = lend(variables)
  held.set(asked, {
    end: async () => {
      takeBack()
      await release()
    },
  })
}

/**
 * The part of a configuration by which a test run uses a server: `{ ...oneServer('web'), … }`. The first run starts
 * it, all runs share it, and it stops `idleTimeout` (30 s) after the last one has ended.
 *
 * @param name Of a server in the config file, or of any other whose options have a `command`. With several names `serverUrl()` is the
 * first one's, and `serverUrl(name)` tells each.
 * @param options Come before what the file says; `env` and `healthHeaders` are added to it. With several names only times may be given.
 * @throws OneServerError `INVALID_OPTION`
 */
export function oneServer(name: string | readonly string[], options?: TestRunOptions): JestPart
export function oneServer(server: TestServerOptions): JestPart
export function oneServer(which: Which, options?: TestRunOptions): JestPart {
  keep(asking(which, options))
  return { globalSetup: join(libraryFolder, 'jest.cjs'), globalTeardown: join(libraryFolder, 'jest-teardown.cjs') }
}

/** The same as functions, for files of your own: `module.exports = globalSetup('web')`, and `module.exports = globalTeardown`. */
export function globalSetup(name: string | readonly string[], options?: TestRunOptions): JestSetup
export function globalSetup(server: TestServerOptions): JestSetup
export function globalSetup(which: Which, options?: TestRunOptions): JestSetup {
  const asked = asking(which, options)
  return (_, projectConfig) => setUp(asked, projectConfig)
}

/** Releases what the setups of this process hold. In watch mode it does nothing: the next run goes on with it. */
export const globalTeardown = async ({ watch, watchAll }: JestGlobalConfig = {}): Promise<void> => {
  if (watch === true || watchAll === true) return
  const here = inProcess()
  const { held } = here
  here.isOver = true
  const all = [...held.values()]
  held.clear()
  for (const one of all.toReversed()) await one.end()
}

const setup: JestSetup = async (_, projectConfig) =>
  setUp(askedBefore(inProcess().asked, 'Name it there: { ...oneServer(name), … }.'), projectConfig)

/** @internal The runner alone takes it, by the name of the file. */
export default setup
