/** What clients that are gone left in the folder: marks without a claim, notes of dead processes, outcomes that nobody waits for any more. */
import { join } from 'node:path'
import { judge } from '../system/system.js'
import { listClaims, markPath } from './claims.js'
import type { Context } from './context.js'
import { readOutcomes } from './outcome.js'

const removeStale = async ({ system, report }: Context, path: string): Promise<void> => {
  if (await system.remove(path)) report({ type: 'stale-removed', path })
}

/** Removes what clients that are gone left in the folder. Under the lock. */
export const sweep = async (context: Context): Promise<void> => {
  const { system, paths } = context
  const { orphans, outcomes, traces } = await listClaims(system, paths)
  // A claim comes before its marks, so one that is missing in a later listing is gone.
  const { orphans: still } = await listClaims(system, paths)
  for (const name of orphans) if (still.includes(name)) await removeStale(context, join(paths.host, name))
  for (const { name, process } of traces) {
    if (judge(process, await system.look(process.pid)) === 'dead') await removeStale(context, join(paths.host, name))
  }
  const { old } = await readOutcomes(context, outcomes, Number.POSITIVE_INFINITY)
  for (const id of old) await system.remove(markPath(paths, id, 'outcome'))
}
