/**
 * A server of a config file that needs others. A client that starts it starts those first, and a client that leases it leases those as
 * well, so none of them ends before the server that needs it. To look at it, or to stop it, concerns no other server.
 */
import { bringUp, type Server } from './bring-up.js'
import { ClientProcessManager, type AcquireOptions, type CallOptions, type OwnTerms } from './client-process-manager.js'
import { unforeseen } from './errors.js'
import type { LeaseToKeep } from './protocol/lease.js'
import type { ServerInfo } from './server-info.js'

export class WithNeeds extends ClientProcessManager {
  readonly #servers: readonly Server[]

  /** @param servers Each after those that it needs; the last one is the server itself. */
  constructor(servers: readonly Server[]) {
    super(servers.at(-1)!.options)
    this.#servers = servers
  }

  override async ensureServerRunning({ signal }: CallOptions = {}): Promise<ServerInfo> {
    const begin = async (_: Server, options: Server['options'], until: AbortSignal) =>
      ({ server: await new ClientProcessManager(options).ensureServerRunning({ signal: until }) })
    return (await this.#up(begin, async () => {}, signal)).at(-1)!.server
  }

  override async startServer({ signal }: CallOptions = {}): Promise<number | undefined> {
    // What it needs is waited for, since its options name where that is; the server itself is not.
    const last = this.#servers.at(-1)!
    let pid: number | undefined
    const begin = async (server: Server, options: Server['options'], until: AbortSignal) => {
      const manager = new ClientProcessManager(options)
      if (server !== last) return { server: await manager.ensureServerRunning({ signal: until }) }
      pid = await manager.startServer({ signal: until })
      return { server: {} as ServerInfo }
    }
    await this.#up(begin, async () => {}, signal)
    return pid
  }

  override async acquire({ signal, ...call }: AcquireOptions & OwnTerms = {}): Promise<LeaseToKeep> {
    const begin = (_: Server, options: Server['options'], until: AbortSignal): Promise<LeaseToKeep> =>
      new ClientProcessManager(options).acquire({ ...call, signal: until }) as Promise<LeaseToKeep>
    const leases = (await this.#up(begin, (lease) => lease.release(), signal)).toReversed()
    // The server first: it may still need the others until it has ended. One that cannot be released must not keep the others.
    const release = async (): Promise<void> => {
      const failed: unknown[] = []
      for (const lease of leases) await lease.release().catch((error: unknown) => failed.push(error))
      if (failed.length > 0) throw failed[0]
    }
    const handOver = async (): Promise<void> => {
      for (const lease of leases) await lease.handOver()
    }
    const { server, pipe } = leases[0]!
    return { server, pipe, release, handOver, [Symbol.asyncDispose]: release }
  }

  async #up<T extends { readonly server: ServerInfo }>(
    begin: (server: Server, options: Server['options'], signal: AbortSignal) => Promise<T>, letGo: (up: T) => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<readonly T[]> {
    try {
      return [...(await bringUp(this.#servers, { begin, letGo }, signal)).values()]
    } catch (error) {
      throw unforeseen(error)
    }
  }
}
