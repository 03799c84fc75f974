/**
 * Waits for a server that others start, and starts nothing: it takes no lock, writes no file and ends no launch, so a client that dies or
 * sleeps anywhere in it leaves nothing. A failure of a launch that it waits for is its own, as for each client that waits. Its patience
 * is no objection to the end of a launch, and it runs no readiness command: others mark the launch as ready.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { startTimeout } from '../errors.js'
import { awaited } from '../health/awaited.js'
import { findAdoptable } from '../plan/port.js'
import type { ServerInfo } from '../server-info.js'
import { readyMark, recordOf, unmarked } from '../state/claim.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { checkAgain, looking } from './check-again.js'
import { placeOf, reused } from './reuse.js'
import { survey } from './survey.js'

/** ms between two looks. */
const PAUSE = 200

const NOBODY = 'nobody has started it'
const HINT = 'one-server start starts it; one-server status shows what runs. If it needs longer, raise the time: --timeout.'

/** Of a server that hosts share, its steward knows more than its health check says. */
const whyNot = async (record: LaunchRecord, reason: string): Promise<string> =>
  record.identity.coordinator === undefined ? reason : (await (await import('../across/ask.js')).whatSteward(record, reason)).reason

/** The server once it is ready, and otherwise in words what stands in the way. */
const look = async (context: Context, deadline: Deadline): Promise<ServerInfo | string> => {
  const { paths, settings, report } = context
  const { living, serving, pidFile, failed } = await survey(context, deadline)
  if (living !== undefined) {
    const record = await recordOf(context, living, pidFile)
    if (record === undefined) return 'its launch cannot be read'
    if (!living.ready) {
      report({ type: 'waiting', for: 'launch', pid: living.leader.pid })
      return whyNot(record, `waiting for ${awaited(record.health)} of a launch of another client (PID ${living.leader.pid})`)
    }
    const mark = (await readyMark(context, living.id)) ?? unmarked(record.health.urls[0]!)
    const answer = await checkAgain(looking(context), record, mark.url)
    return answer.healthy ? reused(context, record, mark, serving) : whyNot(record, answer.reason)
  }
  if (failed !== undefined) throw failed
  const found = await findAdoptable(context, { starts: false })
  if (found === undefined) return NOBODY
  const { port, pid } = found
  const { logFile } = settings
  return { ...placeOf(found), port, pid, started: false, adopted: true, launchId: undefined, pidFile: paths.pidFile, logFile }
}

/** Throws what a launch failed with, START_TIMEOUT when the time is over, and ABORTED. */
export const awaitServer = async (context: Context, deadline: Deadline): Promise<ServerInfo> => {
  for (;;) {
    deadline.check()
    const isLast = deadline.passed
    const seen = await look(context, deadline)
    if (typeof seen !== 'string') return seen
    // A look after the end: what came while this client had no processor counts.
    if (isLast) throw startTimeout(deadline.total, seen, {}, HINT)
    await context.system.sleep(Math.min(PAUSE, deadline.left), { signal: deadline.signal })
  }
}
