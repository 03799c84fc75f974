/**
 * A steward whose server runs on another host: it says that this host uses the server, tells the clients here where it is, and sees when
 * that is over. It only points: a follower that dies, or sleeps for an hour, leaves a use that counts no more after its `ttl`.
 *
 * A global launch and a local launch end together. So a follower that has given the URL out ends with the owner's claim, and the next call
 * on this host starts afresh; one that has given nothing out goes on with what it finds.
 */
import { failureIn } from '../state/outcome.js'
import { parseClaim, parseStop, Silence, written, type Asked, type Claim } from './claim.js'
import { Refused, Unreachable, type Entry } from './coordinator.js'
import { hostUnreachable } from './errors.js'
import { asCallersSee, type Place } from './place.js'
import { Bell } from './signals.js'
import { AGAIN } from './term.js'

/** `again`: look again from the start. `silent`: its owner has not been heard of for its `ttl`, or is dead, and nothing was given out. */
export type Followed = { readonly kind: 'again' | 'end' } | { readonly kind: 'silent'; readonly entry: Entry }

const END: Followed = { kind: 'end' }
const AGAIN_FROM_START: Followed = { kind: 'again' }

/** How long something has been amiss, in ms and in looks: a starved steward makes few looks in a long time, and they show nothing. */
class Amiss {
  #since: number | undefined
  #looks = 0

  is(amiss: boolean, now: number): void {
    if (!amiss) this.#since = undefined
    else if (this.#since === undefined) [this.#since, this.#looks] = [now, 1]
    else this.#looks++
  }

  for(ms: number, now: number): boolean {
    return this.#since !== undefined && this.#looks >= 5 && now - this.#since >= ms
  }
}

/** Share of `ttl` between two looks: a little more than the owner's between two renewals. */
const FOLLOWS = 0.25

/**
 * ms for which a server that is ready elsewhere may not answer here, before callers learn that this host cannot reach it. An owner that
 * has died says `ready` until its `ttl` is over, so they learn it only when the claim has changed since then: its owner lives.
 */
const UNREACHED = 5000

export class Following {
  readonly #place: Place
  readonly #launch: string
  readonly #silence = new Silence()
  readonly #since: string
  readonly #deaf = new Amiss()
  readonly #unanswered = new Amiss()
  #beat = 0
  /** The URL was given out. */
  #isTold = false

  /** `launch`: the owner's. */
  constructor(place: Place, launch: string) {
    this.#place = place
    this.#launch = launch
    this.#since = place.local.today().toISOString()
  }

  async follow(): Promise<Followed> {
    const { engine, local, keys, terms, isAsked } = this.#place
    const bell = new Bell()
    // Of the claim alone: each host here writes its use on each change that it hears of, and would wake all others for ever.
    const unwatch = engine.watch?.(keys.claim, () => bell.ring())
    void local.asked.then(() => bell.ring())
    try {
      for (;;) {
        const { rung } = bell
        const next = await this.#look()
        if (next !== undefined) return next
        if (isAsked()) return await this.#leaveAsAsked()
        // The owner's renewals ring as often; the pause is for an engine whose watch brings nothing. Until the URL is out, callers wait.
        await local.sleep(this.#isTold ? FOLLOWS * terms.ttl : AGAIN, rung)
      }
    } finally {
      unwatch?.()
      local.tell(undefined)
      await engine.remove(this.#key).catch(() => {})
    }
  }

  get #key(): string {
    return this.#place.keys.users + this.#place.local.launch
  }

  /** One look: write the use, then read the claim. The order is what the last one out rests on. */
  async #look(): Promise<Followed | undefined> {
    const { engine, local, keys, terms } = this.#place
    try {
      const use = { of: this.#launch, host: local.host, since: this.#since, ttl: terms.ttl, beat: this.#beat++ }
      await engine.write(this.#key, written(use), 'any')
      const asked = local.instant().monotonic
      const entry = await engine.read(keys.claim)
      const received = local.instant().monotonic
      this.#deaf.is(false, received)
      return await this.#judge(entry, { asked, received })
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Refused)) throw error
      return this.#unheard(error)
    }
  }

  async #judge(entry: Entry | undefined, times: Asked): Promise<Followed | undefined> {
    const claim = entry && parseClaim(entry.value)
    if (entry === undefined || typeof claim !== 'object') return this.#over(undefined)
    if (claim.launch !== this.#launch) return this.#over(claim.failed?.find(({ launch }) => launch === this.#launch)?.outcome)
    if (claim.state === 'over') return this.#over(claim.outcome)
    const isNew = this.#silence.isNew(entry)
    const silent = this.#silence.of(entry, times)
    if (silent >= claim.ttl) return this.#bury(entry, claim, `has been silent for ${claim.ttl} ms`)
    // Another user's steward of this very host: its death can be seen, and is not waited for.
    if (await this.#place.local.isDead(claim)) return this.#bury(entry, claim, 'is dead')
    if (claim.state !== 'ready' || claim.url === undefined) return undefined
    return this.#point(claim, times.received, isNew)
  }

  /** The launch is over. `outcome`: it failed before it was ready. */
  async #over(outcome: string | undefined): Promise<Followed> {
    if (this.#isTold) return END
    const error = outcome === undefined ? undefined : failureIn(outcome)
    if (error === undefined) return AGAIN_FROM_START
    await this.#place.local.fail(error)
    return END
  }

  /** The owner is silent, or dead. Where the URL was given out, its claim is over for all, so that the next call here does not wait. */
  async #bury(entry: Entry, claim: Claim, why: string): Promise<Followed> {
    const { engine, local, keys } = this.#place
    local.note(`the steward of ${claim.host} ${why}`)
    if (!this.#isTold) return { kind: 'silent', entry }
    await engine.write(keys.claim, written({ ...claim, state: 'over', beat: claim.beat + 1 }), entry.version).catch(() => {})
    return END
  }

  async #point({ url, host, epoch, pid }: Claim, now: number, isNew: boolean): Promise<Followed | undefined> {
    const { local } = this.#place
    const why = await local.check(url!)
    this.#unanswered.is(why !== undefined, now)
    if (why === undefined && !this.#isTold) {
      this.#isTold = true
      local.note(`follows ${host}: ${url}`)
      local.tell({ url: url!, host, epoch: epoch ?? 0, pid: pid ?? 0, isOwn: false })
    }
    if (this.#isTold || !isNew || !this.#unanswered.for(UNREACHED, now)) return undefined
    await local.fail(hostUnreachable(host, url!, why!))
    return END
  }

  /** The engine gives no answer. What was given out stays as long as it answers: its owner's door is open only while its term is on. */
  async #unheard(error: Unreachable | Refused): Promise<Followed | undefined> {
    const { local, terms } = this.#place
    const now = local.instant().monotonic
    this.#deaf.is(true, now)
    if (!this.#isTold) {
      if (error instanceof Unreachable && !this.#deaf.for(UNREACHED, now)) return undefined
      await local.fail(asCallersSee(this.#place, error))
      return END
    }
    return this.#deaf.for(terms.ttl, now) && (await local.isAnswering()) === false ? END : undefined
  }

  /** An explicit stop here is one for all hosts. Without one, only this host's use ends. */
  async #leaveAsAsked(): Promise<Followed> {
    if ((await this.#place.local.whyAsked())?.code === 'STOPPED') await stopLaunch(this.#place, this.#launch)
    return END
  }
}

/**
 * Asks the owner of a launch for its end, and returns when it is over, or its owner silent. One entry has the wishes for all launches, so
 * one that was lost on its way, or replaced by a late one of another host, is written again. What is refused or has no answer is asked
 * again; the local stop that wants it kills this steward where that takes too long.
 */
export const stopLaunch = async ({ engine, local, keys }: Place, launch: string): Promise<void> => {
  const silence = new Silence()
  for (;;) {
    const asked = local.instant().monotonic
    const entries = await engine.list(keys.under).catch(() => undefined)
    if (entries !== undefined) {
      const entry = entries.find(({ key }) => key === keys.claim)
      const claim = entry && parseClaim(entry.value)
      if (entry === undefined || typeof claim !== 'object' || claim.launch !== launch || claim.state === 'over') return
      if (silence.of(entry, { asked, received: local.instant().monotonic }) >= claim.ttl) return
      const wish = entries.find(({ key }) => key === keys.stop)
      const stop = wish && parseStop(wish.value)
      if (typeof stop !== 'object' || stop.of !== launch) {
        await engine.write(keys.stop, written({ of: launch, host: local.host }), 'any').catch(() => {})
      }
    }
    await local.sleep(AGAIN)
  }
}
