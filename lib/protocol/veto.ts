/**
 * The part of the rule for ending that each user of a launch has: the veto. A call that finds a ready server places its hold and needs
 * no more of the rule, so this part is a warm file of its own, and `ending-rule.ts` tells the whole.
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { endingsOf, findLaunch, type Ending, type Launch } from '../state/directory.js'

/** Removes the intentions to end a launch for this reason. Call it once the objection is written. Returns whether the launch goes on. */
export const vetoEnding = async (context: Context, id: string, why: Ending): Promise<boolean> =>
  (await launchInUse(context, id, why)) !== undefined

/** The same. Returns the launch as it is after that, or nothing when it does not go on. */
export const launchInUse = async (context: Context, id: string, why: Ending): Promise<Launch | undefined> => {
  const { system, paths } = context
  for (const name of endingsOf(id, await system.list(paths.host), why)) await system.remove(join(paths.host, name))
  // A listing beside a rename may show neither name of the file, so only a second listing proves that there is no `.ended`.
  const launch = await findLaunch(context, id)
  return launch?.ended === false ? launch : undefined
}
