/**
 * Leases, for the simulation: clients that take one, use the server for a while and let go, beside others that
 * start it explicitly or mean to stop it if it is idle. Nobody who holds it may lose it, and when nobody
 * does any more, nothing of it may be left.
 */
import type { OneServerError } from '../../lib/errors.js'
import type { Lease, ServerInfo } from '../../lib/server-info.js'
import { contextOf } from '../../lib/context.js'
import { reap } from '../../lib/protocol/stop.js'
import { settingsFrom } from '../../lib/options/settings.js'
import type { Act, RunPlan } from './schedule.js'
import { HOST_FOLDER, PID_FILE, type World } from './world.js'

const IDLE = 100

/** Takes a lease, uses the server for some time, and lets go. */
export const holder: Act = async (manager, system, world) => {
  const lease = await manager.acquire()
  const { launchId } = lease.server
  const { pid } = await system.self()
  world.hold(launchId!, pid)
  await system.sleep(30)
  world.letGo(({ launch, by }) => launch === launchId && by === pid)
  await lease.release()
  return 'let go'
}

/** Wrong on purpose: uses a server that it has found, without holding anything. */
export const userWithoutLease: Act = async (manager, system, world) => {
  let found = await manager.status()
  for (let looks = 0; found.state !== 'ready' && looks < 20; looks++) {
    await system.sleep(20)
    found = await manager.status()
  }
  const launchId = found.state === 'ready' && !found.adopted ? found.launchId : ''
  world.hold(launchId, (await system.self()).pid)
  await system.sleep(1000)
  return 'used it'
}

/** Uses the server on a lease that another client has taken in its name, and ends, by itself or by a fault. */
export const ward: Act = async (_, system, world) => {
  const { pid } = await system.self()
  for (let looks = 0; looks < 100; looks++) {
    await system.sleep(20)
    await system.look(pid)
    if (!world.held.some(({ by }) => by === pid)) continue
    await system.sleep(200)
    break
  }
  world.exit(world.actors.find((actor) => actor.pid === pid)!)
  return 'ended'
}

/** A lease in the name of the first client, or none where that one has ended. */
const forWard = async (manager: Parameters<Act>[0], world: World): Promise<Lease | undefined> => {
  const ward = world.actors[0]!
  try {
    return await manager.acquire({ pid: ward.pid })
  } catch (error) {
    if ((error as OneServerError).code === 'INVALID_OPTION' && ward.crashed) return undefined
    throw error
  }
}

/** Takes a lease in the name of the first client, and ends at once. */
export const guardian: Act = async (manager, _, world) => {
  const [first] = world.actors
  const lease = await forWard(manager, world)
  // A client that has gone holds nothing, and its lease is that of a process that has ended.
  if (lease !== undefined && !first!.crashed) world.hold(lease.server.launchId!, first!.pid)
  return 'taken'
}

/** Takes it, and releases it before the other one ends. */
export const fickleGuardian: Act = async (manager, system, world) => {
  const lease = await forWard(manager, world)
  await system.sleep(50)
  await lease?.release()
  return 'released'
}

/** Lets go and comes again at once: into the end of the server that it let go of. */
export const returningHolder: Act = async (manager, system, world) => {
  await holder(manager, system, world)
  await system.sleep(IDLE)
  return holder(manager, system, world)
}

/** Takes two leases, lets go of the first, and takes a third while it lets go of the second: all of them share a watchdog. */
export const sharer: Act = async (manager, system, world) => {
  const { pid } = await system.self()
  const take = async (): Promise<() => Promise<void>> => {
    const lease = await manager.acquire()
    const launch = lease.server.launchId!
    world.hold(launch, pid)
    return async () => {
      const at = world.held.findIndex((held) => held.launch === launch && held.by === pid)
      if (at >= 0) world.held.splice(at, 1)
      await lease.release()
    }
  }
  const [first, second] = [await take(), await take()]
  await first()
  // Longer than the idle time: the lease that is left must keep the server.
  await system.sleep(2 * IDLE)
  const [third] = await Promise.all([take(), second()])
  await system.sleep(2 * IDLE)
  await third()
  return 'let go'
}

/** Starts it explicitly: from then on nothing but a stop ends it. */
export const starter: Act = async (manager, _, world) => {
  const server: ServerInfo = await manager.ensureServerRunning()
  world.hold(server.launchId!, undefined)
  return 'pinned'
}

/** Deletes all state of a server that runs, at once. */
export const wiper: Act = async (_, system, world) => {
  for (let looks = 0; looks < 100; looks++) {
    await system.sleep(20)
    await system.look(1)
    if (!world.isOpen) continue
    world.wipe()
    return 'wiped'
  }
  return 'nothing ran'
}

/** Deletes it file by file, as a cleaner of temporary files does. */
export const cleaner: Act = async (_, system, world) => {
  for (let looks = 0; looks < 100; looks++) {
    await system.sleep(20)
    const names = world.isOpen ? await system.list(HOST_FOLDER) : []
    if (names.length === 0) continue
    for (const path of [...names.map((name) => `${HOST_FOLDER}/${name}`), PID_FILE]) {
      await system.look(1)
      if (world.isOpen) await system.remove(path)
    }
    return 'cleaned'
  }
  return 'nothing ran'
}

export const idleStopper: Act = async (manager) => manager.stopServer({ ifIdle: true })

export const leasePlan = (acts: readonly Act[]): RunPlan => ({
  acts,
  options: { pidFile: PID_FILE, port: 'auto', startupTimeout: 2000, healthCheckInterval: 200, stopTimeout: 500, idleTimeout: IDLE },
  world: { reaper: async (system, launch) => reap(await contextOf(settingsFrom({ pidFile: PID_FILE }), system), launch) },
  // Any client puts right what was left where the watches were killed, too.
  after: (manager) => manager.isServerRunning(),
  check: (world) => {
    const violations: string[] = []
    const running = world.runningServers
    const pinned = [...world.files.keys()].some((path) => path.endsWith('.pin'))
    if (!pinned && running.length > 0) violations.push(`${running.map(({ pid }) => pid).join(', ')} runs, and nobody uses it`)
    if (running.length === 0) {
      const left = [...world.files.keys()].filter((path) => (path.startsWith(HOST_FOLDER) && !path.endsWith('.outcome')) || path === PID_FILE)
      if (left.length > 0) violations.push(`left: ${left.join(', ')}`)
    }
    return violations
  },
})

/** Takes a lease and lets go, whatever becomes of the server meanwhile. */
export const anyHolder: Act = async (manager, system) => {
  const lease = await manager.acquire()
  await system.sleep(500)
  await lease.release()
  return 'let go'
}

/** Stops the server when it is held. */
export const stopper: Act = async (manager, system) => {
  await system.sleep(300)
  return manager.stopServer()
}

/** Nobody comes afterwards: what the watches leave undone stays so, unless one of them was killed. */
export const unattendedPlan = (acts: readonly Act[], deafClients: readonly string[] = []): RunPlan => {
  const { after: _, ...plan } = leasePlan(acts)
  return {
    ...plan,
    world: { ...plan.world, deafClients },
    check: (world) => {
      if (world.trace.some((line) => /w\d+ is killed$/.test(line))) return []
      return world.runningServers.map(({ pid }) => `${pid} runs, and nobody is left to end it`)
    },
  }
}

/** 2 to 5 clients, most of which hold leases. A stop that spares only those who do would end what was started explicitly, so a run has one or the other. */
export const anyHolders = (random: () => number): RunPlan => {
  const other = random() < 0.5 ? starter : idleStopper
  return leasePlan(Array.from({ length: 2 + Math.floor(random() * 4) }, () => {
    const drawn = random()
    return drawn < 0.4 ? holder : drawn < 0.6 ? returningHolder : drawn < 0.8 ? sharer : other
  }))
}

/** A client in whose name 1 to 3 others take leases, beside holders. */
export const anyGuardians = (random: () => number): RunPlan => {
  const others = Array.from({ length: 1 + Math.floor(random() * 3) }, () => (random() < 0.7 ? guardian : fickleGuardian))
  return leasePlan([ward, ...others, ...(random() < 0.5 ? [holder] : [])])
}

export const vanishingPlan = (acts: readonly Act[]): RunPlan => {
  const plan = leasePlan(acts)
  return { ...plan, world: { ...plan.world, sparesWatchdogs: true } }
}

/** 2 to 4 clients that hold leases, and one that is no client and deletes the state. What stays open with a pin is in the protocol's README. */
export const anyVanishing = (random: () => number): RunPlan => {
  const clients = Array.from({ length: 2 + Math.floor(random() * 3) }, () => (random() < 0.6 ? holder : returningHolder))
  return vanishingPlan([...clients, random() < 0.5 ? wiper : cleaner])
}
