/**
 * What is known about the server. `statusOf` only reads, because a getter that deletes surprises its caller. `isRunning`
 * removes a PID file that lies, as its contract says, under the lock; it also starts a watchdog over a server whose
 * clients were killed together with their watchdogs.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { baseUrl } from '../health/address.js'
import { findAdoptable } from '../plan/port.js'
import type { ServerStatus } from '../server-info.js'
import { readyUrl, recordOf } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { cleanUp, namesLiveProcess } from './clean-up.js'
import { guardIfIdle, leasesOn } from './lease.js'
import { judgeLaunch, remainsOf } from './liveness.js'
import { carriesLaunchId } from './reconcile.js'
import { checkAgain } from './check-again.js'
import { isClaimed, survey, type Survey } from './survey.js'

/** What `status()` returns. Reads only. */
export const statusOf = async (context: Context): Promise<ServerStatus> => {
  const seen = await survey(context)
  if (seen.living !== undefined) return (await livingStatus(context, seen.living, seen)) ?? statusOf(context)
  return (await unclaimedStatus(context, seen)) ?? (await endingStatus(context, seen)) ?? (await foreignStatus(context, seen))
}

const nothing = ({ paths: { pidFile }, settings: { logFile } }: Context) => ({
  state: 'stopped', pid: undefined, url: undefined, port: undefined, since: undefined, adopted: false, launchId: undefined, bundled: false,
  version: undefined, launcher: undefined, leases: [], pinned: false, stopsAt: undefined, isEnding: false, isHeadless: false,
  pidFile, logFile,
}) as const

/** What a record tells about its server. */
const recorded = ({ pid, port, since, launch, bundled, identity, launcher, logFile }: LaunchRecord) => ({
  pid, port, since: new Date(since), launchId: launch, bundled, version: identity.version, launcher: launcher.pid, logFile,
})

const stateOf = async (context: Context, record: LaunchRecord, url: string | undefined): Promise<ServerStatus['state']> => {
  if (url === undefined) return 'starting'
  return (await checkAgain(context, record, url)).healthy ? 'ready' : 'unhealthy'
}

/** Undefined: the launch has gone since the survey. */
const livingStatus = async (context: Context, launch: Launch, { pidFile, serving }: Survey): Promise<ServerStatus | undefined> => {
  const { id, leader, ready, pinned } = launch
  const record = await recordOf(context, launch, pidFile)
  if (record === undefined) {
    return (await isClaimed(context, launch)) ? { ...nothing(context), state: 'unhealthy', pid: leader.pid, launchId: id } : undefined
  }
  const url = ready ? (await readyUrl(context, id)) ?? record.health.urls[0] : undefined
  return {
    ...nothing(context), ...recorded(record), state: await stateOf(context, record, url),
    url: url === undefined ? undefined : baseUrl(url), pinned, ...(serving === undefined ? {} : { pid: serving.pid, isHeadless: true }),
    ...(await leasesOn(context, launch, record.idleTimeout)),
  }
}

/** A server whose claim was deleted from outside. The next call that writes restores the claim; until then its leases are unknown. */
const unclaimedStatus = async (context: Context, { pidFile, listing }: Survey): Promise<ServerStatus | undefined> => {
  const record = pidFile.kind === 'record' && pidFile.record.host === context.paths.hostName ? pidFile.record : undefined
  if (record === undefined || listing.launches.some(({ id }) => id === record.launch)) return undefined
  if (!(await carriesLaunchId(context, record))) return undefined
  const url = record.health.urls[0]!
  return { ...nothing(context), ...recorded(record), state: await stateOf(context, record, url), url: baseUrl(url) }
}

/** A launch that is being ended, or whose processes serve no more, and that lives: a server has gone only when it has exited. */
const endingStatus = async (context: Context, { finished, pidFile }: Survey): Promise<ServerStatus | undefined> => {
  for (const launch of finished) {
    const verdict = await judgeLaunch(context.system, launch)
    if (verdict === 'dead') continue
    const [rest] = verdict === 'headless' ? (await remainsOf(context.system, launch)) ?? [] : []
    const record = await recordOf(context, launch, pidFile)
    const known = record === undefined ? {} : recorded(record)
    const { pid } = rest ?? launch.leader
    return {
      ...nothing(context), ...known, state: 'unhealthy', pid, launchId: launch.id, isEnding: launch.ended, isHeadless: rest !== undefined,
    }
  }
  return undefined
}

/** A server that one-server did not start, or none. */
const foreignStatus = async (context: Context, { pidFile }: Survey): Promise<ServerStatus> => {
  const server = await findAdoptable(context, { starts: false })
  if (server !== undefined) {
    const { pid, url, port } = server
    return { ...nothing(context), state: 'ready', pid, url: baseUrl(url), port, adopted: true }
  }
  const pid = pidFile.kind === 'bare' && (await namesLiveProcess(context, pidFile)) ? pidFile.pid : undefined
  return { ...nothing(context), state: pid === undefined ? 'stopped' : 'unhealthy', pid }
}

/** Whether the server is healthy, or its recorded process lives. */
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
  const isStale = pidFile.kind === 'bare' || seen.hasLeftovers || (pidFile.kind === 'record' && pidFile.record.host === paths.hostName)
  if (isStale) {
    const { living } = await withLock(system, paths, deadline, async () => {
      const now = await survey(context)
      return now.living === undefined ? cleanUp(context, now) : now
    })
    // The clean-up may have found that the server lives and only its claim was gone.
    if (living !== undefined) return true
  }
  return (await findAdoptable(context, { starts: false })) !== undefined
}
