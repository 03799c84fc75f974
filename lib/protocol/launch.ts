/**
 * Steps 3 to 6 of the protocol, under the lock: spawn the server gated, claim, list the claims again,
 * publish, open the gate. Promise 1 is kept by the order. Whoever writes its claim second lists after
 * the first one's claim was there, and the first one's child is alive, so the second withdraws: the
 * flag principle of mutual exclusion (Dekker; Peterson; Lamport's bakery). It needs no lock and no
 * clock, only that a listing shows a file that was there throughout.
 *
 * Dying between spawn and the open gate closes the pipe, and the child exits without having run.
 * Sleeping there leaves a living claim with a deadline, past which anybody ends it; the gate that is
 * opened afterwards has nobody behind it.
 */
import { basename, dirname, join } from 'node:path'
import { formatPidFile } from '../state/pid-file.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { judge, type GatedChild, type HealthPlan } from '../system/system.js'
import { claimPath, createFile, listClaims, markPath, replaceFile, type Launch } from '../state/directory.js'
import { resolveCommand } from '../plan/command.js'
import type { Context } from '../context.js'
import { environmentFor, withLaunchId } from '../plan/environment.js'
import { fingerprintOf } from '../plan/fingerprint.js'
import { healthPlan, isFree } from '../plan/port.js'
import { removeClaim } from './tear-down.js'
import type { Hold } from './pin.js'
import { judgeLaunch } from './survey.js'

/** A launch of this client, its gate open. */
export interface OwnLaunch {
  readonly launch: Launch
  readonly record: LaunchRecord
  readonly child: GatedChild
}

/** `withdrawn`: another claim was there. `port-lost`: something listens on the port by now. */
export type Attempt = OwnLaunch | 'withdrawn' | 'port-lost'

/** Another server may be told the same log, and takes its name then: ready is only who says so in its own. */
const plan = async ({ system, settings }: Context, port: number, ownLog: string): Promise<HealthPlan> => {
  const health = healthPlan(settings, port)
  const inode = health.log === undefined ? undefined : await system.inodeOf(ownLog)
  return health.log === undefined || inode === undefined ? health : { ...health, log: { ...health.log, inode } }
}

const recordFor = (context: Context, id: string, child: GatedChild, port: number, health: HealthPlan): LaunchRecord => {
  const { system, settings } = context
  return {
    format: FORMAT, launch: id, host: system.host(), pid: child.id.pid, start: child.id.start, group: child.group,
    ...(child.keeper === undefined ? {} : { keeper: child.keeper }), port,
    health, healthTimeout: settings.healthTimeout, healthCheckInterval: settings.healthCheckInterval,
    launcher: system.self, deadline: system.now() + settings.startupTimeout, startupTimeout: settings.startupTimeout,
    stopSignal: settings.stopSignal, stopTimeout: settings.stopTimeout, idleTimeout: settings.idleTimeout, logFile: settings.logFile,
    since: system.today().toISOString(),
    bundled: settings.command === undefined && settings.serverScript === undefined, identity: fingerprintOf(settings),
    ...(settings.configured === undefined ? {} : { configured: settings.configured }),
  }
}

/** Step 5: every other claim must be provably dead. Those that are will stay so, and are removed. */
const hasRival = async (context: Context, own: string): Promise<boolean> => {
  const { system, paths } = context
  const { launches } = await listClaims(system, paths)
  const others = launches.filter(({ id }) => id !== own)
  for (const launch of others) if ((await judgeLaunch(system, launch)) !== 'dead') return true
  for (const launch of others) await removeClaim(context, launch)
  return false
}

/** The log gets its name only from the winner, so that a loser never disturbs the log of a running server. */
const takeLog = async ({ system }: Context, from: string, logFile: string): Promise<boolean> => {
  await system.rename(logFile, `${logFile}.prev`)
  return system.rename(from, logFile)
}

/** Logs of clients that died between opening one and claiming. */
const removeForgottenLogs = async ({ system, paths }: Context, logFile: string): Promise<void> => {
  const { launches } = await listClaims(system, paths)
  for (const name of await system.list(dirname(logFile)).catch(() => [])) {
    const id = name.startsWith(`${basename(logFile)}.`) ? name.slice(basename(logFile).length + 1) : ''
    if (/^[0-9a-f]{16}$/.test(id) && !launches.some((launch) => launch.id === id)) await system.remove(join(dirname(logFile), name))
  }
}

/** Makes one attempt to launch. Under the lock; returns with the gate open, or with nothing left of it. */
export const attemptLaunch = async (context: Context, port: number, hold: Hold): Promise<Attempt> => {
  const { system, paths, settings, report } = context
  const id = await system.randomId()
  const env = withLaunchId(environmentFor(settings, port, settings.command === undefined), id, paths.pidFile)
  const command = await resolveCommand(system, settings, port, env)
  const { logFile } = settings
  const ownLog = `${logFile}.${id}`
  const gateFile = markPath(paths, id, 'gate')
  await system.makeFolder(dirname(logFile))
  await system.inspectLog(logFile)
  await removeForgottenLogs(context, logFile)
  const child = await system.spawn({ program: command.program, args: command.args, cwd: settings.cwd, env, logFile: ownLog, gateFile }).catch(async (error: unknown) => {
    await system.remove(ownLog).catch(() => {})
    throw error
  })
  if (child === undefined) {
    await system.remove(ownLog)
    return 'withdrawn'
  }
  const leader = { ...child.id, group: child.group }
  const launch: Launch = { id, leader, ready: false, unattended: false, pinned: false, ended: false }
  report({ type: 'spawned', pid: child.id.pid, port, launchId: id })

  const withdraw = async (): Promise<void> => {
    await child.close()
    await hold.release(context)
    await removeClaim(context, launch)
    await system.remove(ownLog)
  }
  try {
    const record = recordFor(context, id, child, port, await plan(context, port, ownLog))
    const isClaimed = (await createFile(context, claimPath(paths, id, leader), JSON.stringify(record))) && (await createFile(context, gateFile, ''))
    if (!isClaimed || (await hasRival(context, id))) {
      await withdraw()
      report({ type: 'withdrawn', pid: child.id.pid, launchId: id })
      return 'withdrawn'
    }
    const isOver = judge(child.id, await system.look(child.id.pid)) !== 'alive'
    if (isOver || !(await isFree(context, port))) {
      await withdraw()
      return isOver ? 'withdrawn' : 'port-lost'
    }
    if (!(await hold.place(context, launch)) || !(await takeLog(context, ownLog, logFile))) {
      await withdraw()
      return 'withdrawn'
    }
    if (!(await replaceFile(context, paths.pidFile, formatPidFile(record)))) {
      await withdraw()
      return 'withdrawn'
    }
    report({ type: 'claimed', pid: child.id.pid, port, launchId: id })
    await child.open()
    return { launch, record, child }
  } catch (error) {
    await withdraw().catch(() => {})
    throw error
  }
}
