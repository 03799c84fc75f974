/**
 * Using a server that is ready. That is what most calls do, so nothing else is loaded for it: the first
 * look, one health check, and whether it is still this server. Whatever is not as it should be is left
 * to `ensure.ts`.
 */
import type { Deadline } from '../deadline.js'
import { baseUrl } from '../health/address.js'
import { serverUnhealthy, type OneServerError } from '../errors.js'
import { redactUrl } from '../text/redact-url.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge, type Probe } from '../system/system.js'
import { answeredByOther, isOtherLaunch, readyUrl } from './readiness.js'
import type { Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { differences } from '../plan/fingerprint.js'
import { LOG_LINES } from '../state/outcome.js'
import type { ServerInfo } from '../server-info.js'
import type { Hold } from './pin.js'
import { isRecordOf, survey } from './survey.js'

/** `gone`: it was withdrawn, stopped or has died; look again from the start. */
export type Followed = { readonly kind: 'ready'; readonly url: string } | { readonly kind: 'failed'; readonly error: OneServerError } | { readonly kind: 'gone' }

/** One health check of a launch that was found ready at `url`. One that was ready by its log is so for as long as it lives. */
export const checkHealth = async ({ system }: Context, { launch, health, healthTimeout }: LaunchRecord, url: string | undefined): Promise<Probe> => {
  if (health.log !== undefined && url !== undefined) return { healthy: true, url }
  const answer = await system.probe(url === undefined ? health : { ...health, urls: [url] }, healthTimeout)
  return answer.healthy && isOtherLaunch(answer, launch) ? answeredByOther(answer.url) : answer
}

/** A server that is ready: one health check, then whether it is still this server. Until the deadline, since busy is not dead. */
export const awaitReady = async (context: Context, launch: Launch, record: LaunchRecord, deadline: Deadline): Promise<Followed> => {
  const { system, report } = context
  const url = await readyUrl(context, launch.id)
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    const answer = await checkHealth(context, record, url)
    if (judge(launch.leader, await system.look(launch.leader.pid)) !== 'alive') return { kind: 'gone' }
    if (answer.healthy) return { kind: 'ready', url: answer.url }
    if ((await context.system.list(context.paths.host)).includes(`${launch.id}.ended`)) return { kind: 'gone' }
    if (deadline.passed) {
      const logTail = await system.tail(record.logFile, LOG_LINES)
      const data = { pid: record.pid, port: record.port, logFile: record.logFile, logTail }
      return { kind: 'failed', error: serverUnhealthy(baseUrl(url ?? record.health.urls[0]!), deadline.total, answer.reason, data) }
    }
    if (!waiting) report({ type: 'waiting', for: 'health', url: redactUrl(url ?? record.health.urls[0]!), pid: record.pid })
    await system.sleep(Math.min(record.healthCheckInterval, deadline.left), { signal: deadline.signal })
  }
}

/** What a caller is told of a server that somebody else launched. */
export const reused = ({ paths, settings, report }: Context, { port, pid, launch, logFile }: LaunchRecord, url: string): ServerInfo => {
  const origin = baseUrl(url)
  report({ type: 'reused', url: origin, pid, adopted: false })
  return { url: origin, port, pid, started: false, adopted: false, launchId: launch, pidFile: paths.pidFile, logFile: logFile ?? settings.logFile }
}

/** The server, if it is ready, published and in use already: then there is nothing to wait for and nothing to set right. */
export const reuseReady = async (context: Context, deadline: Deadline, hold: Hold): Promise<ServerInfo | undefined> => {
  const { system, inside } = context
  const { living, pidFile, hasLeftovers } = await survey(context, { since: deadline.began })
  if (living === undefined || !living.ready || living.id === inside || hasLeftovers) return undefined
  if (pidFile.kind !== 'record' || !isRecordOf(pidFile.record, living)) return undefined
  if (context.settings.onMismatch !== 'reuse' && differences(context.settings, pidFile.record.identity).length > 0) return undefined
  if (!(await hold.place(context, living))) return undefined
  const { record } = pidFile
  const url = await readyUrl(context, living.id)
  const answer = await checkHealth(context, record, url)
  if (!answer.healthy) return undefined
  // Also where the answer has its launch id, which a child of a leader that has died since knows as well.
  if (judge(living.leader, await system.look(living.leader.pid)) !== 'alive') return undefined
  return reused(context, record, answer.url)
}
