/**
 * Leases: who uses the server, so that the last one out stops it. A lease lives while the process that
 * its name bears does, and its file is there; a holder that is killed needs to say nothing. So that the
 * server also ends when no client ever comes again, each lease has a watch: a small process that waits
 * for its holder to let go or to die, waits out the idle time, and then ends the launch if nobody else
 * uses it. The watch keeps no promise by itself: where it was killed, too, the next client sets one.
 *
 * Dying right before the lease is written leaves a watch, which ends what nobody uses; right after it,
 * a lease of a dead process, which counts for nothing. Sleeping there leaves a lease that lives, as it
 * should, and whoever ended the launch before it was written is seen by the look that follows.
 */
import { join } from 'node:path'
import { notOurs } from '../errors.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { judge, type ProcessId, type Watchdog } from '../system/system.js'
import { createFile, leasePath, listClaims, type LeaseEntry, type Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { liveLeases, vetoEnding } from './ending-rule.js'
import type { Lease, LeaseStatus, ServerInfo } from '../server-info.js'
import type { Hold } from './pin.js'
import { recordOf } from './survey.js'

type Times = Pick<LaunchRecord, 'idleTimeout' | 'stopTimeout'>

/** Starts a process that ends the launch once this client lets go of it, and writes down who that is. */
const startWatchdog = async (context: Context, launchId: string, id: string, { idleTimeout, stopTimeout }: Times): Promise<Watchdog> => {
  const { system, paths } = context
  const watcher = await system.watchOver({ pidFile: paths.pidFile, folder: paths.host, launchId, lease: id, idleTimeout, stopTimeout })
  try {
    await createFile(context, leasePath(paths, { id, launchId, process: watcher.id, kind: 'watch' }), '')
  } catch (error) {
    watcher.dismiss()
    throw error
  }
  return watcher
}

/** As the launch wrote it down: a client's own option applies only to a launch that it makes itself. */
const timesOf = async (context: Context, id: string): Promise<Times> => {
  const launch = (await listClaims(context.system, context.paths)).launches.find((one) => one.id === id)
  return (launch === undefined ? undefined : await recordOf(context, launch)) ?? context.settings
}

/** Sets a watch over a launch that nobody uses and nobody watches: its clients were killed, and what watched for them, too. */
export const guardIfIdle = async (context: Context, launch: Launch): Promise<void> => {
  const { system, paths } = context
  const { id, pinned } = launch
  if (pinned || (await liveLeases(context, await listClaims(system, paths), id)).length > 0) return
  const record = await recordOf(context, launch)
  // A claim that does not say what it claims may name anybody; whoever asks must not be the one who ends it.
  if (record === undefined) return
  const watcher = await startWatchdog(context, id, await system.randomId(), record)
  watcher.letGo()
}

const isDead = async ({ system }: Context, id: ProcessId): Promise<boolean> => judge(id, await system.look(id.pid)) === 'dead'

interface Held {
  readonly launch: string
  readonly path: string
  /** None over a launch that is pinned: no lease ends it. */
  readonly watcher: Watchdog | undefined
}

/** The hold of `acquire()`. */
class LeaseHold implements Hold {
  #held: Held | undefined

  /** @param command What the holder is, for people. */
  constructor(readonly command: string) {}

  async place(context: Context, launch: Pick<Launch, 'id' | 'pinned'>): Promise<boolean> {
    if (this.#held?.launch !== launch.id) {
      await this.release(context)
      await this.#take(context, launch)
    }
    return vetoEnding(context, launch.id, 'idle')
  }

  async #take(context: Context, { id: launchId, pinned }: Pick<Launch, 'id' | 'pinned'>): Promise<void> {
    const { system, paths } = context
    const id = await system.randomId()
    const watcher = pinned ? undefined : await startWatchdog(context, launchId, id, await timesOf(context, launchId))
    const path = leasePath(paths, { id, launchId, process: system.self, kind: 'lease' })
    this.#held = { launch: launchId, path, watcher }
    const body = JSON.stringify({ format: FORMAT, since: system.today().toISOString(), command: this.command })
    await createFile(context, path, body)
  }

  /** Ends the lease. The server lives on for its idle time, unless others hold it or it is pinned. */
  async release(context: Context): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    const { system, paths } = context
    await system.remove(held.path)
    if (held.watcher === undefined) return
    const launch = (await listClaims(system, paths)).launches.find(({ id }) => id === held.launch)
    if (launch === undefined || launch.pinned) {
      held.watcher.dismiss()
      return
    }
    held.watcher.letGo()
    if (await isDead(context, held.watcher.id)) await guardIfIdle(context, launch)
  }
}

/** The lease of one `acquire()`: taken by whatever ensures the server, and given back if that fails. */
export const acquireLease = async (context: Context, command: string, ensure: (hold: Hold) => Promise<ServerInfo>): Promise<Lease> => {
  const hold = new LeaseHold(command)
  const release = () => hold.release(context)
  try {
    const server = await ensure(hold)
    if (server.adopted) throw notOurs(server.port, server.pid)
    return { server, release, [Symbol.asyncDispose]: release }
  } catch (error) {
    await release()
    throw error
  }
}

/** What the holder of a lease wrote down about itself. */
const describe = async ({ system, paths }: Context, { name, process }: LeaseEntry): Promise<LeaseStatus> => {
  const found = await system.read(join(paths.host, name))
  try {
    const { since, command } = JSON.parse(found.kind === 'file' ? found.text : '') as { since: unknown; command: unknown }
    const at = new Date(String(since))
    return { pid: process.pid, command: typeof command === 'string' ? command : undefined, since: Number.isNaN(at.getTime()) ? undefined : at }
  } catch {
    return { pid: process.pid, command: undefined, since: undefined }
  }
}

/** Who uses a launch, and until when it lives if nobody comes. */
export const leasesOn = async (context: Context, { id, pinned }: Launch, idleTimeout: number): Promise<{ leases: LeaseStatus[]; stopsAt: Date | undefined }> => {
  const { system, paths } = context
  const live = await liveLeases(context, await listClaims(system, paths), id)
  const leases: LeaseStatus[] = []
  for (const hold of live) if (hold.kind === 'lease') leases.push(await describe(context, hold))
  if (pinned || leases.length > 0) return { leases, stopsAt: undefined }
  // A watch touches its file when its holder has let go.
  let last: number | undefined
  for (const { name } of live) {
    const found = await system.read(join(paths.host, name))
    if (found.kind === 'file') last = Math.max(last ?? 0, found.modified)
  }
  return { leases, stopsAt: last === undefined ? undefined : new Date(last + idleTimeout) }
}
