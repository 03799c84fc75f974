/**
 * What keeps a launch from being idle: a pin, which stays, or a lease, which ends with its holder. The launcher places
 * its hold before it opens the gate, and a follower before it waits, so at no instant does a launch that a client wants
 * look idle.
 */
import type { Context } from '../context.js'
import { createFile, markPath, type Launch } from '../state/directory.js'
import { vetoEnding } from './veto.js'

export interface Hold {
  /** Places it on a launch, unless it is there. False: the launch is being ended. */
  place(context: Context, launch: Pick<Launch, 'id' | 'leader' | 'pinned'>): Promise<boolean>
  /** Takes back what ends with the call, when the launch came to nothing. */
  release(context: Context): Promise<void>
}

/** The hold of an explicit start: no lease decides when the server ends. */
export const pin: Hold = {
  async place(context, { id, pinned }) {
    if (pinned) return true
    await createFile(context, markPath(context.paths, id, 'pin'), '')
    // No lease ends it any more. A watchdog that lives shows that its launch is not pinned, also when the pin has vanished.
    for (const process of await context.system.watchdogs(id)) await context.system.endWatchdog(process, id)
    return vetoEnding(context, id, 'idle')
  },
  async release() {},
}

/** Another hold with a pin beside it: the launch that this one replaces was pinned. */
export const withPin = (hold: Hold): Hold => ({
  place: async (context, launch) => (await pin.place(context, launch)) && hold.place(context, { ...launch, pinned: true }),
  release: (context) => hold.release(context),
})
