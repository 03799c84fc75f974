/**
 * Whether *this* launch is ready. A healthy answer alone does not show that: of two PID files with one port, the loser
 * would report the winner's server as its own. So ready means that the health check has answered, that the launch lives
 * after the answer, and that this launch gave the answer: by the launch id in it, else by the owner of the socket, where
 * the kernel tells.
 */
import type { Context } from '../context.js'
import { endpointOf } from '../health/address.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import type { Healthy, Probe } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import { judgeLaunch } from './liveness.js'

/** ms that a health check may take past the deadline of the launch: the callers have waited long enough. */
export const LAST_CHECK = 500

/** One health check of a launch that is not known to be ready. */
export const probeLaunch = async (
  context: Context, launch: Launch, record: LaunchRecord, longest = record.healthTimeout,
): Promise<Probe> => {
  const answer = await context.system.probe(record.health, Math.min(record.healthTimeout, longest))
  return answer.healthy ? confirm(context, launch, answer) : answer
}

/** Looks at a healthy answer again: it stays `healthy` only if this launch gave it. */
export const confirm = async (context: Context, launch: Launch, answer: Healthy): Promise<Probe> => {
  const { url } = answer
  if (isOtherLaunch(answer, launch.id)) return answeredByOther(url)
  const owner = answer.launchId === undefined ? await foreignOwnerOf(context, launch, url) : undefined
  if (owner !== undefined) {
    return { healthy: false, reason: `${redactUrl(url)} is answered by PID ${owner}, which does not belong to the server` }
  }
  const verdict = await judgeLaunch(context.system, launch)
  return verdict === 'alive' || verdict === 'headless' ? answer : { healthy: false, reason: 'the server has exited' }
}

/**
 * The process outside the launch that answers at this URL. Undefined when the launch answers itself, or when the
 * kernel does not tell.
 */
const foreignOwnerOf = async ({ system }: Context, { id, leader }: Launch, href: string): Promise<number | undefined> => {
  const at = endpointOf(href)
  // A path does not tell the owner of a Unix socket. `plan/port.ts` refused a socket that answered before the launch.
  if (at === undefined) return undefined
  const owner = await system.ownerOf(await system.listenersAt(at.host, at.port), leader.pid)
  if (owner === undefined || owner.pid === leader.pid || owner.launchId === id) return undefined
  const kin = await system.kin(leader, id)
  return kin.some(({ pid }) => pid === owner.pid) ? undefined : owner.pid
}

/**
 * Whether the server that answered gave the id of another launch. Only the processes of a launch know its id; a child
 * may outlive the leader, so the id does not show that the leader lives.
 */
export const isOtherLaunch = ({ launchId }: Healthy, id: string): boolean => launchId !== undefined && launchId !== id

export const answeredByOther = (url: string): Probe =>
  ({ healthy: false, reason: `${redactUrl(url)} is answered by another server, by the launch id that it gives` })
