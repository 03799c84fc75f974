/**
 * Runs clients through one order of their steps. The order is the answers of a `Chooser`; the same
 * answers give the same run, so a failing one replays. After the clients, one more is run without any
 * fault, and what it finds is checked: a healthy server, one claim, a true PID file, no orphan.
 */
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import { OneServerError } from '../../lib/errors.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import type { System } from '../../lib/system/system.js'
import { HOST_FOLDER, PID_FILE, World, type Actor, type WorldOptions } from './world.js'

/** What the scheduler may do next. The first one is what happens when nobody interferes. */
export interface Choice {
  readonly kind: 'step' | 'crash' | 'freeze' | 'thaw' | 'server-dies' | 'leader-dies' | 'leader-leaves'
  readonly actor: Actor
}

export interface Chooser {
  readonly random: () => number
  /** Index of the choice to take; undefined to go no further. `last` has had the turn. */
  choose(choices: readonly Choice[], world: World, last: Actor | undefined): number | undefined
  /** Which faults may be offered at all. */
  readonly faults: ReadonlySet<Choice['kind']>
}

/** What a client of the run does. */
export type Act = (manager: ClientProcessManager, system: System, world: World) => Promise<unknown>

export interface RunPlan {
  readonly acts: readonly Act[]
  readonly options?: ClientProcessManagerOptions
  readonly world?: WorldOptions
  /** What is there before the clients begin. */
  readonly prepare?: (world: World) => void
  /** What one more client does afterwards, without any fault. */
  readonly after?: Act
  /** What must hold afterwards, in place of a call that must find a healthy server. */
  readonly check?: (world: World, results: readonly unknown[]) => readonly string[]
}

export interface RunResult {
  readonly violations: readonly string[]
  readonly steps: number
  readonly trace: readonly string[]
}

/** What a call loads when it first needs it, loaded: later it is there in the same tick. */
await Promise.all([
  import('../../lib/protocol/ensure.js'), import('../../lib/protocol/lease.js'), import('../../lib/protocol/status.js'), import('../../lib/protocol/stop.js'),
  import('../../lib/protocol/decide.js'), import('../../lib/protocol/supervise.js'), import('../../lib/protocol/not-ready.js'), import('../../lib/plan/port.js'),
])

/** Steps after which a run is taken to hang. */
const LONGEST = 20_000

/** Until every client has gone on as far as it can: a tick comes after all promise jobs. */
const nextTurn = (): Promise<void> => new Promise((resolve) => { process.nextTick(resolve) })

export const OPTIONS: ClientProcessManagerOptions = { pidFile: PID_FILE, port: 'auto', startupTimeout: 2000, healthCheckInterval: 200, stopTimeout: 500 }

interface Client {
  readonly actor: Actor
  done: boolean
  result: unknown
}

/** A watch is worth waiting for once it was woken; before that it waits for its holder. */
const watchesAtWork = (world: World): Client[] => world.watches.flatMap(({ actor, done, isIdle }) => (isIdle ? [{ actor, done, result: undefined }] : []))

const begin = (world: World, act: Act, chooser: Chooser, options: ClientProcessManagerOptions): Client => {
  const actor = world.addClient()
  const client: Client = { actor, done: false, result: undefined }
  const system = world.systemOf(actor, chooser.random)
  act(new ClientProcessManager(options, system), system, world).then(
    (value) => { client.result = value },
    (error: unknown) => { client.result = error },
  ).finally(() => {
    client.done = true
    // A process that has nothing left to do ends, and with it everything that it holds.
    if (world.watches.some(({ holder }) => holder === actor)) world.exit(actor)
  })
  return client
}

/** Fires what is due next; false when nothing is. */
const passTime = (world: World): boolean => {
  const awake = [...world.actors, world.kernel].filter((actor) => !actor.crashed && !actor.frozen)
  const due = Math.min(...awake.flatMap((actor) => actor.timers.map(({ at }) => at)))
  if (due === Number.POSITIVE_INFINITY) return false
  world.clock = Math.max(world.clock, due)
  for (const actor of awake) for (const timer of actor.timers.slice()) if (timer.at <= world.clock) timer.fire()
  return true
}

const choicesOf = (world: World, clients: readonly Client[], last: Actor | undefined, faults: Chooser['faults']): Choice[] => {
  const ready = [world.kernel, ...world.actors].filter((actor) => actor.canStep)
  const inOrder = [...ready].sort((one, other) => Number(other === last) - Number(one === last))
  const choices: Choice[] = inOrder.map((actor) => ({ kind: 'step', actor }))
  const living = clients.filter(({ actor, done }) => !done && !actor.crashed)
  for (const { actor } of living) {
    if (faults.has('crash')) choices.push({ kind: 'crash', actor })
    if (faults.has('freeze') && !actor.frozen && living.length > 1) choices.push({ kind: 'freeze', actor })
    if (faults.has('thaw') && actor.frozen) choices.push({ kind: 'thaw', actor })
  }
  const mayKill = faults.has('crash') && !world.options.sparesWatchdogs
  if (mayKill) for (const { actor, done, isIdle } of world.watches) if (!done && !isIdle && !actor.crashed) choices.push({ kind: 'crash', actor })
  if (world.runningServers.length > 0) {
    if (faults.has('server-dies')) choices.push({ kind: 'server-dies', actor: world.kernel })
    if (faults.has('leader-dies')) choices.push({ kind: 'leader-dies', actor: world.kernel })
    if (faults.has('leader-leaves') && world.options.withChildren !== undefined) choices.push({ kind: 'leader-leaves', actor: world.kernel })
  }
  return choices
}

const perform = (world: World, { kind, actor }: Choice): void => {
  switch (kind) {
    case 'step': {
      const step = actor.steps.shift()!
      if (!world.options.timeless) world.clock += 0.01
      world.note(`${actor.name} ${step.name}`)
      return step.run()
    }
    case 'crash':
      return world.crash(actor)
    case 'freeze':
      return world.freeze(actor)
    case 'thaw':
      return world.thaw(actor)
    default: {
      const leader = world.runningServers.find(({ pid, group }) => pid === group) ?? world.runningServers[0]
      if (leader !== undefined) world.killServer(leader, kind)
    }
  }
}

/** Runs until every client has returned or is dead; undefined when the chooser went no further. */
const play = async (world: World, clients: readonly Client[], chooser: Chooser): Promise<number | undefined> => {
  let last: Actor | undefined
  let idle = 0
  for (let steps = 0; ; steps++) {
    await nextTurn()
    const everybody = [...clients, ...watchesAtWork(world)]
    const waiting = everybody.filter(({ actor, done }) => !done && !actor.crashed)
    if (waiting.length === 0 && !world.kernel.canStep) return steps
    const choices = choicesOf(world, everybody, last, chooser.faults)
    if (choices.some(({ kind }) => kind === 'step')) {
      idle = 0
      const chosen = chooser.choose(choices, world, last)
      if (chosen === undefined) return undefined
      const choice = choices[chosen]!
      perform(world, choice)
      if (choice.kind === 'step' && choice.actor !== world.kernel) last = choice.actor
    } else if (!passTime(world)) {
      const frozen = waiting.find(({ actor }) => actor.frozen)
      if (frozen !== undefined) world.thaw(frozen.actor)
      else if (idle++ > 20) {
        world.violations.push(`${waiting.map(({ actor }) => actor.name).join(', ')} waits for nothing`)
        return steps
      }
    }
    if (steps > LONGEST) {
      world.violations.push(`no end after ${LONGEST} steps`)
      return steps
    }
  }
}

/** How a call may fail when what it waited for was stopped, killed or frozen under it. */
const MAY_FAIL: readonly string[] = ['STOPPED', 'SERVER_EXITED', 'START_TIMEOUT', 'SERVER_UNHEALTHY']

/** Where the lock keeps order, others may hold it just when a client goes on whose time is over. */
const unexpected = ({ withLock }: WorldOptions, result: unknown): string[] =>
  result instanceof Error && !(result instanceof OneServerError && [...MAY_FAIL, ...(withLock ? ['LOCK_TIMEOUT'] : [])].includes(result.code)) ? [`a call failed: ${result.stack}`] : []

const NO_FAULTS: ReadonlySet<Choice['kind']> = new Set()

const checkEnd = (world: World, { result }: Client): void => {
  const fail = (what: string) => world.violations.push(what)
  if (result instanceof Error || result === undefined) {
    fail(`the call after it failed: ${result instanceof Error ? result.stack : 'no result'}`)
    return
  }
  const { pid, launchId } = result as { pid: number; launchId: string }
  const groups = new Set(world.runningServers.map(({ group }) => group))
  const named = world.processes.get(pid)
  if (groups.size !== 1 || named?.state !== 'running' || named.launch !== launchId) fail(`the call after it got ${pid}, and ${world.runningServers.map((one) => one.pid).join(', ') || 'nothing'} runs`)
  const alive = [...world.processes.values()].filter(({ state, launch }) => state !== 'dead' && launch !== launchId)
  if (alive.length > 0) fail(`left alive: ${alive.map((one) => `${one.pid} (${one.state})`).join(', ')}`)
  const claims = [...world.files.keys()].filter((path) => path.endsWith('.claim'))
  if (claims.length !== 1 || !claims[0]!.includes(launchId)) fail(`claims: ${claims.join(', ')}`)
  if (!world.files.get(PID_FILE)?.includes(launchId)) fail(`the PID file says ${world.files.get(PID_FILE) ?? 'nothing'}`)
  const waits = [...world.files.keys()].filter((path) => path.endsWith('.wait'))
  if (waits.length > 0) fail(`left by clients that wait no longer: ${waits.join(', ')}`)
  const left = [...world.files.keys()].filter((path) => path.startsWith(HOST_FOLDER) && !path.includes(launchId) && !path.endsWith('.outcome'))
  if (left.length > 0) fail(`left in the folder: ${left.join(', ')}`)
}

/** Runs the plan through one order. */
export const run = async (plan: RunPlan, chooser: Chooser): Promise<RunResult> => {
  const world = new World(plan.world)
  try {
    return await runIn(world, plan, chooser)
  } finally {
    world.close()
    await nextTurn()
  }
}

/** What remains of a leader that left while it booted may boot until its deadline; the call after that starts afresh. */
const ensureAfter = ({ options: { withChildren } }: World): Act => async (manager) => {
  try {
    return await manager.ensureServerRunning()
  } catch (error) {
    if (withChildren !== undefined && error instanceof OneServerError && error.code === 'START_TIMEOUT') return manager.ensureServerRunning()
    throw error
  }
}

const runIn = async (world: World, { acts, options = OPTIONS, prepare, after, check }: RunPlan, chooser: Chooser): Promise<RunResult> => {
  prepare?.(world)
  const clients = acts.map((act) => begin(world, act, chooser, options))
  const played = await play(world, clients, chooser)
  if (played === undefined) return { violations: world.violations, steps: 0, trace: world.trace }
  let steps = played
  if (check === undefined || after !== undefined) {
    const calm: Chooser = { random: chooser.random, faults: NO_FAULTS, choose: () => 0 }
    world.note('one more client')
    // It began after whatever was told to those before it.
    world.clock += 1
    const next = begin(world, after ?? ensureAfter(world), calm, options)
    steps += (await play(world, [...clients, next], calm))!
    if (check === undefined) checkEnd(world, next)
  }
  if (check === undefined || after !== undefined) world.violations.push(...clients.flatMap(({ result }) => unexpected(world.options, result)))
  if (check !== undefined) world.violations.push(...check(world, clients.map(({ result }) => result)))
  return { violations: world.violations, steps, trace: world.trace }
}
