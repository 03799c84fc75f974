/**
 * What a call writes so that nobody ends the launch under it: a pin, which stays, or a lease, which
 * ends with its holder. Written before the gate opens by whoever launches, and before the wait by
 * whoever follows, so there is no instant in which a launch that somebody wants looks idle.
 */
import { createFile, markPath, type Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { vetoEnding } from './ending-rule.js'

export interface Hold {
  /** Puts it on a launch, unless it is there. False: the launch is being ended. */
  place(context: Context, launch: Pick<Launch, 'id' | 'pinned'>): Promise<boolean>
  /** Takes back what has to be taken back, when nothing came of the launch. */
  release(context: Context): Promise<void>
}

/** Somebody started the server explicitly: no lease decides when it ends. */
export const pin: Hold = {
  async place(context, { id, pinned }) {
    if (pinned) return true
    await createFile(context, markPath(context.paths, id, 'pin'), '')
    return vetoEnding(context, id, 'idle')
  },
  async release() {},
}

/** A hold on a launch that is pinned for somebody else as well. */
export const pinned = (hold: Hold): Hold => ({
  place: async (context, launch) => (await pin.place(context, launch)) && hold.place(context, { ...launch, pinned: true }),
  release: (context) => hold.release(context),
})
