/**
 * Runs the stewards of several hosts through one order of steps, faults and clients. The order is the answers of a `Chooser`; the same
 * answers give the same run, so a failing one replays. Then every fault ends, one more client comes, and what it gets is checked; then all
 * leave, and nothing may be left.
 */
import { placeOf, type Terms } from '../../lib/across/place.js'
import { keysOf, parseClaim } from '../../lib/across/claim.js'
import { steward } from '../../lib/across/steward.js'
import { breakSeams } from './breaks.js'
import { localOf } from './machine.js'
import type { Message } from './memory-engine.js'
import { World, type Client, type Launch, type Site, type WorldOptions } from './world.js'

export interface Choice {
  /** `late`: time passes although somebody could go on. `ghost`: a message that nobody waits for any more arrives. */
  readonly kind: 'step' | 'time' | 'late' | 'ghost' | 'fault' | 'act'
  readonly name: string
  readonly run: () => void
}

export interface Chooser {
  readonly random: () => number
  /** Undefined: go no further. */
  choose(world: World, menu: Menu): Choice | undefined
}

/** What may be done next. Each list is made when it is asked for. */
export interface Menu {
  /** The first is what happens when nobody interferes. Empty where only time can pass. */
  readonly steps: readonly Choice[]
  readonly ghosts: () => readonly Choice[]
  readonly faults: () => readonly Choice[]
  readonly acts: () => readonly Choice[]
}

export interface SitePlan {
  /** Ticks of its clock in a true ms. */
  readonly rate: number
  readonly ttl: number
  /** On the host of the site before it, in another folder. */
  readonly isBeside?: boolean
  /** Clients that are there from the beginning. */
  readonly clients: number
}

export interface Often {
  readonly share: number
  readonly most: number
  /** Only those whose names match. */
  readonly of?: RegExp
}

export interface RunPlan {
  readonly sites: readonly SitePlan[]
  readonly world: WorldOptions
  /** True ms after which faults and acts end. */
  readonly ms: number
  readonly mayFreezeHosts?: boolean
  readonly mayWipe?: boolean
  /** How often clients come, leave and stop the server, in place of once in a hundred steps and five times at most. */
  readonly acts?: Often
  readonly faults?: Often
  /** How often the scheduler goes on in turn: 0 is any order. */
  readonly stay?: number
  /** How often time passes although somebody could go on. */
  readonly late?: number
  /** What is checked before the faults end. */
  readonly check?: (world: World) => void
}

export interface RunResult {
  readonly violations: readonly string[]
  readonly steps: number
  readonly trace: readonly string[]
}

/** Until every steward has gone on as far as it can: a tick comes after all promise jobs. */
const nextTurn = (): Promise<void> => new Promise((resolve) => { process.nextTick(resolve) })

const LONGEST = 60_000

const KEYS = keysOf('p', 'n')

/** How long faults last, in shares of `ttl`. */
export const DURATIONS = [0.05, 0.3, 0.65, 0.85, 1.1, 2.5]

const begin = (world: World, site: Site, launch: Launch): void => {
  const terms: Terms = {
    prefix: 'p', name: 'n', engine: 'an engine in memory', ttl: site.ttl, mayHost: true, onMismatch: 'error', identity: { command: 'c', env: {} },
  }
  const seams = breakSeams(world.options.broken, world.engine.for(site, launch.actor), localOf(world, site, launch), KEYS)
  steward(placeOf(seams.engine, seams.local, terms)).then(
    () => {
      if (launch.actor.isDead) return
      if (launch.isStopped) world.checks.stopped(site, launch.stoppedEpoch)
      world.note(`${launch.actor.name} returns`)
      // One whose server had ended before may have tried in vain to give its claim back.
      launch.hasReturned = world.isCalm && !launch.wasEnding
      world.endSteward(site, launch)
    },
    (error: Error) => {
      world.checks.fail(`${launch.actor.name} throws: ${error.stack}`)
      world.endSteward(site, launch)
    },
  )
}

const stepsOf = (world: World): Choice[] => {
  const own = world.steps.filter(({ actor }) => actor.canStep).map((step): Choice => ({
    kind: 'step', name: `${step.actor.name} ${step.name}`,
    run: () => {
      world.steps.splice(world.steps.indexOf(step), 1)
      step.run()
    },
  }))
  const arriving = world.engine.messages.filter((message) => !message.isGhost && world.engine.reaches(message))
  return [...own, ...arriving.map((message): Choice => ({ kind: 'step', name: '', run: () => world.engine.arrive(message) }))]
}

const ghostsOf = ({ engine }: World): Choice[] =>
  engine.messages.filter((message) => message.isGhost && engine.reaches(message)).map((message): Choice => ({ kind: 'ghost', name: 'late:', run: () => engine.arrive(message) }))

type Fault = readonly [name: string, run: () => void]

const faultsOf = (world: World, { mayFreezeHosts, mayWipe, faults: { of } = { share: 0, most: 0 } }: RunPlan): Choice[] => {
  const { engine } = world
  const faults: Fault[] = []
  const lasting = (name: string, begins: () => void, ends: () => void): void => {
    for (const share of DURATIONS) {
      const ms = share * world.sites[0]!.ttl
      faults.push([`${name} for ${ms} ms`, () => {
        begins()
        world.after(undefined, ms, ends)
      }])
    }
  }
  for (const site of world.sites) {
    const { launch, host } = site
    if (launch === undefined) continue
    const { actor, server } = launch
    if (!site.isCut) lasting(`${site.name} is cut off`, () => { site.isCut = true }, () => { site.isCut = false })
    if (mayFreezeHosts === true && !host.isFrozen) {
      for (const isSuspended of [false, true]) lasting(`${host.name} is frozen`, () => world.freezeHost(host, isSuspended), () => world.thawHost(host))
    }
    faults.push([`${host.name} is killed`, () => world.killHost(host)])
    if (!actor.isDead) {
      faults.push([`${actor.name} is killed`, () => world.killSteward(site, launch)])
      if (!actor.isFrozen) lasting(`${actor.name} is frozen`, () => { actor.isFrozen = true }, () => { actor.isFrozen = false })
      if (launch.fuse !== undefined && server !== undefined) faults.push([`the fuse of ${actor.name} is killed`, () => world.killFuse(launch)])
    }
    if (server?.isAlive === true) faults.push([`${server.epoch} dies`, () => world.kill(server)])
  }
  const onTheWay = engine.messages.filter((message) => !message.isGhost && engine.reaches(message))
  for (const message of onTheWay) faults.push(...faultsOfMessage(world, message))
  if (!engine.isDown) lasting('the engine is down', () => { engine.isDown = true }, () => { engine.isDown = false })
  if (!engine.isFull) lasting('the engine is full', () => { engine.isFull = true }, () => { engine.isFull = false })
  if (mayWipe === true) {
    faults.push(['everything is deleted', () => {
      world.checks.forgive(engine.wipe(), Math.max(...world.sites.map(({ ttl }) => ttl)))
    }])
  }
  return faults.filter(([name]) => of === undefined || of.test(name)).map(([name, run]) => ({ kind: 'fault', name, run }))
}

const faultsOfMessage = (world: World, message: Message): Fault[] => {
  const { engine } = world
  const { name } = message
  return [
    [`lost: ${name}`, () => engine.drop(message)],
    [`the answer is lost: ${name}`, () => engine.arrive(message, { answerIsLost: true })],
    [`repeated: ${name}`, () => engine.arrive(message, { twice: true })],
    [`a copy stays on the way: ${name}`, () => engine.arrive(message, { keepsCopy: true })],
    ...[0.05, 0.12, 0.5].map((share): Fault => {
      const ms = share * message.site.ttl
      return [`delayed by ${ms} ms: ${name}`, () => {
        message.notBefore = world.now + ms
        world.after(undefined, ms, () => {})
      }]
    }),
  ]
}

const actsOf = (world: World, { acts: { of } = { share: 0, most: 0 } }: RunPlan): Choice[] => {
  const acts: Fault[] = world.sites.flatMap((site): Fault[] => [
    [`come to ${site.name}`, () => { world.come(site) }],
    ...(site.launch === undefined ? [] : [[`stop at ${site.name}`, () => world.stop(site)] as const satisfies Fault]),
  ])
  for (const client of world.clients) if (client.state === 'using') acts.push([`leave ${client.site.name}`, () => world.leave(client)])
  return acts.filter(([name]) => of === undefined || of.test(name)).map(([name, run]) => ({ kind: 'act', name, run }))
}

/** Plays until `isOver`, or the chooser goes no further. False: something went on for too long, or nothing went on at all. */
const play = async (world: World, plan: RunPlan, chooser: Chooser, isOver: () => boolean, count: { steps: number }): Promise<boolean> => {
  for (;;) {
    await nextTurn()
    world.checks.probe()
    if (world.checks.violations.length > 0 || isOver()) return true
    if (count.steps++ > LONGEST) return false
    const steps = stepsOf(world)
    const choice = chooser.choose(world, { steps, ghosts: () => ghostsOf(world), faults: () => faultsOf(world, plan), acts: () => actsOf(world, plan) })
    if (choice === undefined) return true
    if (choice.name !== '') world.note(choice.name)
    choice.run()
    if ((choice.kind === 'time' || choice.kind === 'late') && world.isStuck) return false
  }
}

export const passing = (world: World, kind: 'time' | 'late' = 'time'): Choice => ({ kind, name: '', run: () => { world.isStuck = !world.pass() } })

/** Nobody interferes. */
const calm = (random: () => number): Chooser => ({ random, choose: (world, { steps }) => steps[0] ?? passing(world) })

const heal = (world: World): void => {
  world.note('all faults end')
  world.isCalm = true
  world.engine.isDown = world.engine.isFull = false
  for (const host of world.hosts) world.thawHost(host)
  for (const site of world.sites) {
    site.isCut = false
    if (site.launch === undefined) continue
    site.launch.actor.isFrozen = false
    site.launch.wasEnding = site.launch.server?.isAlive === false
  }
}

export const run = async (plan: RunPlan, chooser: Chooser): Promise<RunResult> => {
  const world = new World(plan.world, chooser.random)
  world.begin = (site, launch) => begin(world, site, launch)
  for (const { rate, ttl, isBeside } of plan.sites) world.addSite(isBeside === true ? world.hosts.at(-1)! : world.addHost(rate), ttl)
  for (const [index, { clients }] of plan.sites.entries()) for (let left = clients; left > 0; left--) world.come(world.sites[index]!)
  const count = { steps: 0 }
  const fail = (what: string): void => { if (world.checks.violations.length === 0) world.checks.fail(what) }
  const calmly = calm(chooser.random)
  const within = async (ms: number, isDone: () => boolean): Promise<boolean> => {
    const until = world.now + ms
    return (await play(world, plan, calmly, () => isDone() || world.now > until, count)) && isDone()
  }
  // It ends as well when nobody has anything to do any more.
  if (!(await play(world, plan, chooser, () => world.now >= plan.ms, count)) && !world.isStuck) fail('no end')
  world.isStuck = false
  plan.check?.(world)
  heal(world)
  const longest = 3 * Math.max(...plan.sites.map(({ ttl }) => ttl)) + 2 * (plan.world.boot ?? 0) + 20_000
  await checkService(world, longest, within, fail)
  await checkNothingLeft(world, longest, within, fail)
  return { violations: world.checks.violations, steps: count.steps, trace: world.trace }
}

type Within = (ms: number, isDone: () => boolean) => Promise<boolean>

/** A call that joins a launch which is about to fail shares its failure. One of its next calls must get a server. */
const checkService = async (world: World, longest: number, within: Within, fail: (what: string) => void): Promise<void> => {
  let client: Client | undefined
  const site = world.sites[Math.floor(world.random() * world.sites.length)]!
  for (let tries = 0; tries < 3 && client?.state !== 'using'; tries++) {
    client = world.come(site)
    await within(longest, () => client!.state !== 'waiting')
    if (client.state === 'waiting') return fail(`one more client of ${site.name} waits in vain`)
  }
  if (client!.state !== 'using') return fail(`one more client gets ${String(client!.result)}`)
  const waiting = (): Client[] => world.clients.filter(({ state }) => state === 'waiting')
  if (!(await within(longest, () => waiting().length === 0))) fail(`a client of ${waiting()[0]?.site.name} waits in vain`)
}

const checkNothingLeft = async (world: World, longest: number, within: Within, fail: (what: string) => void): Promise<void> => {
  world.note('all clients leave')
  for (const client of world.clients) world.leave(client)
  const left = (): string[] => [
    ...world.sites.flatMap(({ launch }) => (launch === undefined ? [] : [launch.actor.name])),
    ...world.servers.filter(({ isAlive, isExcused }) => isAlive && !isExcused).map(({ epoch }) => `server ${epoch}`),
  ]
  if (!(await within(longest, () => left().length === 0))) fail(`left: ${left().join(', ')}`)
  const entry = world.engine.store.get(KEYS.claim)
  const claim = entry && parseClaim(entry.value)
  if (typeof claim !== 'object' || claim.state === 'over') return
  const owner = world.launches.find(({ id }) => id === claim.launch)
  if (owner?.hasReturned === true) fail(`the claim of ${claim.host} is left`)
}
