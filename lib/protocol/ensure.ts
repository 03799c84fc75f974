/**
 * The story: the order of the steps, and nothing else. Look without the lock; follow what lives; else
 * take a turn at the lock, look again, clean up, adopt or launch; then attend the launch until it is
 * ready. After each wait it is looked at anew.
 */
import type { Deadline } from '../deadline.js'
import { baseUrl } from '../health/address.js'
import { configMismatch, insideServer, portInUse, serverUnhealthy, startTimeout } from '../errors.js'
import { redactUrl } from '../text/redact-url.js'
import { withLock } from '../state/lock.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { readPidFile } from '../state/pid-file.js'
import { supervise, detach } from './supervise.js'
import type { Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { cleanUp } from './clean-up.js'
import { decide, lookUnlocked, type Call, type Decision } from './decide.js'
import { follow } from './follow.js'
import { differences } from '../plan/fingerprint.js'
import type { OwnLaunch } from './launch.js'
import type { Adopted } from '../plan/port.js'
import type { ServerInfo } from '../server-info.js'
import { pin, type Hold } from './pin.js'
import { isClaimed, isRecordOf, recordOf, survey, unreadableClaim, type Survey } from './survey.js'
import { reused } from './reuse.js'

/** How often a launch whose port was ours to choose is tried on another one. */
const PORTS_TRIED = 3

/** Looks, and when there is nothing to follow takes a turn at the lock. */
const nextDecision = async (context: Context, deadline: Deadline, call: Call): Promise<Decision> => {
  const { system, paths, report } = context
  const look = () => lookUnlocked(context, deadline.began)
  const decision = await withLock(system, paths, deadline, () => decide(context, deadline.began, call), {
    look, onWait: () => report({ type: 'waiting', for: 'lock' }),
  })
  if (decision.kind === 'failed') throw decision.error
  if (decision.kind === 'follow' && decision.launch.id === context.inside) throw insideServer(paths.pidFile)
  return decision
}

/** Between two turns: whoever withdrew waits at random, so that not all come back at once. */
const backOff = async ({ system, settings, paths }: Context, decision: Decision, deadline: Deadline): Promise<void> => {
  if (decision.kind === 'port-lost' && settings.port.kind === 'fixed') throw portInUse(decision.port, 'by now: another process took it', {})
  if (deadline.passed) {
    if (decision.kind === 'foreign-pid') throw serverUnhealthy(`the port of PID ${decision.pid}`, deadline.total, `${paths.pidFile} names it, and one-server did not launch it`, { pid: decision.pid })
    throw startTimeout(deadline.total, 'each launch that was seen in that time was withdrawn or ended', {})
  }
  const pause = decision.kind === 'foreign-pid' ? settings.healthCheckInterval : 10 + system.random() * 40
  await system.sleep(Math.min(pause, deadline.left), { signal: deadline.signal })
}

/** The server, whatever has to be waited for, cleaned up or launched for it. */
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

const followLaunch = async (context: Context, launch: Launch, seen: Survey, deadline: Deadline, hold: Hold): Promise<ServerInfo | undefined> => {
  const { pidFile, hasLeftovers } = seen
  const record = await recordOf(context, launch, pidFile)
  if (record === undefined) {
    if (await isClaimed(context, launch)) throw unreadableClaim(context, launch)
    return undefined
  }
  assertFingerprint(context, record)
  if (!(await hold.place(context, launch))) return undefined
  const followed = await follow(context, launch, record, deadline)
  if (followed.kind === 'failed') throw followed.error
  if (followed.kind === 'gone') return undefined
  // A ready launch has published itself: a PID file that says otherwise was overwritten or removed by a client that had lost the lock.
  const published = launch.ready ? pidFile : await readPidFile(context.system, context.paths)
  if (hasLeftovers || !(published.kind === 'record' && isRecordOf(published.record, launch))) {
    const { living } = await withLock(context.system, context.paths, deadline, async () => {
      await cleanUp(context, await survey(context, { since: deadline.began }))
      return survey(context, { since: deadline.began })
    })
    // Something else was published, or nothing any more: the answer may be an hour old, and the server gone.
    if (living?.id !== launch.id) return undefined
  }
  return reused(context, record, followed.url)
}

/** Throws when what runs is not what this call means. An older version that it may replace has not come so far. */
const assertFingerprint = ({ settings, paths }: Context, { identity, pid }: LaunchRecord): void => {
  const found = settings.onMismatch === 'reuse' ? [] : differences(settings, identity)
  if (found.length > 0) throw configMismatch(paths.pidFile, found, settings.onMismatch === 'restart' ? 'It was not restarted, since only a server of an older version is replaced.' : '', { pid })
}

const adoptedInfo = ({ report, paths, settings }: Context, { url, port, pid }: Adopted): ServerInfo => {
  const origin = baseUrl(url)
  report({ type: 'reused', url: origin, pid, adopted: true })
  return { url: origin, port, pid, started: false, adopted: true, launchId: undefined, pidFile: paths.pidFile, logFile: settings.logFile }
}

const superviseLaunch = async (context: Context, own: OwnLaunch, deadline: Deadline, lost: Set<number>): Promise<ServerInfo | undefined> => {
  const { record } = own
  const mayChooseAgain = context.settings.port.kind !== 'fixed' && lost.size + 1 < PORTS_TRIED
  context.report({ type: 'waiting', for: 'health', url: redactUrl(record.health.urls[0]!), pid: record.pid })
  const attended = await supervise(context, own, deadline.signal, mayChooseAgain)
  switch (attended.kind) {
    case 'failed':
      throw attended.error
    case 'port-lost':
      lost.add(record.port)
      return undefined
    case 'retry':
      return undefined
    case 'ready': {
      const origin = baseUrl(attended.url)
      context.report({ type: 'ready', url: origin, pid: record.pid, launchId: record.launch })
      return {
        url: origin, port: record.port, pid: record.pid, started: true, adopted: false, launchId: record.launch,
        pidFile: context.paths.pidFile, logFile: record.logFile,
      }
    }
  }
}

/** Starts the server when there is none, and leaves the waiting to others. Its PID, if it can be seen. */
export const startOnly = async (context: Context, deadline: Deadline): Promise<number | undefined> => {
  const call: Call = { lost: new Set(), hold: pin }
  for (;;) {
    const decision = await nextDecision(context, deadline, call)
    switch (decision.kind) {
      case 'follow': {
        const { launch, survey: { pidFile } } = decision
        const record = await recordOf(context, launch, pidFile)
        if (record !== undefined) assertFingerprint(context, record)
        if (await pin.place(context, decision.launch)) return decision.launch.leader.pid
        await backOff(context, decision, deadline)
        break
      }
      case 'adopted':
        return decision.server.pid
      case 'foreign-pid':
        return decision.pid
      case 'launched':
        await detach(context, decision.own.record)
        return decision.own.launch.leader.pid
      default:
        await backOff(context, decision, deadline)
    }
  }
}
