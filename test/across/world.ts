/**
 * Hosts in memory: their clocks, whose rates differ, stewards, servers, fuses, doors and clients; and one true time, which no steward sees.
 * What a steward awaits is a step, which the scheduler lets happen when it likes. The fuse alone is urgent: time does not pass its instant
 * unless its whole host is frozen.
 *
 * The invariants are checked in the moment in which they would break.
 */
import type { At } from '../../lib/across/local.js'
import type { Instant } from '../../lib/across/term.js'
import type { OneServerError } from '../../lib/errors.js'
import type { Break } from './breaks.js'
import { Checks } from './checks.js'
import { MemoryEngine } from './memory-engine.js'

export interface Step {
  readonly actor: Actor
  readonly name: string
  readonly run: () => void
}

/** What has steps of its own: a steward, or the machine below it. */
export class Actor {
  isFrozen = false
  isDead = false
  /** True times of its latest requests to the engine. */
  asked: number[] = []
  constructor(readonly name: string, readonly host: Host | undefined) {}

  get canStep(): boolean {
    return !this.isDead && !this.isFrozen && this.host?.isFrozen !== true
  }
}

export interface Timer {
  readonly at: number
  /** Due timers of a frozen host wait until it is thawed. */
  readonly host: Host | undefined
  readonly fire: () => void
}

export class Host {
  isFrozen = false
  /** Frozen as by a suspended machine, and not as by a paused container. */
  isSuspended = false
  frozenAt = 0
  /** ms for which its monotonic clock stood still. */
  stood = 0
  boot = 1
  constructor(readonly name: string, readonly rate: number, readonly offset: number) {}

  get where(): string {
    return `${this.name}-${this.boot}`
  }

  /** Its clocks at a true time. A suspended host's monotonic clock stands still. */
  instant(now: number): Instant {
    const awake = (this.isFrozen && this.isSuspended ? this.frozenAt : now) - this.stood
    return { monotonic: this.offset + this.rate * awake, wall: 1e9 + this.offset + this.rate * now }
  }
}

export interface Server {
  readonly launch: string
  readonly epoch: number
  readonly site: Site
  isAlive: boolean
  /** Its host was frozen as a whole while it ran: nobody can promise anything about its process then. */
  isExcused: boolean
  readonly died: (() => void)[]
}

export interface Client {
  readonly site: Site
  state: 'waiting' | 'using' | 'done'
  /** What it got: an address, a failure, or undefined where its steward ended without a word. */
  result: At | OneServerError | 'lost' | 'stopped' | undefined
}

/** What the local protocol knows of the launch whose leader is a steward. */
export interface Launch {
  readonly id: string
  readonly actor: Actor
  /** Its clients, waiting or using. */
  readonly clients: Set<Client>
  isHeld: boolean
  /** Nobody joins it any more. */
  isEnded: boolean
  isStopped: boolean
  intention: object | undefined
  at: At | undefined
  failure: OneServerError | undefined
  server: Server | undefined
  /** Its steward has said that it uses the server of another. */
  hasFollowed: boolean
  ask: () => void
  fuse: { cancel: () => void } | undefined
  fuseGone: () => void
  isFuseDead: boolean
  /** Epoch of the server that its clients had when an explicit stop came. */
  stoppedEpoch: number | undefined
  /** Its steward returned when no fault was there any more. */
  hasReturned: boolean
  /** Its server had ended before the faults did. */
  wasEnding: boolean
  door: (() => boolean) | undefined
}

/** A folder of the local protocol on a host: one launch at a time. */
export interface Site {
  readonly name: string
  readonly host: Host
  readonly ttl: number
  /** The link to the engine is cut. */
  isCut: boolean
  launch: Launch | undefined
  /** Come after the end of the launch was decided. */
  readonly next: Set<Client>
}

export interface WorldOptions {
  readonly broken?: Break | undefined
  /** ms from start to ready. */
  readonly boot?: number
  /** How many of the first servers exit with 3 while they boot. */
  readonly failures?: number
  /** ms that a server takes to stop. */
  readonly stopping?: number
  /** The engine calls back on changes. */
  readonly hints?: boolean
}

export class World {
  /** True time in ms. */
  now = 0
  readonly hosts: Host[] = []
  readonly sites: Site[] = []
  readonly steps: Step[] = []
  readonly servers: Server[] = []
  readonly clients: Client[] = []
  readonly launches: Launch[] = []
  readonly trace: string[] = []
  readonly machine = new Actor('machine', undefined)
  readonly checks = new Checks(this)
  readonly engine: MemoryEngine
  timers: Timer[] = []
  /** Time could not pass, since nothing was due. */
  isStuck = false
  /** All faults have ended. */
  isCalm = false
  /** Servers that were started. */
  attempts = 0
  /** A launch begins here; the schedule runs the steward. */
  begin: (site: Site, launch: Launch) => void = () => {}

  constructor(readonly options: WorldOptions, readonly random: () => number) {
    this.engine = new MemoryEngine(this, (site, next, before) => this.checks.write(site, next, before))
  }

  addHost(rate: number): Host {
    const host = new Host(`h${this.hosts.length + 1}`, rate, 1000 * (this.hosts.length + 1))
    this.hosts.push(host)
    return host
  }

  addSite(host: Host, ttl: number): Site {
    const site: Site = { name: `s${this.sites.length + 1}`, host, ttl, isCut: false, launch: undefined, next: new Set() }
    this.sites.push(site)
    return site
  }

  note(line: string): void {
    this.trace.push(`${Math.round(this.now)} ${line}`)
  }

  step(actor: Actor, name: string, run: () => void): void {
    if (!actor.isDead) this.steps.push({ actor, name, run })
  }

  /** Fires after `ms` of the host's clock. Returns what cancels it. */
  after(host: Host | undefined, ms: number, fire: () => void): () => void {
    const timer: Timer = { at: this.now + Math.max(0, ms) / (host?.rate ?? 1), host, fire }
    this.timers.push(timer)
    return () => { this.timers = this.timers.filter((one) => one !== timer) }
  }

  /** True time passes until the next timer. False: there is none. */
  pass(): boolean {
    const awake = this.timers.filter(({ host }) => host?.isFrozen !== true)
    if (awake.length === 0) return false
    this.now = Math.max(this.now, Math.min(...awake.map(({ at }) => at)))
    this.fireDue()
    return true
  }

  fireDue(): void {
    for (const timer of this.timers.filter(({ at, host }) => at <= this.now && host?.isFrozen !== true)) {
      if (!this.timers.includes(timer)) continue
      this.timers = this.timers.filter((one) => one !== timer)
      timer.fire()
    }
  }

  /** A client calls at a site. It shares the launch that is there, or begins one. */
  come(site: Site): Client {
    const client: Client = { site, state: 'waiting', result: undefined }
    this.clients.push(client)
    this.note(`a client comes to ${site.name}`)
    this.#join(site, client)
    return client
  }

  #join(site: Site, client: Client): void {
    const { launch } = site
    if (launch === undefined) return this.#launch(site, new Set([client]))
    if (launch.isEnded || launch.actor.isDead) return void site.next.add(client)
    launch.intention = undefined
    launch.clients.add(client)
    if (launch.at !== undefined) this.#give(client, launch.at)
  }

  #give(client: Client, at: At): void {
    client.state = 'using'
    client.result = at
  }

  #launch(site: Site, clients: Set<Client>): void {
    const number = this.launches.length + 1
    const launch: Launch = {
      id: number.toString(16).padStart(16, '0'), actor: new Actor(`${site.name}/${number}`, site.host), clients, isHeld: false, isEnded: false, isStopped: false,
      intention: undefined, at: undefined, failure: undefined, server: undefined, hasFollowed: false, ask: () => {}, fuse: undefined, fuseGone: () => {}, isFuseDead: false, stoppedEpoch: undefined, hasReturned: false, wasEnding: false, door: undefined,
    }
    this.launches.push(launch)
    site.launch = launch
    this.note(`${launch.actor.name} begins`)
    this.begin(site, launch)
  }

  leave(client: Client): void {
    if (client.state === 'done') return
    this.note(`a client of ${client.site.name} leaves`)
    client.state = 'done'
    const { launch, next } = client.site
    next.delete(client)
    if (launch?.clients.delete(client) === true) this.idle(client.site, launch)
  }

  /** The rule for ending of the local protocol: nobody holds this launch or waits for it. */
  idle(site: Site, launch: Launch): void {
    this.after(undefined, 300, () => {
      if (site.launch !== launch || launch.clients.size > 0 || launch.isHeld || launch.isEnded || launch.actor.isDead || site.host.isFrozen) return
      this.note(`${launch.actor.name} is idle`)
      launch.isEnded = true
      launch.ask()
    })
  }

  /** An explicit stop at a site. It kills what has not ended in time. */
  stop(site: Site): void {
    const { launch } = site
    if (launch === undefined || launch.actor.isDead || launch.isEnded) return
    this.note(`stop at ${site.name}`)
    launch.isEnded = true
    launch.isStopped = true
    launch.stoppedEpoch = launch.at?.epoch
    for (const client of launch.clients) if (client.state === 'waiting') this.#end(client, 'stopped')
    launch.ask()
    this.after(site.host, 12_000, () => {
      if (site.launch !== launch || launch.actor.isDead) return
      this.note(`${launch.actor.name} has not stopped in time`)
      if (launch.server !== undefined) this.kill(launch.server)
      this.killSteward(site, launch)
    })
  }

  #end(client: Client, result: Client['result']): void {
    client.state = 'done'
    client.result = result
    client.site.launch?.clients.delete(client)
  }

  tell(site: Site, launch: Launch, at: At | undefined): void {
    launch.at = at
    if (at === undefined) return
    this.checks.told(site, launch, at)
    for (const client of launch.clients) if (client.state === 'waiting') this.#give(client, at)
  }

  /** Marks the host's launch as over, once its steward and its server have ended, and begins that of those who came since. */
  over(site: Site, launch: Launch): void {
    if (site.launch !== launch || !launch.actor.isDead || launch.server?.isAlive === true) return
    this.note(`${launch.actor.name} is over`)
    launch.fuse?.cancel()
    site.launch = undefined
    for (const client of launch.clients) this.#end(client, client.state === 'waiting' ? launch.failure : 'lost')
    const next = new Set(site.next)
    site.next.clear()
    if (next.size > 0) this.#launch(site, next)
  }

  /** The steward's process ends: it returned, or was killed. The fuse reads end-of-file. */
  endSteward(site: Site, launch: Launch): void {
    const { actor } = launch
    actor.isDead = true
    launch.door = undefined
    for (const message of this.engine.messages) if (message.actor === actor) message.isGhost = true
    for (let at = this.steps.length - 1; at >= 0; at--) if (this.steps[at]!.actor === actor) this.steps.splice(at, 1)
    if (launch.server?.isAlive === true && !launch.isFuseDead && this.options.broken !== 'noFuse') {
      this.step(new Actor(`fuse of ${actor.name}`, site.host), 'reads end-of-file', () => this.kill(launch.server!))
    }
    // The local protocol tears a launch without its leader down.
    if (launch.server?.isAlive === true && launch.isFuseDead) this.after(site.host, 2000, () => this.kill(launch.server!))
    this.over(site, launch)
  }

  killSteward(site: Site, launch: Launch): void {
    this.note(`${launch.actor.name} is killed`)
    this.endSteward(site, launch)
  }

  kill(server: Server): void {
    if (!server.isAlive) return
    this.note(`server ${server.epoch} dies`)
    server.isAlive = false
    for (const died of server.died) died()
    const { site } = server
    const launch = site.launch
    if (launch !== undefined && launch.server === server) this.over(site, launch)
  }

  killFuse(launch: Launch): void {
    launch.fuse?.cancel()
    launch.fuse = undefined
    launch.isFuseDead = true
    // Two faults at once, a dead fuse and a dead or frozen steward, leave a server that runs.
    if (launch.server !== undefined) launch.server.isExcused = true
    launch.fuseGone()
  }

  /** Ends the group: server and steward. */
  burn(site: Site, launch: Launch): void {
    this.note(`the fuse of ${launch.actor.name} burns`)
    launch.fuse = undefined
    if (launch.server !== undefined) this.kill(launch.server)
    if (!launch.actor.isDead) this.endSteward(site, launch)
  }

  killHost(host: Host): void {
    this.note(`${host.name} is killed`)
    host.boot++
    for (const site of this.sites) {
      const { launch } = site
      if (site.host !== host || launch === undefined) continue
      for (const client of [...launch.clients, ...site.next]) this.#end(client, 'lost')
      site.next.clear()
      launch.fuse?.cancel()
      launch.fuse = undefined
      if (launch.server !== undefined) this.kill(launch.server)
      if (!launch.actor.isDead) this.endSteward(site, launch)
    }
  }

  freezeHost(host: Host, isSuspended: boolean): void {
    this.note(`${host.name} is frozen as a whole${isSuspended ? ', and its clock' : ''}`)
    host.isFrozen = true
    host.isSuspended = isSuspended
    host.frozenAt = this.now
    for (const server of this.servers) if (server.isAlive && server.site.host === host) server.isExcused = true
  }

  thawHost(host: Host): void {
    if (!host.isFrozen) return
    this.note(`${host.name} is thawed`)
    host.isFrozen = false
    if (host.isSuspended) host.stood += this.now - host.frozenAt
    this.fireDue()
  }
}
