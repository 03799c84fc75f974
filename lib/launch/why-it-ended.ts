/**
 * Why a launch is over, for those who wait for it: by what it wrote down, else by how it exited, its log
 * and its port.
 */
import { portInUse, serverExited, type OneServerError } from '../errors.js'
import type { LaunchRecord } from '../state/launch-record.js'
import type { Exit } from '../system/system.js'
import { markPath, type Launch } from './claims.js'
import type { Context } from './context.js'
import { endedBecause, LOG_LINES } from './outcome.js'
import { isFree } from './ports.js'
import { recordOf } from './survey.js'

/** What a client tells that finds a launch over which it did not make itself. */
export const reasonFor = async (context: Context, launch: Launch): Promise<OneServerError | undefined> => {
  if (launch.ended) return endedBecause(context, launch.id)
  if (!(await hasRun(context, launch))) return undefined
  const record = await recordOf(context, launch)
  if (record === undefined) return serverExited({ pid: launch.leader.pid })
  const error = await whyItExited(context, record, {})
  // A port that was ours to choose is chosen again, as its launcher would have done.
  return error.code === 'PORT_IN_USE' && context.settings.port.kind !== 'fixed' ? undefined : error
}

/** Why a server that has run exited before it was ready, as far as `exit`, its log and its port tell. */
export const whyItExited = async (context: Context, { logFile, port, pid, health }: LaunchRecord, exit: Exit): Promise<OneServerError> => {
  const data = { ...exit, pid, logFile, logTail: await context.system.tail(logFile, LOG_LINES) }
  // Of a server at a Unix socket the log may mean that one, which another port is no help for.
  const saysSo = /EADDRINUSE|address already in use/i.test(data.logTail) && !health.urls.some((url) => url.startsWith('socket:'))
  if (saysSo || !(await isFree(context, port))) {
    return portInUse(port, 'by now: the server lost it to another process between the choice and the bind', data)
  }
  return serverExited(data)
}

/** Whether the gate was opened: a launch that never ran has not failed. */
const hasRun = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> => {
  const gate = await system.read(markPath(paths, id, 'gate'))
  return gate.kind === 'file' && gate.text !== ''
}
