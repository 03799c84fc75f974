/**
 * Whether *this* launch is ready. A healthy answer alone does not show that: of two PID files with one port, the loser
 * would report the winner's server as its own. So ready means that the health check has answered, that the launch lives
 * after the answer, and that this launch gave the answer: by the launch id in it, else by the owner of the socket, where
 * the kernel tells. The launch id is no secret (ps shows it to every user, and the server may tell it to all), so a socket of
 * another user is a stranger's whatever it answers.
 */
import type { Context } from '../context.js'
import { endpointOf } from '../health/address.js'
import { chooseUrl } from '../plan/choose-url.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { isAnotherUsers, type Answering, type Healthy, type Listener, type Probe } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import { judgeLaunch } from './liveness.js'
import { answeredByOther, isOtherLaunch, ownOf } from './reuse.js'

/** ms that a health check may take past the deadline of the launch: the callers have waited long enough. */
export const LAST_CHECK = 500

/** One health check of a launch that is not known to be ready. */
export const probeLaunch = async (
  context: Context, launch: Launch, record: LaunchRecord, longest = record.healthTimeout,
): Promise<Probe> => {
  const own = record.health.command && (await (await import('../plan/own-command.js')).askable(context, record))
  const plan = own ?? record.health
  const answer = await context.system.probe(plan, Math.min(record.healthTimeout, longest), undefined, launch)
  return answer.healthy ? confirm(context, launch, answer) : answer
}

/** Looks at a healthy answer again: it stays `healthy` only if this launch gave it. */
export const confirm = async (context: Context, launch: Launch, answer: Healthy): Promise<Probe> => {
  const { url } = answer
  if (isOtherLaunch(answer, launch.id)) return answeredByOther(url)
  const stranger = await strangerAt(context, launch, url, answer.launchId === undefined)
  if (stranger !== undefined) return answeredByStranger(url, stranger)
  const verdict = await judgeLaunch(context.system, launch)
  return verdict === 'alive' || verdict === 'headless' ? answer : { healthy: false, reason: 'the server has exited' }
}

/**
 * Who outside the launch answers at this URL, in words. Undefined when the launch answers itself, or when the kernel does not
 * tell. `byProcess`: a process of this user's that is not of the launch is a stranger as well.
 */
export const strangerAt = async (context: Context, own: Answering, href: string, byProcess = false): Promise<string | undefined> => {
  const at = endpointOf(href)
  // A path does not tell the owner of a Unix socket. `plan/port.ts` refused a socket that answered before the launch.
  if (at === undefined) return undefined
  const listeners = await context.system.listenersAt(at.host, at.port)
  if (!byProcess && !listeners.some(isAnotherUsers)) return undefined
  const holder = await holderOf(context, own, listeners)
  return holder === 'own' ? undefined : holder?.stranger
}

/** Who holds these sockets: the launch, or a stranger, in words. Undefined when the kernel does not tell. */
const holderOf = async (
  { system }: Context, { id, leader }: Answering, listeners: readonly Listener[],
): Promise<'own' | { readonly stranger: string } | undefined> => {
  const other = listeners.find(isAnotherUsers)
  const owner = await system.ownerOf(listeners, leader.pid)
  if (owner?.pid === leader.pid) return 'own'
  // What root has started may give up its user before it listens. Anybody may carry a launch id, so for another user only the
  // group and the parents count.
  const isKin = owner !== undefined &&
    ((other === undefined && owner.launchId === id) ||
      (await system.kin(leader, id)).some((one) => one.pid === owner.pid && (one.inGroup || one.isDescendant || other === undefined)))
  if (isKin) return 'own'
  if (other !== undefined) return { stranger: `another user (uid ${other.uid})` }
  return owner === undefined ? undefined : { stranger: `PID ${owner.pid}, which does not belong to the server` }
}

/** The URL that callers get of a launch that answered at `url`. */
export const urlOf = (context: Context, record: LaunchRecord, url: string): Promise<string> => {
  const own = ownOf(record)
  return chooseUrl(context.system, { plan: record.health, url, timeout: record.healthTimeout, own }, async (listeners) => {
    const holder = await holderOf(context, own, listeners)
    return holder === undefined ? 'unknown' : holder === 'own' ? 'own' : 'stranger'
  })
}

export const answeredByStranger = (url: string, who: string): Probe =>
  ({ healthy: false, reason: `${redactUrl(url)} is answered by ${who}` })
