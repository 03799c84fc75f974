/**
 * One launch by the names of its own files. A folder may hold a thousand leases, and a client that takes or releases one of them must not
 * read the names of all others to learn whether its launch goes on.
 *
 * A client that removes a launch removes its claim first and its marks afterwards. So this looks for the marks first: where the claim
 * is there after that, no mark had been removed. Each look is for one name, so unlike a listing it cannot miss a file that is renamed
 * meanwhile.
 *
 * A claim that a client has restored may name another leader. Then this finds none, and its callers do what they do without a claim:
 * one that takes a lease looks again, and one that releases it lets its watchdog look.
 */
import { claimPath, markPath, type Launch, type Place } from './directory.js'

/** Undefined: it has no claim. */
export const lookUp = async (
  { system, paths }: Place, { id, leader }: Pick<Launch, 'id' | 'leader'>,
): Promise<Pick<Launch, 'ended' | 'pinned'> | undefined> => {
  const isThere = async (path: string): Promise<boolean> => (await system.read(path)).kind !== 'absent'
  const ended = await isThere(markPath(paths, id, 'ended'))
  const pinned = await isThere(markPath(paths, id, 'pin'))
  return (await isThere(claimPath(paths, id, leader))) ? { ended, pinned } : undefined
}
