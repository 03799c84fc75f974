/**
 * An explicit stop from any host. Where a steward runs here, the local stop ends it, and a follower passes the wish on to the owner. Where
 * none runs here, this client writes the wish itself: it is the one call besides `doctor` that talks to the engine, since a person who
 * wants a server ended must not have to start a steward for that.
 *
 * A follower that is frozen, or killed, or whose disk is too full for the mark that says why it ends, passes nothing on. So this client
 * looks at the claim before the local stop and after it: what still runs then is the same launch, and the wish is written here.
 *
 * A client that dies right after it wrote the wish has stopped the server all the same: the owner reads it with its next renewal.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { OneServerError } from '../errors.js'
import type { StopPlan } from '../protocol/stop.js'
import { survey } from '../protocol/survey.js'
import { recordOf } from '../state/claim.js'
import { engineOf, nameOf } from './as-steward.js'
import { toldBy } from './ask.js'
import { keysOf, parseClaim, Silence, written, type Claim, type Keys } from './claim.js'
import { Refused, Unreachable, type Coordinator } from './coordinator.js'
import { etcdCoordinator } from './etcd.js'
import { describe } from './etcd-url.js'
import { asCallersSee } from './place.js'
import { AGAIN } from './term.js'

/** ms that one request may take. */
const REQUEST = 1000

/** As the local stop. True when a server was running, on whichever host, and has ended. */
export const stopEverywhere = async (context: Context, deadline: Deadline, plan: StopPlan = {}): Promise<boolean> => {
  const { stop } = await import('../protocol/stop.js')
  // A launch id is that of a launch here; and no client of this host uses what runs elsewhere.
  if (plan.only !== undefined || plan.ifIdle === true || (await isOwner(context))) return stop(context, deadline, plan)
  const { settings } = context
  const described = engineOf(settings.coordinator!, process.env)
  const engine = etcdCoordinator(described, { timeout: REQUEST })
  const keys = keysOf(described.prefix, nameOf(settings))
  try {
    // Without an answer the local stop comes first all the same.
    const before = await running(engine, keys).catch((error: unknown) => error as Error)
    const ran = await stop(context, deadline, plan)
    if (before instanceof Error) throw before
    return (before !== undefined && (await stopElsewhere(context, deadline, engine, keys, before))) || ran
  } catch (error) {
    if (error instanceof Unreachable || error instanceof Refused) throw asCallersSee({ terms: { engine: describe(described) } }, error)
    throw error
  } finally {
    engine.close()
  }
}

/** Whether the server runs on this host, so that the local stop ends it. */
const isOwner = async (context: Context): Promise<boolean> => {
  const { living, pidFile } = await survey(context)
  const record = living && (await recordOf(context, living, pidFile))
  return record !== undefined && (await toldBy(record))?.role === 'owner'
}

/** The claim of a server that runs. */
const running = async (engine: Coordinator, keys: Keys): Promise<Claim | undefined> => {
  const entry = await engine.read(keys.claim)
  const claim = entry && parseClaim(entry.value)
  return typeof claim !== 'object' || claim.state === 'over' ? undefined : claim
}

/** What runs after it is another launch, which nobody here asked to end. False: it was over, or its owner is silent, before any wish. */
const stopElsewhere = async (
  { system, paths }: Context, deadline: Deadline, engine: Coordinator, { claim: key, stop }: Keys, { launch }: Claim,
): Promise<boolean> => {
  const silence = new Silence()
  for (let isAsked = false; ; isAsked = true) {
    deadline.check()
    const before = system.now()
    const entry = await engine.read(key)
    const claim = entry && parseClaim(entry.value)
    if (typeof claim !== 'object' || claim.launch !== launch || claim.state === 'over') return isAsked
    if (silence.of(entry!, { asked: before, received: system.now() }) >= claim.ttl) return isAsked
    if (!isAsked) await engine.write(stop, written({ of: launch, host: paths.hostName }), 'any')
    if (deadline.passed) throw doesNotEnd(claim)
    await system.sleep(Math.min(AGAIN, deadline.left), { signal: deadline.signal })
  }
}

const doesNotEnd = ({ host, pid }: Claim): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY', `The server on ${host} was asked to stop, and its host has not said that it has.`,
    `It ends within its stopTimeout there, or with its host's term. See one-server status on ${host}.`, pid === undefined ? {} : { pid },
  )
