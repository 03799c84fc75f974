/**
 * The owner: runs the server for all hosts for as long as its claim is renewed. Promise: no request reaches its server after any request
 * may have reached the server of a later claim, and its server has ended by then, too, unless the whole host was frozen.
 *
 * - The server starts only under a confirmed claim, with the fuse armed. A steward that dies before that leaves a claim without a server;
 *   one that dies after it takes the server along, by the fuse.
 * - It is reached only through the door, which looks at the term before each piece.
 * - It ends before the claim is given back, and its death is seen. What dies in between leaves a claim that others wait for.
 * - A steward that sleeps for an hour anywhere here finds its term over when it wakes: the door is shut by the same look, and the server
 *   was ended by the fuse.
 */
import { OneServerError, stopped, unforeseen } from '../errors.js'
import { outcomeBody } from '../state/outcome.js'
import { parseStop } from './claim.js'
import { Refused, Unreachable } from './coordinator.js'
import { coordinatorUnreachable } from './errors.js'
import type { HeldClaim } from './held-claim.js'
import { LastOut } from './last-out.js'
import type { Running } from './local.js'
import type { Place } from './place.js'
import { Bell, Once } from './signals.js'
import { AGAIN, SHARE } from './term.js'

const WORDS = {
  asked: 'no client of this host uses it, or this host stops it',
  stopped: 'a client stopped it',
  unused: 'no host uses it',
  lost: 'another host has taken the claim over, or the claim was deleted',
  unguarded: 'its fuse has ended',
}

/** Why an owner ends. `stopped`: on purpose, so that nobody is to blame. */
type End =
  | { readonly why: keyof typeof WORDS }
  | { readonly why: 'failed' | 'gone' | 'fenced'; readonly error: OneServerError }

/** What the parts of an owner tell one another. */
interface Owned {
  readonly place: Place
  readonly held: HeldClaim
  readonly end: Once<End>
  /** A renewal was confirmed. */
  readonly renewed: Once<true>
  /** The server has ended. */
  readonly over: Once<true>
  /** Rings for a renewal at once. */
  readonly bell: Bell
  /** The address of the server was given out. */
  isOffered: boolean
}

/** Runs the server under a claim that is this steward's. Returns when the server has ended and the claim was given back. */
export const own = async (place: Place, held: HeldClaim): Promise<void> => {
  const { local, engine, keys } = place
  const owned: Owned = { place, held, end: new Once(), renewed: new Once(), over: new Once(), bell: new Bell(), isOffered: false }
  const { end, over, bell } = owned
  void local.asked.then(async () => {
    // A client of this host that ends the launch past its deadline says so: the hosts that wait get its words.
    const error = await local.whyAsked().catch(() => undefined)
    if (error === undefined || error.code === 'STOPPED') return end.happens({ why: error === undefined ? 'asked' : 'stopped' })
    end.happens({ why: 'failed', error })
  })
  void local.unguarded.then(() => end.happens({ why: 'unguarded' }))
  // Of wishes to stop alone: this host hears of its own renewals, too, and would renew for ever.
  const unwatch = engine.watch?.(keys.stop, () => bell.ring())
  const renewing = renewUntilOver(owned).catch((error: unknown) => end.happens({ why: 'failed', error: unforeseen(error) }))
  const running = await start(owned)
  if (running !== undefined) await serve(owned, running)
  const ended = await end.happened
  local.note(`the server ends: ${'error' in ended ? `${ended.error.code}: ${ended.error.message}` : WORDS[ended.why]}`)
  local.tell(undefined)
  running?.shut()
  held.end()
  bell.ring()
  await running?.stop(() => held.term.untilBurnt)
  over.happens(true)
  bell.ring()
  await renewing
  unwatch?.()
  // What went wrong after it was ready is no failure of a start, so those that wait for one do not get it.
  const error = owned.isOffered ? undefined : failureOf(place, ended)
  if (error !== undefined) await local.fail(error)
  await held.giveBack(error && outcomeBody(asElsewhere(error, local.host), 0))
  await removeStop(place, held)
}

/** What other hosts get: its log, its port and its program are those of this one. */
const asElsewhere = (error: OneServerError, host: string): OneServerError => {
  const { code, message, hint, exitCode, signal, logTail, logFile, pid, port } = error
  const data = Object.entries({ exitCode, signal, logTail, logFile, pid, port }).filter(([, value]) => value !== undefined)
  return code === 'STOPPED' ? error : new OneServerError(code, `On ${host}: ${message}`, hint, Object.fromEntries(data))
}

/** What those get that wait for the server, on every host. Undefined: they look again. */
const failureOf = ({ terms }: Place, ended: End): OneServerError | undefined => {
  if ('error' in ended) return ended.error
  if (ended.why === 'stopped') return stopped({})
  return ended.why === 'lost' || ended.why === 'unguarded' ? coordinatorUnreachable(terms.engine, WORDS[ended.why]) : undefined
}

const start = async ({ place: { local, isAsked }, held, end, renewed }: Owned): Promise<Running | undefined> => {
  try {
    await local.hold()
    // A steward that slept since its claim was confirmed may own it no more, and one that did not hear of it has no term yet.
    if (!held.term.serves) await Promise.race([renewed.happened, end.happened])
    if (!held.term.serves || end.value !== undefined || isAsked()) return undefined
    return await local.start(held.claim.epoch!)
  } catch (error) {
    end.happens({ why: 'failed', error: unforeseen(error) })
    return undefined
  }
}

const serve = async (owned: Owned, running: Running): Promise<void> => {
  const { place: { local }, held, end, bell } = owned
  void running.gone.then((error) => end.happens({ why: 'gone', error }))
  const failed = await Promise.race([running.ready, end.happened.then(() => undefined)])
  if (failed !== undefined) end.happens({ why: 'failed', error: failed })
  if (end.value !== undefined) return
  try {
    const url = await running.open(() => held.term.serves && end.value === undefined)
    if (end.value !== undefined) return
    held.plan({ state: 'ready', url, pid: running.pid, failed: undefined })
    owned.isOffered = true
    bell.ring()
    local.tell({ url, host: local.host, epoch: held.claim.epoch!, pid: running.pid, isOwn: true })
  } catch (error) {
    end.happens({ why: 'failed', error: unforeseen(error) })
  }
}

/**
 * Renews until the server has ended. A server that takes its time to stop is still this host's, so its claim is renewed until then, as
 * one that ends, and newcomers wait for it.
 */
const renewUntilOver = async ({ place, held, end, renewed, over, bell }: Owned): Promise<void> => {
  const { local, terms } = place
  const lastOut = new LastOut(place, held)
  const began = local.instant().monotonic
  while (over.value === undefined && !held.isLost) {
    // Who rings while a renewal is under way may have come too late for it.
    const { rung } = bell
    const renewal = await held.renew()
    if (renewal === 'renewed') {
      renewed.happens(true)
      if (end.value === undefined) await look(place, held, end, lastOut)
    }
    const { serves, left, age } = held.term
    // Before its first term it has no server to end, and a fuse on a busy machine may answer late.
    const isPatient = age === Number.POSITIVE_INFINITY && local.instant().monotonic - began < SHARE.serve * terms.ttl
    if (!serves && !isPatient && !held.isLost) {
      end.happens({ why: 'fenced', error: coordinatorUnreachable(terms.engine, held.trouble ?? 'no renewal was confirmed in time') })
    }
    if (held.isLost) end.happens({ why: 'lost' })
    const pause = renewal === 'renewed' ? SHARE.renew * terms.ttl : AGAIN
    await local.sleep(serves ? Math.min(pause, left) : pause, rung)
  }
}

/** Whether another host wants the server to end, or nobody wants it any more. */
const look = async ({ engine, local, keys }: Place, held: HeldClaim, end: Once<End>, lastOut: LastOut): Promise<void> => {
  try {
    const asked = local.instant().monotonic
    const entries = await engine.list(keys.under)
    const times = { asked, received: local.instant().monotonic }
    const stop = entries.find(({ key }) => key === keys.stop)
    const wish = stop && parseStop(stop.value)
    if (typeof wish === 'object' && wish.of === held.claim.launch) return end.happens({ why: 'stopped' })
    if (await lastOut.isUnused(entries, times)) end.happens({ why: 'unused' })
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error
    held.trouble = error.message
  }
}

/** The wish of another host is granted; one that is left would be of a launch that has gone, and says nothing. */
const removeStop = async ({ engine, keys }: Place, { claim }: HeldClaim): Promise<void> => {
  const entry = await engine.read(keys.stop).catch(() => undefined)
  const stop = entry && parseStop(entry.value)
  if (typeof stop === 'object' && stop.of === claim.launch) await engine.remove(keys.stop, entry!.version).catch(() => {})
}
