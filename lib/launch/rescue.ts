/**
 * A launch whose claim went although it lives: something else than a client deleted the state, since a
 * claim goes only after the death was seen. Whoever launched it or waits for it is the last to know of it,
 * and must not leave it an orphan.
 */
import { Deadline } from '../deadline.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import type { Launch } from './claims.js'
import type { Context } from './context.js'
import { restoreClaim } from './restore.js'
import { survey } from './survey.js'
import { terminate } from './terminate.js'
import { judgeLaunch } from './verdict.js'

/** ms to wait for a turn at the lock. Whoever does not get it lets others look who have seen the same. */
const PATIENCE = 5000

const lives = async ({ system }: Context, launch: Launch): Promise<boolean> => ['alive', 'headless'].includes(await judgeLaunch(system, launch))

/** Gives its claim back to a launch that lives; ends it if another one has taken its place. */
export const rescue = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system, paths } = context
  if (!(await lives(context, launch))) return
  await withLock(system, paths, new Deadline(system, PATIENCE), async () => {
    const { living, listing } = await survey(context, Number.POSITIVE_INFINITY)
    if (listing.launches.some(({ id }) => id === launch.id)) return
    if (living !== undefined || (await restoreClaim(context, record)) === 'over') await terminate(system, launch, record)
  })
}
