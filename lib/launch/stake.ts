/**
 * What a call writes so that nobody ends the launch under it: a pin, which stays, or a lease, which
 * ends with its holder. Written before the gate opens by whoever launches, and before the wait by
 * whoever follows, so there is no instant in which a launch that somebody wants looks idle.
 */
import { createFile, markPath, type Launch } from './claims.js'
import type { Context } from './context.js'
import { stands } from './ending.js'

export interface Stake {
  /** Puts it on a launch, unless it is there. False: the launch is being ended. */
  put(context: Context, launch: Pick<Launch, 'id' | 'pinned'>): Promise<boolean>
  /** Takes back what has to be taken back, when nothing came of the launch. */
  withdraw(context: Context): Promise<void>
}

/** Somebody started the server explicitly: no lease decides when it ends. */
export const pin: Stake = {
  async put(context, { id, pinned }) {
    if (pinned) return true
    await createFile(context, markPath(context.paths, id, 'pin'), '')
    return stands(context, id, 'idle')
  },
  async withdraw() {},
}

/** A stake on a launch that is pinned for somebody else as well. */
export const pinned = (stake: Stake): Stake => ({
  put: async (context, launch) => (await pin.put(context, launch)) && stake.put(context, { ...launch, pinned: true }),
  withdraw: (context) => stake.withdraw(context),
})
