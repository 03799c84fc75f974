/**
 * The steward: the process that the local protocol launches in place of the server where several hosts share one. The local protocol
 * guarantees one steward on each host; the stewards agree in the engine on who has the server. Clients never talk to the engine.
 *
 *     asking → claiming → owner → end            asking → following → end, or asking again, or claiming
 *
 * 1. Read the claim. 2. No steward has it, or a dead one of this very host: claim it. 3. A steward has it: follow it. 4. Claim by
 * compare-and-swap on the version that was read. 5 to 9 are the owner's (own.ts).
 *
 * A steward that dies before its claim leaves nothing; right after it, a claim without a server: others wait for its `ttl`, and the next
 * call on this host takes it at once. One that sleeps before it sends finds another version, and loses; one that sleeps after it finds its
 * term over.
 */
import { stateNewer, unforeseen } from '../errors.js'
import { coordinatorRefused, noHost } from './errors.js'
import { failuresUntil, parseClaim, written, type Claim } from './claim.js'
import { Unreachable, type Entry } from './coordinator.js'
import { Following, stopLaunch } from './follow.js'
import { HeldClaim } from './held-claim.js'
import { mismatchWith } from './identity.js'
import { own } from './own.js'
import { patiently, type Place } from './place.js'

/** Runs until this host's launch is over. The clients that wait get its failure. */
export const steward = async (place: Place): Promise<void> => {
  const { local, isAsked } = place
  try {
    let silent: Entry | undefined
    for (;;) {
      const seen: Seen = silent === undefined ? await ask(place) : { free: silent }
      silent = undefined
      if ('held' in seen) return await own(place, seen.held)
      if (isAsked()) return
      if ('free' in seen) {
        const held = await claim(place, seen.free)
        if (held !== undefined) return await own(place, held)
      } else if (await mayFollow(place, seen.claim)) {
        const followed = await new Following(place, seen.claim.launch).follow()
        if (followed.kind === 'end') return
        if (followed.kind === 'silent') silent = followed.entry
      }
    }
  } catch (error) {
    await local.fail(unforeseen(error))
  }
}

type Seen = { readonly free: Entry | undefined } | { readonly claim: Claim } | { readonly held: HeldClaim }

/** Steps 1 and 2. */
const ask = async (place: Place): Promise<Seen> => {
  const { engine, local, keys, terms } = place
  const entry = await patiently(place, () => engine.read(keys.claim))
  if (entry === undefined) return { free: undefined }
  const claim = parseClaim(entry.value)
  if (claim === 'newer') throw stateNewer(keys.claim)
  if (claim === 'foreign') {
    const why = `${keys.claim} holds something that one-server did not write`
    throw coordinatorRefused(terms.engine, why, 'Choose another prefix, or remove that key.')
  }
  if (claim.state === 'over') return { free: entry }
  // A claim of this steward's that was carried out without an answer. Its term begins with its first renewal.
  if (claim.launch === local.launch) {
    return { held: new HeldClaim(place, { ...claim, epoch: claim.epoch ?? Number(entry.version) }, entry.version) }
  }
  return (await local.isDead(claim)) ? { free: entry } : { claim }
}

/**
 * Step 4. Undefined: another host was faster, or nobody knows. One without an answer may have been carried out all the same, and one that
 * was sent twice by the way says `lost` although it is ours: who looks again finds it.
 */
const claim = async (place: Place, free: Entry | undefined): Promise<HeldClaim | undefined> => {
  const { engine, local, keys, terms } = place
  if (!terms.mayHost) throw noHost(local.host, terms.name)
  const before = free && parseClaim(free.value)
  const wanted: Omit<Claim, 'format'> = {
    launch: local.launch, host: local.host, where: local.where, steward: local.self, ttl: terms.ttl, state: 'starting',
    since: local.today().toISOString(), beat: 0, identity: terms.identity,
    ...(typeof before === 'object' ? { failed: failuresUntil(before) } : {}),
  }
  let sent = local.instant()
  const version = await patiently(place, () => {
    sent = local.instant()
    return engine.write(keys.claim, written(wanted), free?.version).catch((error: unknown) => {
      if (error instanceof Unreachable && error.sent) return undefined
      throw error
    })
  })
  if (version === undefined) return undefined
  const held = new HeldClaim(place, { format: 1, ...wanted, epoch: Number(version) }, version)
  await held.confirm(sent)
  return held
}

/** Whether the server that runs is the one that this host wants. Where it shall be replaced, returns false once it is over. */
const mayFollow = async (place: Place, claim: Claim): Promise<boolean> => {
  const { terms } = place
  const mismatch = terms.onMismatch === 'reuse' ? undefined : mismatchWith(terms, claim)
  if (mismatch === undefined) return true
  if (!mismatch.isReplaced) throw mismatch.error
  await stopLaunch(place, claim.launch)
  return false
}
