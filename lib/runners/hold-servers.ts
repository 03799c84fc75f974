/**
 * A test run is one client: it takes a lease on each of its servers before the first test, and releases them after the last. The leases
 * are in the name of the runner's main process, so a runner that is killed releases them too, and no teardown need run.
 *
 * A runner shows the message of an error and not its hint, so the message has both.
 */
import { resolve } from 'node:path'
import { bringUp, factsOf, restated, variablesOf, type Server } from '../bring-up.js'
import { ClientProcessManager } from '../client-process-manager.js'
import { unforeseen } from '../errors.js'
import type { Lease } from '../server-info.js'
import type { Asked } from './asked.js'

/** Where the servers of a test run are. */
export interface TestServers {
  /** Of the first one that was asked for. */
  readonly url: string
  readonly port: number
  readonly host: string
  /** Of each one, by its name, also of those that it needs. */
  readonly urls: Readonly<Record<string, string>>
}

export interface ServersInUse {
  readonly servers: TestServers
  /** The same as `one-server run` tells its command. */
  readonly variables: Readonly<Record<string, string>>
  release(): Promise<void>
}

const serversOf = async ({ names, options, from }: Asked, root: string): Promise<readonly Server[]> => {
  const { patiently, serversNamed } = await import('../config/servers-for.js')
  if (names.length === 0) return [{ name: undefined, options: patiently(options), needs: [] }]
  return serversNamed(names, options, resolve(root, from ?? '.'))
}

/** `root`: where the runner's own configuration is. */
export const holdServers = async (asked: Asked, root: string): Promise<ServersInUse> => {
  try {
    const up = await bringUp(await serversOf(asked, root), {
      begin: (_, options, signal): Promise<Lease> => new ClientProcessManager(options).acquire({ signal }),
      letGo: (lease) => lease.release(),
    })
    const { url, port, host } = factsOf(up.get(asked.names[0])!.server) as { url: string; port: string; host: string }
    const urls = [...up].flatMap(([name, { server }]) => (name === undefined ? [] : [[name, server.url] as const]))
    return {
      servers: { url, port: Number(port), host, urls: Object.fromEntries(urls) },
      variables: { ONE_SERVER_URL: url, ONE_SERVER_PORT: port, ONE_SERVER_HOST: host, ...variablesOf(up) },
      release: async () => {
        // A server may still need others while it ends, so they are let go after it.
        for (const lease of [...up.values()].toReversed()) {
          // The result of the tests must not change by it, and the lease ends with this process in any case.
          await lease.release().catch(() => {})
        }
      },
    }
  } catch (error) {
    const known = unforeseen(error)
    throw restated(known, `${known.message}\n  hint: ${known.hint}`)
  }
}
