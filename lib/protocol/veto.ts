/**
 * The part of the rule for ending that each user of a launch has: the veto. A call that finds a ready server places its hold and needs
 * no more of the rule, so this part is a warm file of its own, and `ending-rule.ts` tells the whole. A lease places itself without the
 * second listing (`lease.ts`).
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { endingsOf, findLaunch, type Ending } from '../state/directory.js'

/**
 * Removes the intentions to end a launch for this reason. Call it once the objection is written. Returns whether the launch goes on.
 */
export const vetoEnding = async (context: Context, id: string, why: Ending): Promise<boolean> => {
  await removeIntentions(context, id, why)
  // A listing beside a rename may show neither name of the file, so only a second listing proves that there is no `.ended`.
  return (await findLaunch(context, id))?.ended === false
}

/** A client that has written its objection calls this, and looks afterwards whether the launch goes on. */
export const removeIntentions = async ({ system, paths }: Context, id: string, why: Ending): Promise<void> => {
  for (const name of endingsOf(id, await system.list(paths.host), why)) await system.remove(join(paths.host, name))
}
