/**
 * How long a launch may boot: for as long as the most patient client waits for it. The claim says how long its launcher waits, and
 * a first client with 3 s would end a boot that a second client allows 20 s. So a client that waits for longer writes down until
 * when: an objection against an end past the deadline, which obeys the rule in `ending-rule.ts`.
 *
 * Each client that waits for longer than the claim says writes its own objection, also beside others: the client that objected
 * first may be killed in the next moment, and its objection counts for nothing then. A client that dies or sleeps right before it
 * writes has not objected, and looks again when it goes on; one that dies right after leaves the file of a dead process.
 */
import type { Context } from '../context.js'
import { MARGIN } from '../deadline.js'
import { createFile, waitPath, type Listing } from '../state/directory.js'
import { judge } from '../system/system.js'
import { vetoEnding } from './veto.js'

/** One client's objection to the end of one launch. */
export class Patience {
  /** Until when others know that this client waits, in monotonic ms. */
  #until: number
  #path: string | undefined

  /** @param known Until when the launch may boot without this client. */
  constructor(readonly context: Context, readonly id: string, known: number) {
    this.#until = known
  }

  /** Objects until then, unless that is known. Look at the launch afterwards: another client may have ended it. */
  async extend(until: number): Promise<void> {
    const { context, id } = this
    const { system, paths } = context
    if (until <= this.#until + MARGIN || until <= system.now()) return
    const before = this.#path
    this.#until = until
    this.#path = waitPath(paths, await system.randomId(), id, await system.self(), until)
    await createFile(context, this.#path, '')
    await vetoEnding(context, id, 'ending')
    if (before !== undefined) await system.remove(before)
  }

  /** Waits no longer. A client that has its answer must not fail here: the file goes with its process or with the claim. */
  async end(): Promise<void> {
    if (this.#path !== undefined) await this.context.system.remove(this.#path).catch(() => {})
  }
}

/** Whether a client waits for the launch whose time is not over. A stopped client may go on within its time, so it counts. */
export const isAwaited = async ({ system }: Context, { traces }: Listing, id: string): Promise<boolean> => {
  for (const { process, waits } of traces) {
    if (waits === undefined || waits.launchId !== id || waits.until <= system.now()) continue
    if (judge(process, await system.look(process.pid)) !== 'dead') return true
  }
  return false
}
