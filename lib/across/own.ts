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
import type { OneServerError } from '../errors.js'
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

/** Runs the server under a claim whose first write was confirmed. Returns when the server has ended and the claim was given back. */
export const own = async (place: Place, held: HeldClaim): Promise<void> => {
  const { local, engine, keys } = place
  const end = new Once<End>()
  const over = new Once<true>()
  const bell = new Bell()
  void local.asked.then(async () => end.happens({ why: (await local.isStopped()) ? 'stopped' : 'asked' }))
  void local.unguarded.then(() => end.happens({ why: 'unguarded' }))
  await local.hold()
  const unwatch = engine.watch?.(keys.stop, () => bell.ring())
  local.onChange(() => bell.ring())
  const renewing = renewUntil(place, held, end, over, bell)
  const running = await start(place, held, end)
  if (running !== undefined) await serve(place, held, running, end, bell)
  const ended = await end.happened
  local.note(`the server ends: ${wordsFor(ended)}`)
  local.tell(undefined)
  running?.shut()
  held.plan({ state: 'ending' })
  bell.ring()
  await running?.stop(() => held.term.untilBurnt)
  over.happens(true)
  bell.ring()
  await renewing
  unwatch?.()
  // What went wrong after it was ready is no failure of a start, so those that wait for one do not get it.
  const error = 'error' in ended && held.claim.url === undefined ? ended.error : undefined
  if (error !== undefined) await local.fail(error)
  await held.giveBack(error && outcomeBody(error, 0))
  await removeStop(place, held)
}

const wordsFor = (end: End): string => ('error' in end ? `${end.error.code}: ${end.error.message}` : WORDS[end.why])

const start = async ({ local }: Place, held: HeldClaim, end: Once<End>): Promise<Running | undefined> => {
  // A steward that slept since its claim was confirmed may own it no more.
  if (!held.term.serves || end.value !== undefined) return undefined
  try {
    return await local.start(held.claim.epoch!)
  } catch (error) {
    end.happens({ why: 'failed', error: error as OneServerError })
    return undefined
  }
}

const serve = async ({ local }: Place, held: HeldClaim, running: Running, end: Once<End>, bell: Bell): Promise<void> => {
  void running.gone.then((error) => end.happens({ why: 'gone', error }))
  const failed = await Promise.race([running.ready, end.happened.then(() => undefined)])
  if (failed !== undefined) end.happens({ why: 'failed', error: failed })
  if (end.value !== undefined) return
  try {
    const url = await running.open(() => held.term.serves && end.value === undefined)
    held.plan({ state: 'ready', url, pid: running.pid })
    bell.ring()
    local.tell({ url, host: local.host, epoch: held.claim.epoch!, pid: running.pid, isOwn: true })
  } catch (error) {
    end.happens({ why: 'failed', error: error as OneServerError })
  }
}

/**
 * Renews until the server has ended. A server that takes its time to stop is still this host's, so its claim is renewed until then, as
 * one that ends, and newcomers wait for it.
 */
const renewUntil = async (place: Place, held: HeldClaim, end: Once<End>, over: Once<true>, bell: Bell): Promise<void> => {
  const { local, terms } = place
  const lastOut = new LastOut(place, held)
  while (over.value === undefined && !held.isLost) {
    const renewal = await held.renew()
    if (renewal === 'lost') end.happens({ why: 'lost' })
    if (renewal === 'renewed' && end.value === undefined) await look(place, held, end, lastOut)
    const { serves, left } = held.term
    if (!serves) end.happens({ why: 'fenced', error: coordinatorUnreachable(terms.engine, held.trouble ?? 'no renewal was confirmed in time') })
    const pause = renewal === 'renewed' ? SHARE.renew * terms.ttl : AGAIN
    await local.sleep(serves ? Math.min(pause, left) : pause, bell.rung)
  }
}

/** Whether another host wants the server to end, or nobody wants it any more. */
const look = async ({ engine, local, keys }: Place, held: HeldClaim, end: Once<End>, lastOut: LastOut): Promise<void> => {
  try {
    const entries = await engine.list(keys.under)
    const received = local.instant().monotonic
    const stop = entries.find(({ key }) => key === keys.stop)
    const asked = stop && parseStop(stop.value)
    if (typeof asked === 'object' && asked.of === held.claim.launch) return end.happens({ why: 'stopped' })
    if (await lastOut.isUnused(entries, received)) end.happens({ why: 'unused' })
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
