/**
 * For Vitest: a plugin of its configuration, or a function for a global setup file. Vitest gives its workers an environment of its own
 * (`BASE_URL` is `/` there), and a browser has none; what reaches every test is what a global setup provides. So a test says
 * `inject('oneServer').url`. This module is also the file that Vitest runs as the global setup.
 *
 * In watch mode the global setup runs once. A lease is on one launch, so before each rerun the run takes another one and then releases
 * the first: a server that was restarted, or has died, is found or started, and is never between two leases.
 */
import { join } from 'node:path'
import { libraryFolder } from '../this-copy.js'
import type { TestServers } from './hold-servers.js'
import { asking, askedBefore, inProcess, type Asked, type TestRunOptions, type TestServerOptions, type Which } from './asked.js'

export type { TestRunOptions, TestServerOptions } from './asked.js'
export type { TestServers } from './hold-servers.js'

/** A project of Vitest, as far as it counts here. */
export interface VitestProject {
  // Vitest's own type knows the keys of ProvidedContext alone.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly provide: (key: any, value: any) => void
  readonly getProvidedContext?: () => object
  readonly onTestsRerun?: (rerun: () => Promise<void>) => void
  readonly config?: { readonly root?: string }
}

export type VitestSetup = (project: VitestProject) => Promise<() => Promise<void>>

export interface VitestPlugin {
  readonly name: string
  /** `before`: the configuration so far, also what a project has from its root. */
  config(before?: object): object
}

/** By this key the configuration tells the global setup which plugins it has: a project has those of its root, and its own after them. */
const PLUGIN = 'one-server:plugin'

interface Before {
  readonly test?: { readonly provide?: { readonly [PLUGIN]?: string }; readonly globalSetup?: string | readonly string[] }
}

/** Of several plugins the last one is the default, and no server is lost. */
const setUp = async (all: readonly Asked[], project: VitestProject): Promise<() => Promise<void>> => {
  const { holdServers } = await import('./hold-servers.js')
  const hold = async () => {
    const root = project.config?.root ?? '.'
    const ended = await Promise.allSettled(all.map((asked) => holdServers(asked, root)))
    const uses = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const release = async (): Promise<void> => { for (const use of uses) await use.release() }
    const failed = ended.find((one) => one.status === 'rejected')
    if (failed !== undefined) {
      await release()
      throw failed.reason
    }
    const urls = Object.assign({}, ...uses.map(({ servers }) => servers.urls)) as TestServers['urls']
    project.provide('oneServer', { ...uses.at(-1)!.servers, urls })
    return { release }
  }
  let inUse = await hold()
  project.onTestsRerun?.(async () => {
    const before = inUse
    inUse = await hold()
    await before.release()
  })
  return () => inUse.release()
}

/**
 * The plugin by which a test run uses a server: `plugins: [oneServer('web')]`. The first run starts it, all runs share it, and it stops
 * `idleTimeout` (30 s) after the last one has ended.
 *
 * @param name Of a server in the config file, or of any other whose options have a `command`. With several names
 * `inject('oneServer').url` is the first one's, and `urls` has each.
 * @param options Come before what the file says; `env` and `healthHeaders` are added to it. With several names only times may be given.
 * @throws OneServerError `INVALID_OPTION`
 */
export function oneServer(name: string | readonly string[], options?: TestRunOptions): VitestPlugin
export function oneServer(server: TestServerOptions): VitestPlugin
export function oneServer(which: Which, options?: TestRunOptions): VitestPlugin {
  const asked = asking(which, options)
  const { all } = inProcess()
  const id = String(all.size)
  all.set(id, asked)
  const file = join(libraryFolder, 'vitest.js')
  const config = ({ test = {} }: Before = {}): object => {
    const { provide: { [PLUGIN]: before } = {}, globalSetup = [] } = test
    const ids = [...new Set([...(before?.split(' ') ?? []), id])].join(' ')
    // The lists of several plugins are joined, and the file must run once.
    return { test: { globalSetup: [globalSetup].flat().includes(file) ? [] : [file], provide: { [PLUGIN]: ids } } }
  }
  return { name: 'one-server', config }
}

/** The same as a function, for a global setup file of your own: `export default globalSetup('web')`. */
export function globalSetup(name: string | readonly string[], options?: TestRunOptions): VitestSetup
export function globalSetup(server: TestServerOptions): VitestSetup
export function globalSetup(which: Which, options?: TestRunOptions): VitestSetup {
  const asked = asking(which, options)
  return (project) => setUp([asked], project)
}

const setup: VitestSetup = async (project) => {
  const { [PLUGIN]: ids = '' } = (project.getProvidedContext?.() ?? {}) as { [PLUGIN]?: string }
  const how = 'Name it there: plugins: [oneServer(name)].'
  return setUp(ids.split(' ').map((id) => askedBefore(inProcess().all.get(id), how)), project)
}

/** @internal The runner alone takes it, by the name of the file. */
export default setup
