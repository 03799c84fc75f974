/**
 * One health check, of whatever kind the plan is. Most servers answer HTTP, so only that check is loaded with this
 * file; each other kind loads its own when it is first asked, and an HTTP client never pays for it.
 */
import { clientFor, getUrl, type Refuse } from './get.js'
import { kindOf, type Kind } from './kind.js'
import type { HealthPlan, Probe } from './plan.js'

interface Check {
  /** Loads what the check needs. */
  readonly load: (plan: HealthPlan) => unknown
  readonly check: (plan: HealthPlan, timeout: number, signal: AbortSignal | undefined, refuse: Refuse | undefined) => Promise<Probe>
}

type Ask = (url: URL, plan: HealthPlan, timeout: number, signal: AbortSignal | undefined, refuse: Refuse | undefined) => Promise<Probe>

let last: { readonly href: string; readonly url: URL } | undefined

/** A process that calls often asks the same URL again, so the last one is kept. */
const parsed = (href: string): URL => (last?.href === href ? last : (last = { href, url: new URL(href) })).url

/** Asks the URLs in their order; one that answers is enough. The reason is that of the URL that said most. */
const eachUrl = (ask: Ask): Check['check'] => async (plan, timeout, signal, refuse) => {
  let worst: Probe = { healthy: false, reason: 'there is no URL to ask' }
  for (const url of plan.urls) {
    const result = await ask(parsed(url), plan, timeout, signal, refuse)
    if (result.healthy) return result
    if (worst.reason === 'there is no URL to ask' || worst.reason === 'the connection was refused') worst = result
  }
  return worst
}

const later = (load: () => Promise<Check['check']>): Check => ({ load, check: async (...asked) => (await load())(...asked) })

const byConnection: Check = {
  load: () => import('./connect.js'),
  check: eachUrl(async (url, _, timeout) => (await import('./connect.js')).connects(url, timeout)),
}

const CHECKS: Readonly<Record<Kind, Check>> = {
  http: {
    load: ({ urls }) => urls.forEach((url) => clientFor(new URL(url).protocol)),
    check: eachUrl((url, plan, timeout, signal, refuse) => getUrl(url, plan, timeout, signal, false, refuse)),
  },
  tcp: byConnection,
  socket: byConnection,
  log: later(async () => (await import('./read-log.js')).probeLog),
  command: later(async () => (await import('./run-command.js')).probeCommand),
}

/** Loads what a check by this plan needs, for a caller that has to wait anyway. What cannot be loaded fails the check itself. */
export const prepare = (plan: HealthPlan): void => {
  Promise.resolve(CHECKS[kindOf(plan)].load(plan)).catch(() => {})
}

/**
 * Checks once. `timeout`, in ms, is for each URL; `signal` ends an HTTP request. `refuse` is asked before something secret is sent.
 * Never rejects for a server that does not answer.
 */
export const probe = (plan: HealthPlan, timeout: number, signal?: AbortSignal, refuse?: Refuse): Promise<Probe> =>
  CHECKS[kindOf(plan)].check(plan, timeout, signal, refuse)
