/**
 * The protocol from top to bottom: look without the lock and follow a launch that lives; else take a turn at the
 * lock, look again, clean up, adopt or launch; then supervise the launch until it is ready. After each wait a client
 * looks again, because anything may have happened during the wait.
 *
 * The steps are numbered in README.md of this folder. Each step is a file: `decide.ts`, `launch.ts`, `supervise.ts`
 * and `follow.ts`. Of a crowd one client launches, so what only that client needs is imported when it is needed.
 */
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { configMismatch, insideServer, portInUse, serverUnhealthy, startTimeout, OneServerError } from '../errors.js'
import { awaitedUrl } from '../health/awaited.js'
import { differences } from '../plan/fingerprint.js'
import type { Adopted } from '../plan/port.js'
import type { ServerInfo } from '../server-info.js'
import { recordOf } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { readPidFile } from '../state/pid-file.js'
import { judge } from '../system/system.js'
import type { Call, Decision } from './decide.js'
import { follow } from './follow.js'
import type { OwnLaunch } from './launch.js'
import { isPublished, lookUnlocked } from './look-unlocked.js'
import { pin, type Hold } from './pin.js'
import { placeOf, reused } from './reuse.js'
import { survey, type Survey } from './survey.js'
import { isClaimed, unreadableClaim } from './launcher.js'

/** Attempts of one call, each on another port, where one-server chooses the port. */
const PORTS_TRIED = 3

/** ms between two turns of a client that withdrew: at random, so that a crowd does not come back in step. */
const SHORTEST_BACK_OFF = 10
const LONGEST_BACK_OFF = 50

/** The running server. Cleans up, launches and waits as far as necessary. */
export const ensureRunning = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo> => {
  const call: Call = { lost: new Set(), hold }
  for (;;) {
    const decision = await nextDecision(context, deadline, call)
    switch (decision.kind) {
      case 'follow': {
        const server = await followLaunch(context, decision.launch, decision.survey, deadline, call.hold)
        if (server !== undefined) return server
        break
      }
      case 'adopted':
        return adoptedInfo(context, decision.server)
      case 'launched': {
        const server = await superviseLaunch(context, decision.own, deadline, call.lost)
        if (server !== undefined) return server
        break
      }
      case 'port-lost':
        call.lost.add(decision.port)
        break
      default:
    }
    await backOff(context, decision, deadline)
  }
}

/** Starts the server when there is none, and leaves the wait to others. Returns the PID of the server where it can be seen. */
export const startDetached = async (context: Context, deadline: Deadline): Promise<number | undefined> => {
  const call: Call = { lost: new Set(), hold: pin }
  for (;;) {
    const decision = await nextDecision(context, deadline, call)
    switch (decision.kind) {
      case 'follow': {
        const { launch, survey: { pidFile, serving } } = decision
        const record = await recordOf(context, launch, pidFile)
        if (record !== undefined) assertFingerprint(context, record)
        if (await pin.place(context, launch)) return (serving ?? launch.leader).pid
        await backOff(context, decision, deadline)
        break
      }
      case 'adopted':
        return decision.server.pid
      case 'foreign-pid':
        return decision.pid
      case 'launched':
        await (await import('./supervise.js')).detach(context, decision.own.record)
        return decision.own.launch.leader.pid
      default:
        await backOff(context, decision, deadline)
    }
  }
}

/** Looks, and takes a turn at the lock when there is nothing to follow. */
const nextDecision = async (context: Context, deadline: Deadline, call: Call): Promise<Decision> => {
  const { system, paths, report } = context
  const decision = await withLock(system, paths, deadline, async () => (await import('./decide.js')).decide(context, deadline, call), {
    look: () => lookUnlocked(context, deadline), onWait: () => report({ type: 'waiting', for: 'lock' }),
  })
  if (decision.kind === 'failed') throw decision.error
  if (decision.kind === 'follow' && decision.launch.id === context.inside) throw insideServer(paths.pidFile)
  return decision
}

/** Waits between two turns. */
const backOff = async (context: Context, decision: Decision, deadline: Deadline): Promise<void> => {
  const { system, settings, paths } = context
  if (decision.kind === 'port-lost' && settings.port.kind === 'fixed') {
    const holder = await (await import('../plan/port.js')).whoHolds(context, decision.port)
    const what = holder === undefined ? 'no more, and was when the server was to begin' : `now: another process took it. ${holder}`
    throw portInUse(decision.port, what, {})
  }
  if (deadline.passed) {
    if (decision.kind === 'foreign-pid') {
      const { pid } = decision
      const why = `${paths.pidFile} names it, and one-server did not launch it`
      throw serverUnhealthy(`the port of PID ${pid}`, deadline.total, why, { pid })
    }
    // The launch may have become ready while this client had no processor, and another may live: look before giving up.
    if ((await lookUnlocked(context, deadline)) !== undefined) return
    throw startTimeout(deadline.total, 'each launch that was seen in that time was withdrawn or ended', {})
  }
  const random = SHORTEST_BACK_OFF + system.random() * (LONGEST_BACK_OFF - SHORTEST_BACK_OFF)
  const pause = decision.kind === 'foreign-pid' ? settings.healthCheckInterval : random
  await system.sleep(Math.min(pause, deadline.left), { signal: deadline.signal })
}

/** Uses a launch that another client makes or made. Undefined: the launch is gone, look again from the start. */
const followLaunch = async (
  context: Context, launch: Launch, seen: Survey, deadline: Deadline, hold: Hold,
): Promise<ServerInfo | undefined> => {
  const { system, paths } = context
  const { pidFile, hasLeftovers, serving } = seen
  const record = await recordOf(context, launch, pidFile)
  if (record === undefined) {
    // A claim that vanished may have come back since.
    const isDamaged = (await isClaimed(context, launch)) && (await recordOf(context, launch)) === undefined
    if (isDamaged) throw unreadableClaim(context, launch)
    return undefined
  }
  assertFingerprint(context, record)
  if (!(await hold.place(context, launch))) return undefined
  const followed = await follow(context, launch, record, deadline)
  if (followed.kind === 'failed') throw followed.error
  if (followed.kind === 'gone') return undefined
  // A client that lost the lock while it was frozen can overwrite or remove the PID file of a ready launch.
  const published = launch.ready ? pidFile : await readPidFile(system, paths)
  if (!hasLeftovers && serving === undefined && isPublished(published, launch, undefined)) return reused(context, record, followed.at)
  const now = await tidy(context)
  // A client that was frozen since the answer may hold a URL of a server that has gone: only a launch that lives is used.
  return now.living?.id === launch.id ? reused(context, record, followed.at, now.serving) : undefined
}

/**
 * Throws CONFIG_MISMATCH when the running server is another one than this call asks for. `decide.ts` has replaced an
 * older version before.
 */
const assertFingerprint = ({ settings, paths }: Context, { identity, pid }: LaunchRecord): void => {
  const found = settings.onMismatch === 'reuse' ? [] : differences(settings, identity)
  if (found.length === 0) return
  const why = settings.onMismatch === 'restart' ? 'It was not restarted, since only a server of an older version is replaced.' : ''
  throw configMismatch(paths.pidFile, found, why, { pid })
}

const adoptedInfo = ({ report, paths, settings }: Context, { port, pid, ...at }: Adopted): ServerInfo => {
  report({ type: 'reused', url: at.base, pid, adopted: true })
  const { logFile } = settings
  return { ...placeOf(at), port, pid, started: false, adopted: true, launchId: undefined, pidFile: paths.pidFile, logFile }
}

/** Supervises this client's own launch. Undefined: the launch came to nothing without a failure, look again from the start. */
const superviseLaunch = async (
  context: Context, own: OwnLaunch, deadline: Deadline, lost: Set<number>,
): Promise<ServerInfo | undefined> => {
  const { report, settings, paths } = context
  const { record } = own
  const mayChooseAgain = settings.port.kind !== 'fixed' && lost.size + 1 < PORTS_TRIED
  if (settings.asked === undefined) report({ type: 'waiting', for: 'health', url: awaitedUrl(record.health), pid: record.pid })
  else report({ type: 'waiting', for: 'hosts', pid: record.pid })
  const supervised = await (await import('./supervise.js')).supervise(context, own, deadline, mayChooseAgain)
  switch (supervised.kind) {
    case 'failed':
      throw supervised.error
    case 'port-lost':
      lost.add(record.port)
      return undefined
    case 'retry':
      return undefined
    case 'ready': {
      const place = placeOf(supervised.at)
      const { port, launch: launchId, logFile } = record
      const pid = await publishedPid(context, own)
      if (pid === undefined) return undefined
      report({ type: 'ready', url: place.url, pid, launchId })
      const { at, isElsewhere = false } = supervised.at
      if (isElsewhere) report({ type: 'following', host: at!.host, url: place.url })
      return { ...place, port, pid, started: !isElsewhere, adopted: false, launchId, pidFile: paths.pidFile, logFile, ...at }
    }
  }
}

/**
 * Cleans up for a call that has its answer. A call that has its answer must not fail for want of the lock, so it tries
 * the lock once; the client that holds the lock cleans up, or the next call does. Returns what is there afterwards.
 */
const tidy = async (context: Context): Promise<Survey> => {
  const { system, paths } = context
  try {
    return await withLock(system, paths, new Deadline(system, 0), async () => {
      const { cleanUp } = await import('./clean-up.js')
      return cleanUp(context, await survey(context))
    })
  } catch (error) {
    if (error instanceof OneServerError && error.code === 'LOCK_TIMEOUT') return survey(context)
    throw error
  }
}

/**
 * The PID that the PID file names. A leader that left while it booted is replaced there by the process that serves.
 * Undefined: the launch has ended since its health check answered, look again from the start.
 */
const publishedPid = async (context: Context, { launch: { id, leader } }: OwnLaunch): Promise<number | undefined> => {
  const { system } = context
  if (judge(leader, await system.look(leader.pid)) !== 'dead') return leader.pid
  const { living, serving } = await tidy(context)
  return living?.id === id ? (serving ?? leader).pid : undefined
}
