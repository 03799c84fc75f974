/** What all steps of a steward share. */
import type { OneServerError } from '../errors.js'
import { keysOf, type Identity, type Keys } from './claim.js'
import { coordinatorRefused, coordinatorUnreachable } from './errors.js'
import { Refused, Unreachable, type Coordinator } from './coordinator.js'
import type { Local } from './local.js'

export interface Terms {
  readonly prefix: string
  readonly name: string
  /** The engine in words, without secrets: `etcd at a:2379, b:2379`. */
  readonly engine: string
  /** ms */
  readonly ttl: number
  /** Whether this host may run the server. */
  readonly mayHost: boolean
  readonly onMismatch: 'error' | 'reuse' | 'restart'
  readonly identity: Identity
}

export interface Place {
  readonly engine: Coordinator
  readonly local: Local
  readonly terms: Terms
  readonly keys: Keys
  /** Whether this process was asked to end. */
  readonly isAsked: () => boolean
}

export const placeOf = (engine: Coordinator, local: Local, terms: Terms): Place => {
  let isAsked = false
  void local.asked.then(() => { isAsked = true })
  return { engine, local, terms, keys: keysOf(terms.prefix, terms.name), isAsked: () => isAsked }
}

/** ms for which a steward that knows nothing yet asks an engine that cannot be reached, and how often at least: it may be starved. */
const PATIENCE = { ms: 5000, tries: 5 }

/** What callers get of an error of the engine. */
export const asCallersSee = ({ terms }: { readonly terms: Pick<Terms, 'engine'> }, error: unknown): OneServerError => {
  if (error instanceof Unreachable) return coordinatorUnreachable(terms.engine, error.message, error)
  if (error instanceof Refused) return coordinatorRefused(terms.engine, error.message, error.hint, error)
  throw error
}

/**
 * Asks until there is an answer, within limits, or until this process shall end. Throws what callers get. What is refused is not asked
 * again.
 */
export const patiently = async <T>(place: Place, ask: () => Promise<T>, again = 200): Promise<T> => {
  const { local } = place
  const until = local.instant().monotonic + PATIENCE.ms
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      const isOver = tries >= PATIENCE.tries && local.instant().monotonic >= until
      if (!(error instanceof Unreachable) || isOver || place.isAsked()) throw asCallersSee(place, error)
      await local.sleep(again, local.asked)
    }
  }
}
