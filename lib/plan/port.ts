/**
 * Which port the server gets, and whether a process listens there. Two clients that probe at once would take each other's
 * probes for use, so a client chooses under the lock. A healthy server that no client launched is adopted, which is the
 * one trust that promise 4 extends. A server of another PID file is not: its owner's stop would take it from our users.
 * Nor is one of another user, who could read what its clients send: so its owner is looked at before anything is asked.
 */
import { addressesOf, bareHost, endpointOf, isLoopback } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import { makePlan, whatIsTaken } from '../health/make-plan.js'
import { noPortFree, portInUse, type OneServerError } from '../errors.js'
import { isAnotherUsers, type HealthPlan, type Listener, type System } from '../system/system.js'
import type { Context } from '../context.js'
import { chooseUrl, type Holder } from './choose-url.js'
import { whatPasses } from './own-command.js'

export interface Adopted {
  /** The literal URL that answered. */
  readonly url: string
  /** The URL that callers get. */
  readonly base: string
  readonly port: number
  readonly pid: number | undefined
}

/** A server that is not ours to use, and why, after the words "in use". */
interface Stranger {
  readonly kind: 'stranger'
  readonly what: string
  readonly pid: number | undefined
}

type Occupant = { readonly kind: 'none' } | { readonly kind: 'adopted'; readonly server: Adopted } | Stranger

/** The sockets that a server on our host and port would meet. */
export const listenersThere = async ({ system, settings }: Context, port: number): Promise<Listener[]> => {
  const there = await Promise.all(addressesOf(settings.host).map((address) => system.listenersAt(bareHost(address), port)))
  return there.flat()
}

export const isFree = async (context: Context, port: number): Promise<boolean> => (await listenersThere(context, port)).length === 0

/** Who listens on a port, as a sentence without its end; undefined where nobody does. */
export const whoHolds = async (context: Context, port: number): Promise<string | undefined> => {
  const there = await listenersThere(context, port)
  if (there.length === 0) return undefined
  const owner = await context.system.ownerOf(there)
  return owner === undefined ? 'A process that cannot be seen listens there' : `PID ${owner.pid} listens there`
}

/** The sockets that the check would meet, where a health URL leads to another port than ours. */
const listenersAsked = async ({ system }: Context, { urls }: HealthPlan): Promise<Listener[]> => {
  const there = await Promise.all(urls.flatMap((url) => endpointOf(url) ?? []).map(({ host, port }) => system.listenersAt(host, port)))
  return there.flat()
}

/** Who listens on a port. */
export const occupantOf = async (context: Context, port: number): Promise<Occupant> => {
  const { system, settings } = context
  const plan = makePlan(settings, port)
  const elsewhere = settings.healthUrl !== undefined && !settings.healthUrl.includes('{port}')
  const there = await listenersThere(context, port)
  if (there.length === 0 && !elsewhere) return { kind: 'none' }
  const strange = async (why: string): Promise<Stranger> => {
    const owner = await system.ownerOf(there)
    return { kind: 'stranger', what: owner === undefined ? why.replace(/^, /, '') : `by PID ${owner.pid}${why}`, pid: owner?.pid }
  }
  const other = there.find(isAnotherUsers)
  if (other !== undefined) return strange(` of another user (uid ${other.uid})`)
  // A stranger there says nothing about our port, which is free.
  if (elsewhere && (await listenersAsked(context, plan)).some(isAnotherUsers)) {
    return there.length === 0 ? { kind: 'none' } : strange(', and another user answers where its health check asks')
  }
  if (!traitsOf(plan).isAdoptable) return strange(', and what one-server did not start is used only if it has a health check over HTTP')
  if (plan.status !== undefined && plan.match === undefined) {
    return strange(', and what one-server did not start is used only if its health check asks for a 2xx, or for a body by healthMatch')
  }
  const answer = await system.probe(plan, settings.healthTimeout)
  if (!answer.healthy && there.length === 0) return { kind: 'none' }
  if (!answer.healthy) return strange(` and does not pass the health check: ${answer.reason}`)
  const owner = await system.ownerOf(elsewhere ? there : await listenersAsked(context, { ...plan, urls: [answer.url] }))
  if (owner?.launchId !== undefined || answer.launchId !== undefined) {
    return strange(', a server that was launched for another PID file (or whose state was deleted)')
  }
  if (!settings.reuseExisting) return strange(': it passes the health check, but one-server did not start it, and reuseExisting is false')
  const { url } = answer
  const base = await chooseUrl(system, { plan, url, timeout: settings.healthTimeout }, (others, own) => holderOf(system, others, own))
  return { kind: 'adopted', server: { url, base, port, pid: owner?.pid } }
}

/** Nothing shows what belongs to a server that no client launched but the process that answered. */
const holderOf = async (system: System, others: readonly Listener[], own: readonly Listener[]): Promise<Holder> => {
  const server = await system.ownerOf(own)
  const other = await system.ownerOf(others, server?.pid)
  if (server === undefined || other === undefined) return 'unknown'
  return server.pid === other.pid ? 'own' : 'stranger'
}

export const portTaken = (port: number, { what, pid }: { what: string; pid: number | undefined }): OneServerError =>
  portInUse(port, what, pid === undefined ? {} : { pid })

/** Whether all that would be asked is on this machine by its address. A name may lead anywhere. */
const staysHere = (settings: Context['settings'], port: number): boolean => {
  const asked = makePlan(settings, port).urls.flatMap((url) => endpointOf(url)?.host ?? [])
  return [...asked, ...addressesOf(settings.host)].every((host) => isLoopback(host))
}

/**
 * A healthy server on one of the wanted ports that no client launched. `starts`: the caller was to start a server. Any other only looks,
 * and a config file of a foreign checkout must not make a look send its headers to whatever host it names.
 */
export const findAdoptable = async (context: Context, { starts } = { starts: true }): Promise<Adopted | undefined> => {
  const { port } = context.settings
  const ports = port.kind === 'fixed' ? [port.port] : port.kind === 'list' ? port.ports : []
  for (const candidate of ports) {
    if (!starts && !staysHere(context.settings, candidate)) continue
    const occupant = await occupantOf(context, candidate)
    if (occupant.kind === 'adopted') return occupant.server
  }
  return undefined
}

/** The port to launch on, or the server to adopt. `lost`: ports that launches of this call have lost. Under the lock. */
export const choosePort = async (context: Context, lost: ReadonlySet<number>): Promise<number | Adopted> => {
  const { port } = context.settings
  const taken = await whatIsTaken(context.settings, (plan, timeout) => context.system.probe(plan, timeout))
  if (taken !== undefined) throw taken
  const passes = await whatPasses(context)
  if (passes !== undefined) throw passes
  if (port.kind === 'auto') return context.system.freePort()
  const ports = port.kind === 'fixed' ? [port.port] : port.ports.filter((candidate) => !lost.has(candidate))
  for (const candidate of ports) {
    const occupant = await occupantOf(context, candidate)
    if (occupant.kind === 'none') return candidate
    if (occupant.kind === 'adopted') return occupant.server
    if (port.kind === 'fixed') throw portTaken(candidate, occupant)
  }
  throw noPortFree(port.kind === 'list' ? port.ports : [])
}
