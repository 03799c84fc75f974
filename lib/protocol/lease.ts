/**
 * Leases: who uses the server, so that the last one out stops it. A lease is a file named after its holder; it lives
 * while that process does and the file is there, so a holder that is killed need not say anything.
 *
 * A server must end also when no client ever comes again. So each lease has a watchdog: a small process that waits until
 * its holder releases or dies, waits out the idle time, and then ends the launch if nobody else uses it. A watchdog
 * keeps no promise by itself: where it was killed as well, the next client starts one.
 *
 * A client that dies right before it writes its lease leaves a watchdog, which ends an unused launch. A client that dies
 * right after leaves the lease of a dead process, which counts for nothing. A client that sleeps there and wakes finds
 * by the look that follows whether its launch was ended meanwhile.
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { notOurs, unforeseen } from '../errors.js'
import type { Lease, LeaseStatus, ServerInfo } from '../server-info.js'
import { recordOf } from '../state/claim.js'
import { createFile, findLaunch, leasePath, listClaims, type Launch, type LeaseEntry } from '../state/directory.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { judge, type Watchdog } from '../system/system.js'
import { isLeased, liveLeases } from './ending-rule.js'
import type { Hold } from './pin.js'
import { launchInUse } from './veto.js'

/** The lease of one `acquire()`: placed while `ensure` runs, and released when `ensure` fails. */
export const acquireLease = async (context: Context, command: string, ensure: (hold: Hold) => Promise<ServerInfo>): Promise<Lease> => {
  const hold = new LeaseHold(command)
  const release = async () => {
    try {
      await hold.release(context)
    } catch (error) {
      throw unforeseen(error)
    }
  }
  try {
    const server = await ensure(hold)
    if (server.adopted) throw notOurs(server.port, server.pid)
    return { server, release, [Symbol.asyncDispose]: release }
  } catch (error) {
    await release()
    throw error
  }
}

interface Held {
  readonly launch: Pick<Launch, 'id' | 'leader' | 'pinned'>
  readonly path: string
  /** None over a pinned launch: no lease ends it. */
  readonly watchdog: Watchdog | undefined
}

class LeaseHold implements Hold {
  #held: Held | undefined

  /** @param command What the holder runs, for people. */
  constructor(readonly command: string) {}

  async place(context: Context, launch: Held['launch']): Promise<boolean> {
    if (this.#held?.launch.id !== launch.id) {
      await this.release(context)
      await this.#take(context, launch)
    }
    const used = await launchInUse(context, launch.id, 'idle')
    // A client that pins a launch ends its watchdogs, and this one may have been started since.
    if (used?.pinned) this.#held?.watchdog?.dismiss()
    return used !== undefined
  }

  async #take(context: Context, launch: Held['launch']): Promise<void> {
    const { system, paths } = context
    const id = await system.randomId()
    const watchdog = launch.pinned ? undefined : await startWatchdog(context, launch, id, await timesOf(context, launch.id))
    const path = leasePath(paths, { id, launchId: launch.id, process: await system.self(), kind: 'lease' })
    this.#held = { launch, path, watchdog }
    await createFile(context, path, JSON.stringify({ format: FORMAT, since: system.today().toISOString(), command: this.command }))
  }

  /** Ends the lease. The server lives on for its idle time, or longer where others hold it or it is pinned. */
  async release(context: Context): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    const { system } = context
    let launch: Launch | undefined
    try {
      await system.remove(held.path)
      if (held.watchdog === undefined) return
      launch = await findLaunch(context, held.launch.id)
    } finally {
      // Where no claim is there, or none can be seen, the launch may live all the same: the watchdog looks for its processes.
      if (launch?.pinned) held.watchdog?.dismiss()
      else held.watchdog?.letGo()
    }
    const { id } = held.watchdog
    if (launch?.pinned === false && judge(id, await system.look(id.pid)) === 'dead') await guardIfIdle(context, launch)
  }
}

type Times = Pick<LaunchRecord, 'idleTimeout' | 'stopTimeout'>

/** As the launch wrote them down: a client's own options apply only to a launch that it makes itself. */
const timesOf = async (context: Context, id: string): Promise<Times> => {
  const launch = await findLaunch(context, id)
  return (launch === undefined ? undefined : await recordOf(context, launch)) ?? context.settings
}

/** Starts a process that ends the launch once this client lets go of it, and writes the name of that process down. */
const startWatchdog = async (
  context: Context, { id: launchId, leader }: Held['launch'], lease: string, { idleTimeout, stopTimeout }: Times,
): Promise<Watchdog> => {
  const { system, paths: { pidFile, host: folder } } = context
  const watchdog = await system.watchOver({ pidFile, folder, launchId, leader, lease, idleTimeout, stopTimeout })
  try {
    await createFile(context, leasePath(context.paths, { id: lease, launchId, process: watchdog.id, kind: 'watch' }), '')
  } catch (error) {
    watchdog.dismiss()
    throw error
  }
  return watchdog
}

/** Starts a watchdog over a launch that has neither users nor a watchdog: all of them were killed. */
export const guardIfIdle = async (context: Context, launch: Launch): Promise<void> => {
  const { id, pinned } = launch
  if (pinned || (await isLeased(context, await listClaims(context), id))) return
  const record = await recordOf(context, launch)
  // A damaged claim may name any process, so a client that only asks must not bring about its end.
  if (record === undefined) return
  const watchdog = await startWatchdog(context, launch, await context.system.randomId(), record)
  watchdog.letGo()
}

/** Who uses a launch, and when it stops if no client comes. */
export const leasesOn = async (
  context: Context, { id, pinned }: Launch, idleTimeout: number,
): Promise<{ leases: LeaseStatus[]; stopsAt: Date | undefined }> => {
  const { system, paths } = context
  const live = await liveLeases(context, await listClaims(context), id)
  const leases: LeaseStatus[] = []
  for (const lease of live) if (lease.kind === 'lease') leases.push(await describeLease(context, lease))
  if (pinned || leases.length > 0) return { leases, stopsAt: undefined }
  // A watchdog touches its file when its holder has let go.
  let last: number | undefined
  for (const { name } of live) {
    const found = await system.read(join(paths.host, name))
    if (found.kind === 'file') last = Math.max(last ?? 0, found.modified)
  }
  return { leases, stopsAt: last === undefined ? undefined : new Date(last + idleTimeout) }
}

const describeLease = async ({ system, paths }: Context, { name, process: { pid } }: LeaseEntry): Promise<LeaseStatus> => {
  const found = await system.read(join(paths.host, name))
  try {
    const { since, command } = JSON.parse(found.kind === 'file' ? found.text : '') as { since: unknown; command: unknown }
    const at = new Date(String(since))
    return { pid, command: typeof command === 'string' ? command : undefined, since: Number.isNaN(at.getTime()) ? undefined : at }
  } catch {
    return { pid, command: undefined, since: undefined }
  }
}
