/**
 * The watchdogs that a client starts. A watchdog for each lease would make a process that holds a thousand leases the parent of a
 * thousand shells, all of which look for each other when it ends. So the leases of one process on one launch share a watchdog: they
 * all end with that process. The first of them starts it, and the last one that is released lets it go. A lease that will be handed over
 * ends with another process, so it has a watchdog of its own.
 *
 * A client that dies at any point here closes the pipe, as before: the watchdog removes the leases of all that share it. A client that
 * sleeps after it has joined and before it writes its lease is a holder whose watchdog lives, which objects to the end of the launch.
 * A watchdog that is let go leaves the table in the same tick, so no lease joins it any more.
 */
import type { Context } from '../context.js'
import { recordOf } from '../state/claim.js'
import { createFile, leasePath, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { leaseOf, LEASES_OF_ONE, watchedAs } from '../state/lease-ids.js'
import { judge, type ProcessId, type System, type Watchdog } from '../system/system.js'

type Watched = Pick<Launch, 'id' | 'leader'>

/** A lease, and what ends its launch after it. */
export interface Guarded {
  /** The id of the lease. */
  readonly lease: string
  readonly watchdog: Watchdog
}

type Times = Pick<LaunchRecord, 'idleTimeout' | 'stopTimeout'>

/** As the launch wrote them down: a client's own options apply only to a launch that it makes itself. */
const timesOf = async (context: Context, launch: Watched): Promise<Times> => (await recordOf(context, launch)) ?? context.settings

/**
 * Starts a process that ends the launch once this client lets go of it, and writes the name of that process down. `leases`: how the ids of
 * its leases begin.
 */
const start = async (context: Context, launch: Watched, id: string, leases = id): Promise<Watchdog> => {
  const { system, paths: { pidFile, host: folder } } = context
  const { idleTimeout, stopTimeout } = await timesOf(context, launch)
  const watchdog = await system.watchOver({
    pidFile, folder, launchId: launch.id, leader: launch.leader, lease: leases, idleTimeout, stopTimeout,
  })
  try {
    await createFile(context, leasePath(context.paths, { id, launchId: launch.id, process: watchdog.id, kind: 'watch' }), '')
  } catch (error) {
    watchdog.dismiss()
    throw error
  }
  return watchdog
}

/** A watchdog of one lease alone. */
export const startWatchdog = async (context: Context, launch: Watched, lease?: string): Promise<Guarded> => {
  const id = lease ?? (await context.system.randomId())
  return { lease: id, watchdog: await start(context, launch, id) }
}

class Shared {
  /** Leases that hold it, and leases that it has had. */
  #held = 0
  #taken = 0
  readonly started: Promise<Watchdog>

  constructor(
    readonly table: Map<string, Shared>, readonly launchId: string, readonly group: Promise<string>, begin: () => Promise<Watchdog>,
  ) {
    this.started = begin()
    this.started.catch(() => this.retire())
    table.set(launchId, this)
  }

  /** The number of the next lease. */
  join(): number {
    this.#held++
    if (this.#taken + 1 === LEASES_OF_ONE) this.retire()
    return ++this.#taken
  }

  /** True: no lease is left. */
  leave(): boolean {
    if (--this.#held > 0) return false
    this.retire()
    return true
  }

  /** No lease joins it any more. */
  retire(): void {
    if (this.table.get(this.launchId) === this) this.table.delete(this.launchId)
  }

  /** Its watchdog, as one of its leases has it. */
  forOne({ id, letGo, dismiss }: Watchdog): Watchdog {
    return {
      id,
      letGo: () => { if (this.leave()) letGo() },
      dismiss: () => {
        this.retire()
        dismiss()
      },
      handOver: async () => { throw new Error('a lease that shares its watchdog cannot be handed over') },
    }
  }
}

/** By launches. One table for each machine: a process has one machine, the simulation has one for each client. */
const machines = new WeakMap<System, Map<string, Shared>>()

const begin = (context: Context, launch: Watched, table: Map<string, Shared>): Shared => {
  const group = context.system.randomId()
  return new Shared(table, launch.id, group, async () => start(context, launch, leaseOf(await group, 0), watchedAs(await group)))
}

/** A watchdog that was killed or stopped ends nothing. */
const isOfUse = async ({ system }: Context, id: ProcessId): Promise<boolean> => {
  const look = await system.look(id.pid)
  return look.state !== 'stopped' && judge(id, look) !== 'dead'
}

/** A watchdog that this lease shares with the other leases of this process on the launch. */
export const shareWatchdog = async (context: Context, launch: Watched): Promise<Guarded> => {
  const table = machines.get(context.system) ?? new Map<string, Shared>()
  machines.set(context.system, table)
  for (;;) {
    const found = table.get(launch.id)
    const shared = found ?? begin(context, launch, table)
    const number = shared.join()
    const real = await shared.started
    const watchdog = shared.forOne(real)
    const lease = leaseOf(await shared.group, number)
    let joins = found === undefined
    try {
      joins ||= await isOfUse(context, real.id)
    } finally {
      if (!joins) {
        shared.retire()
        watchdog.letGo()
      }
    }
    if (joins) return { lease, watchdog }
  }
}
