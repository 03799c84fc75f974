/**
 * The last one out, over hosts. The owner's server ends when no client of any host uses it. Both sides write first and look afterwards, as
 * in the local rule for ending (protocol/ending-rule.ts): a newcomer writes its use and then reads the claim; the owner writes `ending`
 * into the claim, and its local intention, and then lists both. So at least one sees the other, and test/models/users.mjs finds nothing.
 *
 * A steward that dies after `ending` leaves a claim that is not renewed; one that sleeps there for an hour finds its term over.
 */
import { parseUse, Silence, type Asked } from './claim.js'
import type { Entry } from './coordinator.js'
import type { HeldClaim } from './held-claim.js'
import type { Place } from './place.js'

export class LastOut {
  readonly #place: Place
  readonly #held: HeldClaim
  readonly #silence = new Silence()

  constructor(place: Place, held: HeldClaim) {
    this.#place = place
    this.#held = held
  }

  /** The hosts that use the server, as these entries show. One that has been silent for its `ttl` counts no more. */
  users(entries: readonly Entry[], times: Asked): string[] {
    const { keys } = this.#place
    const uses = entries.filter(({ key }) => key.startsWith(keys.users))
    this.#silence.keep(uses)
    return uses.flatMap((entry) => {
      const use = parseUse(entry.value)
      // What a newer one-server wrote is a use, too; its `ttl` is not known, so it counts until it is removed.
      if (use === 'newer') return ['a host with a newer one-server']
      const silent = this.#silence.of(entry, times)
      return use !== 'foreign' && use.of === this.#held.claim.launch && silent < use.ttl ? [use.host] : []
    })
  }

  /** Whether nobody uses the server: then the claim says `ending`, this host's launch is marked as ended, and it must end. */
  async isUnused(entries: readonly Entry[], times: Asked): Promise<boolean> {
    const { engine, local, keys } = this.#place
    if (this.#held.claim.state !== 'ready') return false
    if (this.users(entries, times).length > 0 || (await local.isUsed())) return false
    this.#held.plan({ state: 'ending' })
    const intention = await local.intend()
    // Without a confirmed `ending` a newcomer might not see it; and only what is listed after it counts.
    const isMarked = (await this.#held.renew()) === 'renewed'
    const asked = local.instant().monotonic
    const now = isMarked ? await engine.list(keys.under).catch(() => undefined) : undefined
    const again = { asked, received: local.instant().monotonic }
    const isFree = now !== undefined && this.users(now, again).length === 0 && !(await local.isUsed())
    if (isFree && (await intention.carryOut())) return true
    await intention.takeBack()
    this.#held.plan({ state: 'ready' })
    await this.#held.renew()
    return false
  }
}
