/**
 * The kinds of readiness, and what the rest of the code may conclude from each. Nobody else asks whether a plan
 * has a log or a Unix socket: a rule of the protocol asks for the trait that it depends on. So a new kind is a
 * row here and in the tables of `probe.ts` and `wait-until-ready.ts`, a case in `make-plan.ts`, and its option; the
 * compiler names each place in which the kind is missing.
 */
import type { Ready } from '../options/parse.js'
import type { HealthPlan } from './plan.js'

/** What shows that a server is ready: an answer to GET, a connection to a port or a socket, a line of its log, a program's exit code 0. */
export type Kind = 'http' | Ready['kind']

export interface Traits {
  /**
   * Each call asks a ready server again. A line that was printed stays printed, so asking for it again shows nothing. A command is
   * run again only by a client whose own options name it; to all others a server that was ready is ready while it lives.
   */
  readonly isAskedAgain: boolean
  /**
   * Passing the check shows that a server which nobody recorded is the wanted one, so it may be adopted. An accepted
   * connection or a line of a log does not show whose server it is.
   */
  readonly isAdoptable: boolean
  /** The server binds its port, so EADDRINUSE in its log is about that port. A Unix socket is no port, and another port would not help. */
  readonly bindsPort: boolean
}

const TRAITS: Readonly<Record<Kind, Traits>> = {
  http: { isAskedAgain: true, isAdoptable: true, bindsPort: true },
  tcp: { isAskedAgain: true, isAdoptable: false, bindsPort: true },
  socket: { isAskedAgain: true, isAdoptable: false, bindsPort: false },
  log: { isAskedAgain: false, isAdoptable: false, bindsPort: true },
  command: { isAskedAgain: false, isAdoptable: false, bindsPort: true },
}

/** The kind of a plan, from its shape: the record on disk does not name it. */
export const kindOf = ({ urls, log, command }: HealthPlan): Kind => {
  if (command !== undefined) return 'command'
  if (log !== undefined) return 'log'
  const scheme = urls[0]?.split(':', 1)[0]
  return scheme === 'tcp' || scheme === 'socket' ? scheme : 'http'
}

export const traitsOf = (plan: HealthPlan): Traits => TRAITS[kindOf(plan)]
