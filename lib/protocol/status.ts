/**
 * What is known about the server. `status` only reads: getters that delete surprise. `isRunning` is
 * the one that removes a PID file which lies, as its contract says, and does so under the lock; it also
 * sets a watch over a server whose clients were killed together with everything that watched for them.
 */
import type { Deadline } from '../deadline.js'
import { baseUrl } from '../health/address.js'
import { withLock } from '../state/lock.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge } from '../system/system.js'
import type { Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { cleanUp, namesLiveProcess } from './clean-up.js'
import { leasesOn, guardIfIdle } from './lease.js'
import { findAdoptable } from '../plan/port.js'
import { readyUrl } from './readiness.js'
import { carriesLaunchId } from './reconcile.js'
import type { ServerStatus } from '../server-info.js'
import { isClaimed, recordOf, survey } from './survey.js'
import { checkHealth } from './reuse.js'

const NOTHING = { pid: undefined, url: undefined, port: undefined, since: undefined, adopted: false, launchId: undefined, bundled: false, version: undefined, launcher: undefined, leases: [], pinned: false, stopsAt: undefined, isEnding: false } as const

const stateOf = async (context: Context, record: LaunchRecord, url: string | undefined): Promise<ServerStatus['state']> => {
  if (url === undefined) return 'starting'
  return (await checkHealth(context, record, url)).healthy ? 'ready' : 'unhealthy'
}

/** Of the launches that are being ended, one whose leader lives: a server is gone when it has exited. */
const firstAlive = async ({ system }: Context, launches: readonly Launch[]): Promise<Launch | undefined> => {
  for (const launch of launches) if (judge(launch.leader, await system.look(launch.leader.pid)) === 'alive') return launch
  return undefined
}

export const statusOf = async (context: Context): Promise<ServerStatus> => {
  const { paths, settings } = context
  const { pidFile } = paths
  const { logFile } = settings
  const seen = await survey(context)
  const record = seen.living === undefined ? undefined : await recordOf(context, seen.living, seen.pidFile)
  if (seen.living !== undefined) {
    const { leader, id } = seen.living
    if (record === undefined && !(await isClaimed(context, seen.living))) return statusOf(context)
    if (record === undefined) return { ...NOTHING, state: 'unhealthy', pid: leader.pid, launchId: id, pidFile, logFile }
    const url = seen.living.ready ? (await readyUrl(context, id)) ?? record.health.urls[0] : undefined
    return {
      state: await stateOf(context, record, url), pid: record.pid, url: url === undefined ? undefined : baseUrl(url), port: record.port,
      since: new Date(record.since), adopted: false, launchId: id, bundled: record.bundled, version: record.identity.version, launcher: record.launcher.pid, pinned: seen.living.pinned, isEnding: false,
      ...(await leasesOn(context, seen.living, record.idleTimeout)), pidFile, logFile: record.logFile,
    }
  }
  const lost = seen.pidFile.kind === 'record' && seen.pidFile.record.host === context.system.host() ? seen.pidFile.record : undefined
  if (lost !== undefined && !seen.listing.launches.some(({ id }) => id === lost.launch) && (await carriesLaunchId(context, lost))) {
    // Its claim was deleted from outside. The next call that may write brings it back; until then who uses it is not known.
    const { pid, port, since, launch: launchId, bundled, identity, launcher, logFile: log } = lost
    const url = lost.health.urls[0]!
    return { ...NOTHING, state: await stateOf(context, lost, url), pid, url: baseUrl(url), port, since: new Date(since), launchId, bundled, version: identity.version, launcher: launcher.pid, pidFile, logFile: log }
  }
  const ending = await firstAlive(context, seen.finished)
  if (ending !== undefined) {
    const { leader: { pid }, id: launchId } = ending
    const own = await recordOf(context, ending, seen.pidFile)
    const known = own === undefined ? {} : { port: own.port, since: new Date(own.since), bundled: own.bundled, version: own.identity.version, launcher: own.launcher.pid, logFile: own.logFile }
    return { ...NOTHING, state: 'unhealthy', pid, launchId, pidFile, logFile, ...known, isEnding: true }
  }
  const server = await findAdoptable(context)
  if (server !== undefined) {
    return { ...NOTHING, state: 'ready', pid: server.pid, url: baseUrl(server.url), port: server.port, adopted: true, pidFile, logFile }
  }
  const named = seen.pidFile.kind === 'bare' && (await namesLiveProcess(context, seen.pidFile)) ? seen.pidFile.pid : undefined
  return { ...NOTHING, state: named === undefined ? 'stopped' : 'unhealthy', pid: named, pidFile, logFile }
}

/** Healthy, or the recorded process is alive. */
export const isRunning = async (context: Context, deadline: Deadline): Promise<boolean> => {
  deadline.check()
  const { system, paths } = context
  const seen = await survey(context)
  if (seen.living !== undefined) {
    await guardIfIdle(context, seen.living)
    return true
  }
  const { pidFile } = seen
  if (pidFile.kind === 'bare' && (await namesLiveProcess(context, pidFile))) return true
  const isStale = pidFile.kind === 'bare' || seen.hasLeftovers || (pidFile.kind === 'record' && pidFile.record.host === system.host())
  if (isStale) {
    await withLock(system, paths, deadline, async () => {
      const now = await survey(context)
      if (now.living === undefined) await cleanUp(context, now)
    })
    // Cleaning up may have found that the server lives, and only its claim was gone.
    if ((await survey(context)).living !== undefined) return true
  }
  return (await findAdoptable(context)) !== undefined
}
