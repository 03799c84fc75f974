/** One health check, of whatever kind the plan says. */
import type { HealthPlan, Probe } from '../system/system.js'
import { connects } from './connect.js'
import { clientFor, getUrl } from './get.js'
import { probeLog } from './read-log.js'

/** Loads what a check of these URLs needs. Whoever has to wait anyway does so before. */
export const prepare = ({ urls, log }: Pick<HealthPlan, 'urls' | 'log'>): void => {
  for (const url of urls) if (log === undefined && url.startsWith('http')) clientFor(new URL(url).protocol)
}

/** Asks the URLs in their order; one that answers is enough. The reason is that of the one that said most. */
export const probe = async (plan: HealthPlan, timeout: number, signal?: AbortSignal): Promise<Probe> => {
  const { log } = plan
  if (log !== undefined) return probeLog({ urls: plan.urls, log }, timeout)
  let worst: Probe = { healthy: false, reason: 'there is no URL to ask' }
  for (const url of plan.urls) {
    const parsed = new URL(url)
    const result = await (parsed.protocol.startsWith('http') ? getUrl(parsed, plan, timeout, signal) : connects(parsed, timeout))
    if (result.healthy) return result
    if (worst.reason === 'there is no URL to ask' || worst.reason === 'the connection was refused') worst = result
  }
  return worst
}
