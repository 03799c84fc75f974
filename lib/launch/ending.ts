/**
 * Ending a launch that somebody may still want, and using one that somebody may be ending. Both sides
 * first write what they mean and then look for the other, so at least one of them sees the other; the
 * rename makes that sight final. Nobody waits for the one who ends, and nobody judges it: it may die
 * or sleep for an hour at any point.
 *
 * To end: create `.ending`; look for objections (`.ready`, or a health check that answers); none →
 * rename it to `.ended` (it is gone → give up); only then signal.
 * To use: write the objection first (`.ready`, after a 200), unlink every `.ending`, then look for
 * `.ended`: there → help to finish it, and start anew.
 */
import { join } from 'node:path'
import type { OneServerError } from '../errors.js'
import { FORMAT, type LaunchRecord } from '../state/launch-record.js'
import { endingPath, endingsOf, listClaims, markPath, tempPath, type Launch } from './claims.js'
import type { Context } from './context.js'
import { tell } from './outcome.js'
import { LAST_CHECK, probeLaunch } from './readiness.js'

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

/** Writes that the health check has answered. The URL that everyone uses is the first one written; undefined when the launch is being ended. */
export const markReady = async (context: Context, { launch: id, keeper }: Pick<LaunchRecord, 'launch' | 'keeper'>, url: string): Promise<string | undefined> => {
  const { system, paths } = context
  // From here on nobody has to know how the server ends, and it need not descend from anybody. Before the mark, since after it nobody would.
  if (keeper !== undefined) await system.signal(keeper, 'SIGKILL')
  await system.create(markPath(paths, id, 'ready'), JSON.stringify({ format: FORMAT, url }), await tempPath(system, paths))
  for (const name of endingsOf(id, await system.list(paths.host))) await system.remove(join(paths.host, name))
  // Without its claim the launch has been ended already, mark and all.
  const launch = (await listClaims(system, paths)).launches.find((one) => one.id === id)
  if (launch === undefined || launch.ended) return undefined
  return (await readyUrl(context, id)) ?? url
}

/** Ends a launch that is past its deadline, unless somebody objects. True: it is ours to settle. */
export const endPastDeadline = async (context: Context, launch: Launch, record: LaunchRecord, because: OneServerError): Promise<boolean> => {
  const { system, paths } = context
  const ending = endingPath(paths, launch.id, await system.randomId())
  await system.create(ending, tell(because, system.now()), await tempPath(system, paths))
  const names = await system.list(paths.host)
  const objects = names.includes(`${launch.id}.ready`) || (await probeLaunch(context, launch, record, LAST_CHECK)).healthy
  if (objects) {
    await system.remove(ending)
    return false
  }
  return system.rename(ending, markPath(paths, launch.id, 'ended'))
}
