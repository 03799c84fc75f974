/**
 * An explicit stop from any host. Where a steward runs here, the local stop ends it, and a follower passes the wish on to the owner. Where
 * none runs here, this client writes the wish itself: it is the one call besides `doctor` that talks to the engine, since a person who wants
 * a server ended must not have to start a steward for that.
 *
 * A client that dies right after it wrote the wish has stopped the server all the same: the owner reads it with its next renewal.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { OneServerError } from '../errors.js'
import type { StopPlan } from '../protocol/stop.js'
import { engineOf, nameOf } from './as-steward.js'
import { keysOf, parseClaim, Silence, written, type Claim } from './claim.js'
import { Refused, Unreachable, type Coordinator } from './coordinator.js'
import { etcdCoordinator } from './etcd.js'
import { describe } from './etcd-url.js'
import { asCallersSee } from './place.js'
import { AGAIN } from './term.js'

/** ms that one request may take. */
const REQUEST = 1000

/** As the local stop. True when a server was running, on whichever host, and has ended. */
export const stopEverywhere = async (context: Context, deadline: Deadline, plan: StopPlan = {}): Promise<boolean> => {
  const ran = await (await import('../protocol/stop.js')).stop(context, deadline, plan)
  // A launch id is that of a launch here; and no client of this host uses what runs elsewhere.
  if (ran || plan.only !== undefined || plan.ifIdle === true) return ran
  const { settings } = context
  const described = engineOf(settings.coordinator!, process.env)
  const engine = etcdCoordinator(described, { timeout: REQUEST })
  try {
    return await stopElsewhere(context, deadline, engine, keysOf(described.prefix, nameOf(settings)))
  } catch (error) {
    if (error instanceof Unreachable || error instanceof Refused) throw asCallersSee({ terms: { engine: describe(described) } }, error)
    throw error
  } finally {
    engine.close()
  }
}

const stopElsewhere = async (
  { system, paths }: Context, deadline: Deadline, engine: Coordinator, keys: ReturnType<typeof keysOf>,
): Promise<boolean> => {
  const silence = new Silence()
  let asked: Claim | undefined
  for (;;) {
    deadline.check()
    const before = system.now()
    const entry = await engine.read(keys.claim)
    const claim = entry && parseClaim(entry.value)
    // What runs after it is another launch, which nobody here asked to end.
    const isOver = typeof claim !== 'object' || claim.state === 'over' || (asked !== undefined && claim.launch !== asked.launch)
    if (isOver || silence.of(entry!, { asked: before, received: system.now() }) >= claim.ttl) return asked !== undefined
    if (asked === undefined) await engine.write(keys.stop, written({ of: claim.launch, host: paths.hostName }), 'any')
    asked = claim
    if (deadline.passed) throw doesNotEnd(claim)
    await system.sleep(Math.min(AGAIN, deadline.left), { signal: deadline.signal })
  }
}

const doesNotEnd = ({ host, pid }: Claim): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY', `The server on ${host} was asked to stop, and its host has not said that it has.`,
    `It ends within its stopTimeout there, or with its host's term. See one-server status on ${host}.`, pid === undefined ? {} : { pid },
  )
