/**
 * Whether *this* launch is healthy. A 200 alone does not say so: with two PID files on one port the
 * loser would report the winner's server as its own. Ready means that the health check has answered,
 * that the leader lives after the answer, and that it was the launch that answered: by the launch id if
 * the server gives it, else, where the kernel tells, by the socket.
 */
import type { Context } from '../context.js'
import { bareHost, portOf } from '../health/address.js'
import { type Launch, markPath } from '../state/directory.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { type Healthy, judge, type Probe } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'

/** Who else answers at this URL: undefined when it is the launch itself, or when that cannot be seen. */
const foreignOwnerOf = async ({ system }: Context, { id, leader }: Launch, href: string): Promise<number | undefined> => {
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
  if (isOtherLaunch(answer, launch.id)) return answeredByOther(url)
  const stranger = answer.launchId === undefined ? await foreignOwnerOf(context, launch, url) : undefined
  if (stranger !== undefined) return { healthy: false, reason: `${redactUrl(url)} is answered by PID ${stranger}, which does not belong to the server` }
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

/** Whose answer a health check got: a server may say which launch it is, and only the processes of a launch know its id. They may outlive their leader, so an answer with it does not show that the leader lives. */
/** Whether the server that answered says that it is another launch than this one. */
export const isOtherLaunch = ({ launchId }: Healthy, id: string): boolean => launchId !== undefined && launchId !== id

export const answeredByOther = (url: string): Probe => ({ healthy: false, reason: `${redactUrl(url)} is answered by another server, by the launch id that it gives` })

/** The URL that the `.ready` mark of a launch bears: the one at which its health check answered first, and everyone's from then on. */
/** The URL at which a launch was found ready. */
export const readyUrl = async ({ system, paths }: Context, id: string): Promise<string | undefined> => {
  const found = await system.read(markPath(paths, id, 'ready'))
  if (found.kind !== 'file') return undefined
  try {
    const { format, url } = JSON.parse(found.text) as { format: unknown; url: unknown }
    return format === FORMAT && typeof url === 'string' && URL.canParse(url) ? url : undefined
  } catch {
    return undefined
  }
}
