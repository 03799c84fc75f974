/**
 * Leases: who uses the server, so that the last one out stops it. A lease is a file named after its holder; it lives
 * while that process does and the file is there, so a holder that is killed need not say anything.
 *
 * A server must end also when no client ever comes again. So each holder has a watchdog: a small process that waits
 * until its holder releases or dies, waits out the idle time, and then ends the launch if nobody else uses it. A watchdog
 * keeps no promise by itself: where it was killed as well, the next client starts one.
 *
 * A lease may be in the name of another process, or of what this process is about to become. Until such a lease is handed over, its
 * watchdog waits for the client that takes it, so a client that dies before leaves nothing that lasts; a client that dies right after
 * leaves what it was asked for. A client that sleeps there keeps the server as long as it sleeps.
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
import { leasePath, listClaims, pipePath, replaceFile, type Launch, type LeaseEntry } from '../state/directory.js'
import { FORMAT } from '../state/launch-record.js'
import { lookUp } from '../state/one-launch.js'
import { createNamed } from '../state/outcome.js'
import { judge, type ProcessId, type Watchdog } from '../system/system.js'
import { clientsOf, isLeased, leasesInUse, liveLeases } from './ending-rule.js'
import { assertAlive, assertOutside, holderOf, type Holder } from './holder.js'
import type { Hold } from './pin.js'
import { removeIntentions } from './veto.js'
import { shareWatchdog, startWatchdog } from './watchdogs.js'

/** What a caller may say of a lease besides. */
export interface LeaseTerms {
  /** The process in whose name it is. Without it, this one. */
  readonly pid?: number | undefined
  /** What the holder runs, for people. */
  readonly command?: string | undefined
  /** Another process will be its holder, or what this process becomes: then it has a watchdog of its own. */
  readonly handsOver?: boolean
  /** Nobody will release it, so one lease in the name of a process is as good as two. */
  readonly kept?: boolean
}

/** A lease that its holder may keep across execve(2). */
export interface LeaseToKeep extends Lease {
  /** Makes what this process is about to become the holder. */
  handOver(): Promise<void>
  /** Where a FIFO spares the watchdog its looks. Undefined over a pinned launch: no watchdog looks. */
  readonly pipe: string | undefined
}

/** The lease of one `acquire()`: placed while `ensure` runs, and released when `ensure` fails. */
export const acquireLease = async (
  context: Context, { pid, command, handsOver = false, kept = false }: LeaseTerms, ensure: (hold: Hold) => Promise<ServerInfo>,
): Promise<LeaseToKeep> => {
  const holder = await holderOf(context, pid ?? (await context.system.self()).pid)
  const hold = new LeaseHold(holder, holder.command ?? command ?? process.argv.slice(1).join(' '), handsOver, kept)
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      throw unforeseen(error)
    }
  }
  const release = () => attempt(() => hold.release(context))
  const handOver = () => attempt(() => hold.handOver(context))
  try {
    const server = await ensure(hold)
    if (server.adopted) throw notOurs(server.port, server.pid)
    if (holder.command !== undefined) await hold.handOver(context)
    return { server, release, [Symbol.asyncDispose]: release, handOver, get pipe() { return hold.pipeIn(context) } }
  } catch (error) {
    await release()
    throw error
  }
}

interface Held {
  readonly launch: Pick<Launch, 'id' | 'leader' | 'pinned'>
  readonly lease: string
  readonly path: string
  /** None over a pinned launch: no lease ends it. */
  readonly watchdog: Watchdog | undefined
  /** The watchdog waits for its holder, and for this client no more. */
  readonly handedOver?: true
}

class LeaseHold implements Hold {
  #held: Held | undefined

  /** @param command What the holder runs, for people. */
  constructor(readonly holder: Holder, readonly command: string, readonly handsOver: boolean, readonly kept: boolean) {}

  async place(context: Context, launch: Held['launch']): Promise<boolean> {
    if (this.#held?.launch.id !== launch.id) {
      await this.release(context)
      await this.#take(context, launch)
    }
    await removeIntentions(context, launch.id, 'idle')
    const now = await lookUp(context, launch)
    // A client that pins a launch ends its watchdogs, and this one may have been started since.
    if (now?.pinned) this.#held?.watchdog?.dismiss()
    return now?.ended === false
  }

  async #take(context: Context, launch: Held['launch']): Promise<void> {
    const { system, paths } = context
    const { process, command } = this.holder
    if (command !== undefined) await assertOutside(context, process, launch.leader, launch.id)
    const isShared = command === undefined && !this.handsOver
    const { lease, watchdog } = launch.pinned ? { lease: await system.randomId(), watchdog: undefined }
      : await (isShared ? shareWatchdog : startWatchdog)(context, launch)
    const path = leasePath(paths, { id: lease, launchId: launch.id, process, kind: 'lease' })
    this.#held = { launch, lease, path, watchdog }
    await createNamed(context, path, this.#body(context))
  }

  #body({ system }: Context, more: { kept?: true } = {}): string {
    return JSON.stringify({ format: FORMAT, since: system.today().toISOString(), command: this.command, ...more })
  }

  /** Where the command that this process becomes may hold a pipe to the watchdog. */
  pipeIn({ paths }: Context): string | undefined {
    return this.#held?.watchdog === undefined ? undefined : pipePath(paths, this.#held.launch.id, this.#held.lease)
  }

  /**
   * From here on the lease ends with its holder alone. A lease that nobody releases may be there already: then this one ends. Where no
   * watchdog is needed, nobody removes the leases of holders that have ended, so each that comes removes those of before.
   */
  async handOver(context: Context): Promise<void> {
    const held = this.#held
    const { process } = this.holder
    if (held === undefined || held.handedOver) return
    const { launch: { id: launchId }, watchdog } = held
    await assertAlive(context, process)
    if (this.kept && (await isKeptBefore(context, launchId, held.lease, process))) return this.release(context)
    const isPinned = async () => (await lookUp(context, held.launch))?.pinned === true
    if (watchdog === undefined || (await isPinned())) watchdog?.dismiss()
    else await this.#handTo(context, process, held, watchdog)
    if (this.kept) await replaceFile(context, held.path, this.#body(context, { kept: true }))
    if (!(await isPinned())) return
    if (watchdog !== undefined) await context.system.endWatchdog(watchdog.id, launchId)
    await sweepEnded(context, launchId, held.lease)
  }

  /** A watchdog that was killed reads nothing, so another one takes its place. */
  async #handTo(context: Context, process: ProcessId, held: Held, watchdog: Watchdog): Promise<void> {
    const { launch, lease } = held
    for (let one = watchdog, first = true; ; first = false) {
      this.#held = { ...held, watchdog: one, handedOver: true }
      await one.handOver(process)
      if (!first || judge(one.id, await context.system.look(one.id.pid)) !== 'dead') return
      one = (await startWatchdog(context, launch, lease)).watchdog
    }
  }

  /** Ends the lease. The server lives on for its idle time, or longer where others hold it or it is pinned. */
  async release(context: Context): Promise<void> {
    const held = this.#held
    this.#held = undefined
    if (held === undefined) return
    if (held.handedOver) return takeBack(context, held)
    const { system } = context
    let launch: Pick<Launch, 'pinned'> | undefined
    try {
      await system.remove(held.path)
      if (held.watchdog === undefined) return
      launch = await lookUp(context, held.launch)
    } finally {
      // Where no claim is there, or none can be seen, the launch may live all the same: the watchdog looks for its processes.
      if (launch?.pinned) held.watchdog?.dismiss()
      else held.watchdog?.letGo()
    }
    const { id } = held.watchdog
    if (launch?.pinned !== false || judge(id, await system.look(id.pid)) !== 'dead') return
    await guardIfIdle(context, { ...held.launch, ...launch })
  }
}

/**
 * Ends a lease that was handed over. Its watchdog reads nothing any more, so it is ended, and another one waits out the idle time. That
 * one is there first: a client that dies in between must not leave a launch that nobody watches.
 */
const takeBack = async (context: Context, { launch, lease, path, watchdog }: Held): Promise<void> => {
  const { system, paths } = context
  const { id: launchId } = launch
  const now = await lookUp(context, launch)
  const successor = now?.pinned === false ? await startWatchdog(context, launch) : undefined
  await system.remove(path)
  if (watchdog !== undefined) {
    await system.endWatchdog(watchdog.id, launchId)
    await system.remove(leasePath(paths, { id: lease, launchId, process: watchdog.id, kind: 'watch' }))
  }
  successor?.watchdog.letGo()
}

/** Whether the process has another lease that nobody releases. Only a lease that was handed over says so. */
const isKeptBefore = async (context: Context, launchId: string, own: string, { pid, start }: ProcessId): Promise<boolean> => {
  const { system, paths } = context
  const listing = await listClaims(context)
  // Of a thousand leases, those of this process and their watchdogs alone are looked at.
  const ids = new Set(listing.leases.flatMap(({ id, kind, process }) =>
    kind === 'lease' && process.pid === pid && process.start === start ? [id] : []))
  const live = await liveLeases(context, { ...listing, leases: listing.leases.filter(({ id }) => ids.has(id)) }, launchId)
  const watched = new Set(live.flatMap((entry) => (entry.kind === 'watch' ? [entry.id] : [])))
  for (const { name, kind, id } of live) {
    if (kind !== 'lease' || id === own) continue
    const found = await system.read(join(paths.host, name))
    if (found.kind === 'file' && found.text.includes('"kept":true') && watched.has(id) === watched.has(own)) return true
  }
  return false
}

/** Leases that one client looks at. */
const SWEPT = 16

/**
 * Removes leases of processes that have ended from a pinned launch. A client that looked at all of a thousand leases would make a
 * thousand clients look a million times, so each looks at those whose ids follow its own: ids are random, so of those that
 * are there no more than a fifteenth part is of processes that have ended.
 */
const sweepEnded = async (context: Context, launchId: string, own: string): Promise<void> => {
  const { system, paths } = context
  const listing = await listClaims(context)
  const leases = listing.leases.filter((entry) => entry.kind === 'lease' && entry.launchId === launchId)
  const inOrder = leases.toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const some = [...inOrder.filter(({ id }) => id > own), ...inOrder.filter(({ id }) => id < own)].slice(0, SWEPT)
  const watches = listing.leases.filter(({ kind }) => kind === 'watch')
  const inUse = await leasesInUse(context, { ...listing, leases: [...watches, ...some] }, launchId)
  for (const entry of some) if (!inUse.includes(entry)) await system.remove(join(paths.host, entry.name))
}

/** Starts a watchdog over a launch that has neither users nor a watchdog: all of them were killed. */
export const guardIfIdle = async (context: Context, launch: Held['launch']): Promise<void> => {
  const { id, pinned } = launch
  if (pinned || (await isLeased(context, await listClaims(context), id))) return
  // A damaged claim may name any process, so a client that only asks must not bring about its end.
  if ((await recordOf(context, launch)) === undefined) return
  const { watchdog } = await startWatchdog(context, launch)
  watchdog.letGo()
}

/** Who uses a launch, and when it stops if no client comes. */
export const leasesOn = async (
  context: Context, { id, leader, pinned }: Launch, idleTimeout: number,
): Promise<{ leases: LeaseStatus[]; stopsAt: Date | undefined }> => {
  const { system, paths } = context
  const listing = await listClaims(context)
  const leases: LeaseStatus[] = []
  for (const lease of await clientsOf(context, listing, { id, leader })) leases.push(await describeLease(context, lease))
  if (pinned || leases.length > 0) return { leases, stopsAt: undefined }
  // A watchdog touches its file when its holder has let go.
  let last: number | undefined
  for (const { name } of await liveLeases(context, listing, id)) {
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
