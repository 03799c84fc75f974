/**
 * Steps 3 to 6 of the protocol, under the lock: spawn the server gated, claim, list the claims again, publish, open the
 * gate. The order of these steps keeps promise 1. A client that writes its claim second lists after the first client's
 * claim was there, and the first client's child is alive, so the second client withdraws: the flag principle of mutual
 * exclusion (Dekker; Peterson; Lamport's bakery). It needs no lock and no clock, only that a listing shows a file that
 * was there throughout.
 *
 * A client that dies between the spawn and the open gate closes the pipe, and the child exits without having run. A
 * client that sleeps there leaves a living claim with a deadline, past which any client ends the launch; when the
 * sleeper wakes and opens the gate, nobody stands behind it.
 */
import { basename, dirname, join } from 'node:path'
import type { Context } from '../context.js'
import { invalidOption } from '../errors.js'
import { makeLaunchPlan, makePlan } from '../health/make-plan.js'
import type { Settings } from '../options/settings.js'
import { resolveCommand } from '../plan/command.js'
import { environmentFor, leftOut, withLaunchId } from '../plan/environment.js'
import { fingerprintOf } from '../plan/fingerprint.js'
import { ownCommand } from '../plan/own-command.js'
import { isFree } from '../plan/port.js'
import { claimPath, createFile, listClaims, markPath, replaceFile, type Launch } from '../state/directory.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { formatPidFile } from '../state/pid-file.js'
import { judge, LARGEST, type GatedChild, type HealthPlan } from '../system/system.js'
import type { Hold } from './pin.js'
import { judgeLaunch } from './liveness.js'
import { removeClaim } from './tear-down.js'
import { restoreVanished } from './vanished.js'

/** A launch of this client, its gate open. */
export interface OwnLaunch {
  readonly launch: Launch
  readonly record: LaunchRecord
  readonly child: GatedChild
}

/** `withdrawn`: another claim was there. `port-lost`: a process has taken the port. */
export type Attempt = OwnLaunch | 'withdrawn' | 'port-lost'

/** Makes one attempt to launch. Under the lock; returns with the gate open, or with nothing left of the attempt. */
export const attemptLaunch = async (context: Context, port: number, hold: Hold): Promise<Attempt> => {
  const { system, paths, settings, report } = context
  assertRecordable(settings)
  const id = await system.randomId()
  const env = withLaunchId(environmentFor(settings, port, settings.command === undefined), id, paths.pidFile)
  const { program, args } = await resolveCommand(system, settings, port, env)
  const asked = await ownCommand(system, settings, port)
  const { logFile, cwd } = settings
  const ownLog = `${logFile}.${id}`
  const gateFile = markPath(paths, id, 'gate')
  await system.makeFolder(dirname(logFile))
  await system.inspectLog(logFile)
  await removeForgottenLogs(context, logFile)
  const left = leftOut(settings)
  const note = left === undefined ? {} : { note: `the server's NODE_OPTIONS are the client's without ${left}` }
  // A gate that was killed while it made its stdin leaves the name of the FIFO.
  const removeTracesOfGate = async (): Promise<void> => {
    await system.remove(markPath(paths, id, 'stdin'))
    await system.remove(ownLog)
  }
  const child = await system.spawn({ program, args, cwd, env, logFile: ownLog, gateFile, ...note }).catch(async (error: unknown) => {
    await removeTracesOfGate().catch(() => {})
    throw error
  })
  if (child === undefined) {
    await removeTracesOfGate()
    return 'withdrawn'
  }
  const { pid } = child.id
  const leader = { ...child.id, group: child.group }
  const launch: Launch = { id, leader, ready: false, unattended: false, pinned: false, ended: false }
  report({ type: 'spawned', pid, port, launchId: id })

  const withdraw = async (): Promise<void> => {
    await child.close()
    await hold.release(context)
    await removeClaim(context, launch)
    await system.remove(ownLog)
  }
  try {
    const record = await recordFor(context, id, child, port, await makeLaunchPlan(settings, port, () => system.inodeOf(ownLog), asked))
    const claim = claimPath(paths, id, leader)
    const isClaimed = (await createFile(context, claim, JSON.stringify(record))) && (await createFile(context, gateFile, ''))
    // Clients that see the claim wait for this launch from now on. One that finds no hold places its own, and looks through all processes.
    const isHeld = isClaimed && (await hold.place(context, launch))
    const rival = isClaimed ? await rivalOf(context, id) : 'claimed'
    if (rival !== undefined) {
      await withdraw()
      if (rival === 'vanished') await restoreVanished(context, [])
      report({ type: 'withdrawn', pid, launchId: id })
      return 'withdrawn'
    }
    const hasDied = judge(child.id, await system.look(pid)) !== 'alive'
    if (hasDied || !(await isFree(context, port))) {
      await withdraw()
      return hasDied ? 'withdrawn' : 'port-lost'
    }
    const isPublished = isHeld && (await takeLog(context, ownLog, logFile)) &&
      (await replaceFile(context, paths.pidFile, formatPidFile(record)))
    if (!isPublished) {
      await withdraw()
      return 'withdrawn'
    }
    report({ type: 'claimed', pid, port, launchId: id, ...(settings.asked === undefined ? {} : { steward: true }) })
    await child.open()
    return { launch, record, child }
  } catch (error) {
    await withdraw().catch(() => {})
    throw error
  }
}

/** Bytes of a record that the rest of it may take, beside what the options bring in. */
const ROOM = 64 * 1024

/**
 * No client reads a record above a size (`system/files.ts`), so a server with such a record could never be found or
 * stopped: refuse it before it exists.
 */
const assertRecordable = (settings: Settings): void => {
  const { logFile, configured } = settings
  const size = Buffer.byteLength(JSON.stringify([fingerprintOf(settings), makePlan(settings, 65535), logFile, configured]))
  if (size > LARGEST - ROOM) throw invalidOption('command, env and healthHeaders together', `at most ${LARGEST - ROOM} bytes long`, size)
}

/**
 * Step 5: each other claim must be provably dead, and no process of a launch may live whose claim has vanished. A dead claim stays
 * dead, so it is removed. The look at the processes comes after the listing: a claim goes only after its launch was seen dead.
 */
const rivalOf = async (context: Context, own: string): Promise<'claimed' | 'vanished' | undefined> => {
  const { system, paths } = context
  const { launches } = await listClaims(context)
  const others = launches.filter(({ id }) => id !== own)
  for (const launch of others) if ((await judgeLaunch(system, launch)) !== 'dead') return 'claimed'
  const living = await system.launchesOf(paths.pidFile)
  if (living.some(({ launchId }) => launchId !== own)) return 'vanished'
  for (const launch of others) await removeClaim(context, launch)
  return undefined
}

const recordFor = async (context: Context, id: string, child: GatedChild, port: number, health: HealthPlan): Promise<LaunchRecord> => {
  const { system, settings, paths } = context
  const { healthTimeout, healthCheckInterval, startupTimeout, stopSignal, stopTimeout, idleTimeout, logFile, configured } = settings
  return {
    format: FORMAT, launch: id, host: paths.hostName, pid: child.id.pid, start: child.id.start, group: child.group,
    ...(child.keeper === undefined ? {} : { keeper: child.keeper }), port, health, healthTimeout, healthCheckInterval,
    launcher: await system.self(), deadline: system.now() + startupTimeout, startupTimeout, stopSignal, stopTimeout, idleTimeout, logFile,
    since: system.today().toISOString(), bundled: settings.command === undefined && settings.serverScript === undefined,
    identity: fingerprintOf(settings), ...(configured === undefined ? {} : { configured }),
  }
}

/** The winner alone gives the log its name, so a loser never disturbs the log of a running server. */
const takeLog = async ({ system }: Context, from: string, logFile: string): Promise<boolean> => {
  await system.rename(logFile, `${logFile}.prev`)
  return system.rename(from, logFile)
}

/** Removes the logs of clients that died between opening a log and claiming. */
const removeForgottenLogs = async (context: Context, logFile: string): Promise<void> => {
  const { system } = context
  const folder = dirname(logFile)
  const prefix = `${basename(logFile)}.`
  const idOf = (name: string): string => name.slice(prefix.length)
  const names = await system.list(folder).catch((): string[] => [])
  const logs = names.filter((name) => name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(idOf(name)))
  if (logs.length === 0) return
  const { launches } = await listClaims(context)
  for (const name of logs) if (!launches.some(({ id }) => id === idOf(name))) await system.remove(join(folder, name))
}
