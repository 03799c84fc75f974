/**
 * Step 1, for a server that is ready: look, ask its health check once, and see that it is still this server. Most
 * calls do nothing else, so this file loads nothing else (a warm file); every other case is `ensure.ts`'s.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { serverUnhealthy, type OneServerError } from '../errors.js'
import { baseUrl } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import { differences } from '../plan/fingerprint.js'
import type { ServerInfo } from '../server-info.js'
import { isRecordOf, readyUrl } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { LOG_LINES } from '../state/outcome.js'
import { judge, type Probe, type ProcessId } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import type { Hold } from './pin.js'
import { judgeLaunch, servingProcess } from './liveness.js'
import { answeredByOther, isOtherLaunch } from './readiness.js'
import { survey } from './survey.js'

/** `gone`: the launch was withdrawn or stopped, or has died; look again from the start. */
export type Followed =
  | { readonly kind: 'ready'; readonly url: string }
  | { readonly kind: 'failed'; readonly error: OneServerError }
  | { readonly kind: 'gone' }

/** The server, if it is ready and published and the folder holds no leftovers: then there is nothing to wait for and nothing to mend. */
export const reuseReady = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo | undefined> => {
  const { system, inside, settings } = context
  const { living, pidFile, hasLeftovers } = await survey(context, { since: deadline.began })
  if (living === undefined || !living.ready || living.id === inside || hasLeftovers) return undefined
  if (pidFile.kind !== 'record' || !isRecordOf(pidFile.record, living)) return undefined
  const { record } = pidFile
  if (settings.onMismatch !== 'reuse' && differences(settings, record.identity).length > 0) return undefined
  if (!(await hold.place(context, living))) return undefined
  const answer = await checkHealth(context, record, await readyUrl(context, living.id))
  if (!answer.healthy) return undefined
  // A child that outlives its leader knows the launch id as well, so an answer that bears the launch id does not spare this look.
  if (judge(living.leader, await system.look(living.leader.pid)) !== 'alive') return undefined
  return reused(context, record, answer.url)
}

/** Waits until a ready launch answers its health check. A busy server is not a dead one, so only the deadline ends the wait. */
export const awaitReady = async (context: Context, launch: Launch, record: LaunchRecord, deadline: Deadline): Promise<Followed> => {
  const { system, paths, report } = context
  const url = await readyUrl(context, launch.id)
  const shown = url ?? record.health.urls[0]!
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    const answer = await checkHealth(context, record, url)
    const verdict = await judgeLaunch(system, launch)
    if (verdict === 'dead') return { kind: 'gone' }
    if (answer.healthy) return { kind: 'ready', url: answer.url }
    if (verdict === 'headless' && (await servingProcess(context, launch)) === undefined) return { kind: 'gone' }
    if ((await system.list(paths.host)).includes(`${launch.id}.ended`)) return { kind: 'gone' }
    if (deadline.passed) {
      const { pid, port, logFile } = record
      const logTail = await system.tail(logFile, LOG_LINES)
      return { kind: 'failed', error: serverUnhealthy(baseUrl(shown), deadline.total, answer.reason, { pid, port, logFile, logTail }) }
    }
    if (!waiting) report({ type: 'waiting', for: 'health', url: redactUrl(shown), pid: record.pid })
    await system.sleep(Math.min(record.healthCheckInterval, deadline.left), { signal: deadline.signal })
  }
}

/** One health check of a launch that was found ready at `url`. A kind that is not asked again stays ready while it lives. */
export const checkHealth = async (
  { system }: Context, { launch, health, healthTimeout }: LaunchRecord, url: string | undefined,
): Promise<Probe> => {
  if (!traitsOf(health).isAskedAgain && url !== undefined) return { healthy: true, url }
  const answer = await system.probe(url === undefined ? health : { ...health, urls: [url] }, healthTimeout)
  return answer.healthy && isOtherLaunch(answer, launch) ? answeredByOther(answer.url) : answer
}

/** What a caller gets of a server that another client launched. `serving`: the process by which a headless launch is known. */
export const reused = ({ paths, settings, report }: Context, record: LaunchRecord, href: string, serving?: ProcessId): ServerInfo => {
  const { port, launch, logFile } = record
  const { pid } = serving ?? record
  const url = baseUrl(href)
  report({ type: 'reused', url, pid, adopted: false })
  return { url, port, pid, started: false, adopted: false, launchId: launch, pidFile: paths.pidFile, logFile: logFile ?? settings.logFile }
}
