/**
 * Whether *this* launch is healthy. A 200 alone does not say so: with two PID files on one port the
 * loser would report the winner's server as its own. Ready means that the health check has answered,
 * that the leader lives after the answer, and that it was the launch that answered: by the launch id if
 * the server gives it, else, where the kernel tells, by the socket.
 */
import { bareHost, portOf } from '../health/address.js'
import { redacted } from '../health/redacted.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge, type Healthy, type Probe } from '../system/system.js'
import { answeredByAnother, isAnothers } from './answer.js'
import type { Launch } from './claims.js'
import type { Context } from './context.js'

/** Who else answers at this URL: undefined when it is the launch itself, or when that cannot be seen. */
const strangerAt = async ({ system }: Context, { id, leader }: Launch, href: string): Promise<number | undefined> => {
  const url = new URL(href)
  // Whose a Unix socket is, a path does not tell; it was refused before if something answered there.
  if (url.protocol === 'socket:') return undefined
  const owner = await system.ownerOf(await system.listenersAt(bareHost(url.hostname), portOf(url)), leader.pid)
  if (owner === undefined || owner.pid === leader.pid || owner.launch === id) return undefined
  const kin = await system.kin(leader, id)
  return kin.some(({ pid }) => pid === owner.pid) ? undefined : owner.pid
}

/** Looks at what answered: `healthy` only if it is this launch. */
export const confirm = async (context: Context, launch: Launch, answer: Healthy): Promise<Probe> => {
  const { url } = answer
  if (isAnothers(answer, launch.id)) return answeredByAnother(url)
  const stranger = answer.launch === undefined ? await strangerAt(context, launch, url) : undefined
  if (stranger !== undefined) return { healthy: false, reason: `${redacted(url)} is answered by PID ${stranger}, which does not belong to the server` }
  const alive = judge(launch.leader, await context.system.look(launch.leader.pid)) === 'alive'
  return alive ? answer : { healthy: false, reason: 'the server has exited' }
}

/** How long a health check may take past the deadline of the launch, in ms: the caller has waited long enough. */
export const LAST_CHECK = 500

/** One health check of a launch that is not known to be ready yet. */
export const probeLaunch = async (context: Context, launch: Launch, record: LaunchRecord, longest = record.healthTimeout): Promise<Probe> => {
  const answer = await context.system.probe(record.health, Math.min(record.healthTimeout, longest))
  return answer.healthy ? confirm(context, launch, answer) : answer
}
