/** What must never be, looked at in the moment in which it would begin. */
import { parseClaim, parseUse } from '../../lib/across/claim.js'
import type { At } from '../../lib/across/local.js'
import type { Actor, Launch, Server, Site, World } from './world.js'

/** Requests to the engine in a second that no steward needs, whoever comes and goes. */
const MANY = 40

/** Below this share of its `ttl` a use is fresh by any clock. */
const FRESH = 0.9

export class Checks {
  readonly violations: string[] = []
  readonly #world: World
  /** The launch of the newest server that was reachable. */
  #served = 0
  /** Launches that were ended since nobody used them. */
  readonly #unused = new Set<string>()
  /** Servers up to this epoch may run and serve beside others until this true time: the engine forgot their claims. */
  #void = { epoch: 0, until: 0 }

  constructor(world: World) {
    this.#world = world
  }

  fail(what: string): void {
    this.violations.push(what)
    this.#world.note(`VIOLATION: ${what}`)
  }

  /** The engine has lost its content: promises 1 and 2 are void until the owner of then has looked, and stopped. */
  forgive(epoch: number, ttl: number): void {
    this.#void = { epoch, until: this.#world.now + 1.1 * ttl }
  }

  #isForgiven(epoch: number): boolean {
    return epoch <= this.#void.epoch && this.#world.now <= this.#void.until
  }

  /** A steward sends a request to the engine. */
  asked(actor: Actor): void {
    const { now } = this.#world
    actor.asked = [...actor.asked.filter((at) => at > now - 1000), now]
    if (actor.asked.length > MANY) this.fail(`${actor.name} sends ${actor.asked.length} requests within a second`)
  }

  /** A server executes its first instruction. */
  started(server: Server): void {
    const before = this.#world.servers.filter((other) => other !== server && other.epoch >= server.epoch)
    if (before.length > 0 && !this.#isForgiven(server.epoch)) this.fail(`server ${server.epoch} is started after ${before.at(-1)!.epoch}`)
    for (const other of this.#world.servers) {
      if (other === server || !other.isAlive || other.isExcused || this.#isForgiven(other.epoch) || this.#isForgiven(server.epoch)) continue
      this.fail(`two running: ${other.epoch} of ${other.site.name}, and ${server.epoch} of ${server.site.name}`)
    }
  }

  /** A request could be sent to any open door at any time. */
  probe(): void {
    const open = this.#world.sites.flatMap(({ launch }) => (launch?.door?.() === true && launch.server?.isAlive === true ? [launch.server] : []))
    for (const { epoch, site } of open) {
      if (epoch < this.#served && !this.#isForgiven(epoch)) this.fail(`two serving: ${epoch} of ${site.name} can be reached after ${this.#served}`)
      this.#served = Math.max(this.#served, epoch)
    }
    if (new Set(open).size > 1 && !open.some(({ epoch }) => this.#isForgiven(epoch))) this.fail('two serving at one instant')
  }

  /** A write is carried out. */
  write(site: Site, { key, value }: { key: string; value: string }, before: { value: string; at: number } | undefined): void {
    const user = this.#world.launches.find(({ id }) => key.endsWith(`/users/${id}`))
    if (user !== undefined) user.hasFollowed = true
    if (!key.endsWith('/claim') || before === undefined) return
    const [next, old] = [parseClaim(value), parseClaim(before.value)]
    if (typeof next !== 'object' || typeof old !== 'object' || old.state === 'over') return
    const owner = this.#world.launches.find(({ id }) => id === old.launch)
    const isOwners = next.launch === old.launch && this.#siteOf(owner) === site
    if (isOwners || old.where === site.host.where) return
    const silent = (this.#world.now - before.at) * site.host.rate
    if (silent < old.ttl - 0.001) this.fail(`${site.name} takes the claim of ${old.host} after ${Math.round(silent)} ms of silence, and its ttl is ${old.ttl}`)
  }

  #siteOf(launch: Launch | undefined): Site | undefined {
    const name = launch?.actor.name.split('/')[0]
    return this.#world.sites.find((site) => site.name === name)
  }

  /** Whether this follower's use of an owner's launch counts for sure. */
  #isFresh(follower: Launch, owner: string): boolean {
    const stored = [...this.#world.engine.store.values()].find(({ key }) => key.endsWith(`/users/${follower.id}`))
    const use = stored && parseUse(stored.value)
    return typeof use === 'object' && use.of === owner && Math.max(stored!.gap, this.#world.now - stored!.at) < FRESH * use.ttl
  }

  /** The clients of a site learn where the server is. */
  told(site: Site, launch: Launch, { epoch }: At): void {
    const server = this.#world.servers.find((one) => one.epoch === epoch)
    if (server === undefined) return this.fail(`${site.name} is told of a server that nobody started`)
    if (this.#unused.has(server.launch) && server.site !== site && this.#isFresh(launch, server.launch)) {
      this.fail(`${site.name} is told of ${epoch}, which was ended as unused`)
    }
  }

  /** The owner's launch is ended since nobody uses it. */
  unused(owner: Site, launch: Launch): void {
    this.#unused.add(launch.id)
    if (launch.clients.size > 0) this.fail(`${owner.name} ends its server as unused, and its own client has it`)
    for (const site of this.#world.sites) {
      const follower = site.launch
      if (follower === undefined || follower === launch || follower.at?.epoch !== launch.server?.epoch) continue
      if (follower.clients.size > 0 && !follower.isEnded && !follower.actor.isDead && this.#isFresh(follower, launch.id)) {
        this.fail(`${owner.name} ends its server as unused, and ${site.name} uses it`)
      }
    }
  }

  /** A steward that was asked for an explicit stop has returned. */
  stopped(site: Site, epoch: number | undefined): void {
    const server = this.#world.servers.find((one) => one.epoch === epoch)
    if (server?.isAlive === true && !server.isExcused && !this.#isForgiven(server.epoch)) this.fail(`stop at ${site.name} has returned, and the server ${epoch} runs`)
  }
}
