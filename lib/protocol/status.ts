/**
 * What is known about the server. `statusOf` only reads, because a getter that deletes surprises its caller. `isRunning`
 * removes a PID file that lies, as its contract says, under the lock; it also starts a watchdog over a server whose
 * clients were killed together with their watchdogs.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { findAdoptable } from '../plan/port.js'
import type { AcrossStatus, ServerStatus, StartingStatus, UnhealthyStatus } from '../server-info.js'
import { readyMark, recordOf, unmarked, type ReadyMark } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { cleanUp, namesLiveProcess } from './clean-up.js'
import { guardIfIdle, leasesOn } from './lease.js'
import { judgeLaunch, remainsOf } from './liveness.js'
import { carriesLaunchId } from './reconcile.js'
import { checkAgain, looking } from './check-again.js'
import { recordIn, restoreVanished } from './vanished.js'
import { urlOf } from './readiness.js'
import { placeOf } from './reuse.js'
import { survey, type Survey } from './survey.js'
import { isClaimed } from './launcher.js'

/** What `status()` returns. Reads only. */
export const statusOf = async (context: Context): Promise<ServerStatus> => {
  const seen = await survey(context)
  if (seen.living !== undefined) return (await livingStatus(context, seen.living, seen)) ?? statusOf(context)
  return (await unclaimedStatus(context, seen)) ?? (await endingStatus(context, seen)) ?? (await foreignStatus(context, seen))
}

const files = ({ paths: { pidFile }, settings: { logFile } }: Context) => ({ pidFile, logFile })

/** A process lives, and nothing tells more of it. */
const unknown = (context: Context, pid: number): UnhealthyStatus => ({
  state: 'unhealthy', pid, url: undefined, address: undefined, port: undefined, since: undefined, adopted: false,
  launchId: undefined, bundled: false, version: undefined, launcher: undefined, leases: [], pinned: false, stopsAt: undefined,
  isEnding: false, isHeadless: false, ...files(context),
})

/** What a record tells about its server. */
const recorded = (context: Context, { pid, port, since, launch, bundled, identity, launcher, logFile }: LaunchRecord) => ({
  ...files(context), ...(logFile === undefined ? {} : { logFile }),
  adopted: false, pid, port, since: new Date(since), launchId: launch, bundled, version: identity.version, launcher: launcher.pid,
}) as const

/** Who uses a launch, and which of its processes serves. */
type Using = Pick<StartingStatus, 'leases' | 'stopsAt' | 'pinned' | 'isHeadless' | 'pid'>

/** Of a steward's server callers get what its mark says. */
const onHost = ({ at }: ReadyMark): Partial<NonNullable<ReadyMark['at']>> => at ?? {}

/** `at`: where it was ready; undefined while it has not been. */
const launched = async (
  context: Context, record: LaunchRecord, at: ReadyMark | undefined, using: () => Promise<Using>,
): Promise<ServerStatus> => {
  const common = recorded(context, record)
  const across = async (isReady: boolean): Promise<AcrossStatus> =>
    record.identity.coordinator === undefined ? {} : (await import('../across/ask.js')).acrossStatus(record, isReady)
  if (at === undefined) return { state: 'starting', ...common, ...(await using()), ...(await across(false)) }
  const { healthy } = await checkAgain(looking(context), record, at.url)
  const found = { ...common, ...placeOf(at), ...(await using()), ...(await across(healthy)), ...onHost(at) }
  return healthy ? { state: 'ready', ...found } : { state: 'unhealthy', ...found, isEnding: false }
}

/** Undefined: the launch has gone since the survey. */
const livingStatus = async (context: Context, launch: Launch, { pidFile, serving }: Survey): Promise<ServerStatus | undefined> => {
  const { id, leader, ready, pinned } = launch
  const record = await recordOf(context, launch, pidFile)
  if (record === undefined) return (await isClaimed(context, launch)) ? { ...unknown(context, leader.pid), launchId: id } : undefined
  const at = ready ? (await readyMark(context, id)) ?? unmarked(record.health.urls[0]!) : undefined
  return launched(context, record, at, async () => ({
    pid: serving?.pid ?? record.pid, isHeadless: serving !== undefined, pinned, ...(await leasesOn(context, launch, record.idleTimeout)),
  }))
}

/** A server whose claim was deleted from outside. The next call that writes restores the claim; until then its leases are unknown. */
const unclaimedStatus = async (context: Context, { pidFile, listing }: Survey): Promise<ServerStatus | undefined> => {
  const published = pidFile.kind === 'record' && pidFile.record.host === context.paths.hostName ? pidFile.record : undefined
  const isAlive = published !== undefined && !listing.launches.some(({ id }) => id === published.launch) &&
    (await carriesLaunchId(context, published))
  const [found] = isAlive || listing.launches.length > 0 ? [] : await context.system.launchesOf(context.paths.pidFile)
  const record = isAlive ? published : found === undefined ? undefined : recordIn(context, found)
  if (found !== undefined && record === undefined) return { ...unknown(context, found.leader.pid), launchId: found.launchId }
  if (record === undefined) return undefined
  const [url = ''] = record.health.urls
  const at = (await readyMark(context, record.launch)) ?? { url, base: await urlOf(context, record, url) }
  return launched(context, record, at, async () => ({ pid: record.pid, leases: [], pinned: false, stopsAt: undefined, isHeadless: false }))
}

/** A launch that is being ended, or whose processes serve no more, and that lives: a server has gone only when it has exited. */
const endingStatus = async (context: Context, { finished, pidFile }: Survey): Promise<ServerStatus | undefined> => {
  for (const launch of finished) {
    const verdict = await judgeLaunch(context.system, launch)
    if (verdict === 'dead') continue
    const [rest] = verdict === 'headless' ? (await remainsOf(context.system, launch)) ?? [] : []
    const record = await recordOf(context, launch, pidFile)
    const { pid } = rest ?? launch.leader
    const known = { ...unknown(context, pid), ...(record === undefined ? {} : recorded(context, record)) }
    return { ...known, pid, launchId: launch.id, isEnding: launch.ended, isHeadless: rest !== undefined }
  }
  return undefined
}

/** A server that one-server did not start, or none. */
const foreignStatus = async (context: Context, { pidFile }: Survey): Promise<ServerStatus> => {
  const server = await findAdoptable(context, { starts: false })
  if (server !== undefined) {
    const { pid, port } = server
    return { state: 'ready', pid, ...placeOf(server), port, adopted: true, ...files(context) }
  }
  const lives = pidFile.kind === 'bare' && (await namesLiveProcess(context, pidFile))
  return lives ? unknown(context, pidFile.pid) : { state: 'stopped', ...files(context) }
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
  // Something else than a client may have deleted all state of a server that lives.
  if ((await system.launchesOf(paths.pidFile)).length > 0) {
    const { living } = await withLock(system, paths, deadline, async () => {
      await restoreVanished(context, [])
      return survey(context)
    })
    if (living !== undefined) {
      await guardIfIdle(context, living)
      return true
    }
  }
  return (await findAdoptable(context, { starts: false })) !== undefined
}
