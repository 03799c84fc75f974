/**
 * The health of a launch that is ready, for callers that a warm call does not have among them: those that wait for it, and those
 * that tell a person. They have the time to look whose answer it is each time, since a launch may lose its port while its leader lives.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { serverUnhealthy, type OneServerError } from '../errors.js'
import { readyMark, unmarked, type ReadyMark } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { LOG_LINES } from '../state/outcome.js'
import type { Probe } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import { judgeLaunch, servingProcess } from './liveness.js'
import { answeredByStranger, strangerAt } from './readiness.js'
import { checkHealth, ownOf } from './reuse.js'

/** `gone`: the launch was withdrawn or stopped, or has died; look again from the start. */
export type Followed =
  | { readonly kind: 'ready'; readonly at: ReadyMark }
  | { readonly kind: 'failed'; readonly error: OneServerError }
  | { readonly kind: 'gone' }

/** A context for a call that only looks: no options of it name a command, so it runs none. */
export const looking = (context: Context): Context => ({ ...context, settings: { ...context.settings, ready: undefined } })

/** As `checkHealth`, for callers with time for one look more: another user may have taken the port of a launch that lost it. */
export const checkAgain = async (context: Context, record: LaunchRecord, url: string | undefined): Promise<Probe> => {
  const answer = await checkHealth(context, record, url)
  const stranger = answer.healthy ? await strangerAt(context, ownOf(record), answer.url) : undefined
  return answer.healthy && stranger !== undefined ? answeredByStranger(answer.url, stranger) : answer
}

/** Waits until a ready launch answers its health check. A busy server is not a dead one, so only the deadline ends the wait. */
export const awaitReady = async (context: Context, launch: Launch, record: LaunchRecord, deadline: Deadline): Promise<Followed> => {
  const { system, paths, report } = context
  const mark = await readyMark(context, launch.id)
  const shown = mark ?? unmarked(record.health.urls[0]!)
  for (let waiting = false; ; waiting = true) {
    deadline.check()
    const answer = await checkAgain(context, record, mark?.url)
    const verdict = await judgeLaunch(system, launch)
    if (verdict === 'dead') return { kind: 'gone' }
    if (answer.healthy) return { kind: 'ready', at: mark ?? unmarked(answer.url) }
    if (verdict === 'headless' && (await servingProcess(context, launch)) === undefined) return { kind: 'gone' }
    if ((await system.list(paths.host)).includes(`${launch.id}.ended`)) return { kind: 'gone' }
    if (deadline.passed) {
      const { pid, port, logFile } = record
      const logTail = await system.tail(logFile, LOG_LINES)
      const data = { pid, port, logFile, logTail }
      const error = record.identity.coordinator === undefined ? serverUnhealthy(shown.base, deadline.total, answer.reason, data)
        : await (await import('../across/ask.js')).unhealthy(record, mark, deadline.total, answer.reason, data)
      return { kind: 'failed', error }
    }
    if (!waiting) report({ type: 'waiting', for: 'health', url: redactUrl(shown.url), pid: record.pid })
    await system.sleep(Math.min(record.healthCheckInterval, deadline.left), { signal: deadline.signal })
  }
}
