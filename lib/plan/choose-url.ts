/**
 * Which URL callers get of a server that was asked for at `localhost`. Cookies, CORS lists, OAuth callbacks and certificates name
 * `localhost`, so callers get that name. But a client tries both addresses of the name in an order of its own, and would reach a stranger
 * that listens on the other one; so beside a stranger callers get the address that answered.
 *
 * Which address answered first is a matter of time, and must not decide: so this looks at who listens.
 */
import { addressesOf, baseUrl, endpointOf, type Endpoint } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import type { Answering, HealthPlan, Listener, System } from '../system/system.js'

/** Whose the sockets at the other address are. */
export type Holder = 'own' | 'stranger' | 'unknown'

/** Tells whose the sockets `there` are; the server answered by the sockets `here`. */
export type HolderOf = (there: readonly Listener[], here: readonly Listener[]) => Promise<Holder>

/** ms that a connection to the name may take. */
const CONNECTING = 500

/** A server that answered. */
export interface Answered {
  readonly plan: HealthPlan
  /** The URL of the plan that answered. */
  readonly url: string
  readonly timeout: number
  /** Its launch, if it has one. */
  readonly own?: Answering
}

const hostOf = (href: string): string => new URL(href).hostname

/** The same URL at another host. */
const withHost = (href: string, host: string): string => {
  const url = new URL(href)
  url.hostname = host
  return url.href
}

/** The URL that callers get, without a trailing slash. */
export const chooseUrl = async (system: System, answered: Answered, holderOf: HolderOf): Promise<string> => {
  const { plan: { urls }, url } = answered
  const other = urls.find((one) => hostOf(one) !== hostOf(url))
  const [at, beside] = [endpointOf(url), endpointOf(other ?? url)]
  if (other === undefined || at === undefined || beside === undefined) return baseUrl(url)
  const there = await system.listenersAt(beside.host, beside.port)
  const holder = there.length === 0 ? 'nobody' : await whose(system, answered, other, there, holderOf)
  if (holder === 'stranger') return baseUrl(url)
  // The order of the addresses tells `localhost` from `::`, of which callers get the first that the server listens on.
  if (String(urls.map(hostOf)) !== String(addressesOf('localhost'))) return baseUrl(holder === 'own' ? urls[0]! : url)
  return (await nameLeadsTo(system, at)) ? baseUrl(withHost(url, 'localhost')) : baseUrl(url)
}

const whose = async (
  system: System, { plan, url, timeout, own }: Answered, other: string, there: readonly Listener[], holderOf: HolderOf,
): Promise<Holder> => {
  const at = endpointOf(url)!
  const here = await system.listenersAt(at.host, at.port)
  // One socket takes both families.
  if (there.some(({ inode }) => inode !== undefined && here.some((one) => one.inode === inode))) return 'own'
  const holder = await holderOf(there, here)
  if (holder !== 'unknown') return holder
  // The port was free at both addresses when the launch began, so what listens there since is most likely the launch's.
  if (!traitsOf(plan).isAdoptable) return 'own'
  const ask = (href: string) => system.probe({ ...plan, urls: [href] }, timeout, undefined, own)
  const [first, second] = [await ask(url), await ask(other)]
  return first.healthy && second.healthy && first.launchId === second.launchId ? 'own' : 'stranger'
}

/**
 * Whether a client that looks up `localhost` comes to the address that answered. A hosts file may name `localhost` for one family
 * alone, and a container may have none. Of a server that does not listen yet, as by a line of its log, nothing shows it.
 */
const nameLeadsTo = async (system: System, { host, port }: Endpoint): Promise<boolean> =>
  (await system.probe({ urls: [`tcp://localhost:${port}`], headers: {} }, CONNECTING)).healthy ||
  (await system.listenersAt('localhost', port)).length > 0 || (await system.listenersAt(host, port)).length === 0
