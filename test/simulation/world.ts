/**
 * A machine in memory: files, processes, sockets and a clock, behind the same seam that the real code
 * uses on Node. Every method of the seam is a step that waits for the scheduler, so the real protocol
 * runs through whatever order of steps is chosen, with clients that crash or freeze between any two.
 *
 * The invariant is checked where it would break: in the moment in which a server executes its first
 * instruction, no other may be running.
 */
import { hash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { stateUnusable } from '../../lib/errors.js'
import type { Exit, FileLock, GatedChild, HealthPlan, HeldLock, Kin, Leader, Listener, Probe, ProcessId, ProcessLook, SpawnPlan, System, WatchdogPlan } from '../../lib/system/system.js'

export const PID_FILE = '/home/user/server.pid'
const HOST = 'host'
/** Where the servers of the world listen, and the name that leads there. */
const LOOPBACK = ['127.0.0.1', 'localhost']
/** PID of the stranger that listens on the other address, of which nobody asks anything else. */
const NEIGHBOUR = 999_999
export const HOST_FOLDER = `${PID_FILE}.d/${HOST}`

/** ms from the first instruction until the port is open: the launcher and each follower look once in vain. */
const BOOT = 150

/** What one actor could do next. */
export interface Step {
  readonly name: string
  readonly run: () => void
  /** The run is over: whoever waits for this goes home. */
  readonly drop?: () => void
}

interface Timer {
  readonly at: number
  readonly fire: () => void
}

/** Each content of a file that was seen has a number, so that states are compared by short texts. */
const numbers = new Map<string, number>()
const numberOf = (text: string): number => {
  const known = numbers.get(text) ?? numbers.size
  if (known === numbers.size) numbers.set(text, known)
  return known
}

/** A client process, or the kernel, which delivers deaths and opens gates. */
export class Actor {
  readonly steps: Step[] = []
  timers: Timer[] = []
  /** Everything that it has learnt, in order, as one digest: its code is deterministic, so two with the same history are in the same state. */
  history = ''
  spawned = 0
  ids = 0
  ports = 0
  /** Frozen actors keep their steps and do none of them. */
  frozen = false
  crashed = false
  constructor(readonly name: string, readonly pid: number) {}

  get canStep(): boolean {
    return !this.frozen && !this.crashed && this.steps.length > 0
  }

  learns(what: string): void {
    this.history = hash('sha1', `${this.history} ${what}`, 'base64')
  }
}

interface Process {
  readonly pid: number
  readonly start: string
  readonly group: number
  readonly launch: string | undefined
  readonly port: number
  state: 'gated' | 'running' | 'dead'
  opened: boolean
  listensAt: number
  readonly gateFile: string
  readonly exited: ((exit: Exit) => void)[]
  readonly isServer: boolean
}

/** A watch over a launch: a process of its own, which the holder's end of the pipe wakes. */
export interface Watch {
  readonly actor: Actor
  /** Whose end wakes it. */
  holder: Actor
  readonly launchId: string
  /** Its idle time has passed, and it holds nothing any more. */
  hasLetGo: boolean
  /** The holder has let go, or is dead. */
  isIdle: boolean
  done: boolean
  readonly wake: (line: boolean) => void
}

export interface WorldOptions {
  /** What a watch runs when the idle time is over. */
  readonly reaper?: (system: System, launch: string) => Promise<unknown>
  /** Servers that start a child in their own group, which lives on when its leader dies: it serves at the same port, or it serves nobody. */
  readonly withChildren?: 'serving' | 'idle'
  /** No watchdog of a holder is killed: where its lease has vanished, it alone shows that a client holds the server. */
  readonly sparesWatchdogs?: boolean
  /** Clients by name whose health checks fail, whatever the server does: it is slow, and they ask at the wrong moment. */
  readonly deafClients?: readonly string[]
  /** ms from the first instruction until the port is open. */
  readonly boot?: number
  /** Breaks the objection of patient clients on purpose: what they write is not there. */
  readonly withoutWaits?: boolean
  /** Steps take no time, so that it does not matter to the clock in which order they were done. */
  readonly timeless?: boolean
  /** The lock keeps order, as it does on a real machine. Else it grants itself to everybody: it must not be what keeps promise 1. */
  readonly withLock?: boolean
  /** A file system without hard links: to create a file is a look and a rename, and another client may come between. */
  readonly withoutLinks?: boolean
  /** Breaks step 5 on purpose: until a client publishes its claim or withdraws it, each listing shows that claim alone. */
  readonly withoutSecondListing?: boolean
}

export class World {
  clock = 1000
  readonly files = new Map<string, string>()
  readonly folders = new Set<string>(['/', '/home', '/home/user'])
  readonly processes = new Map<number, Process>()
  /** Ports at whose other address a stranger listens. */
  readonly neighbours = new Set<number>()
  readonly actors: Actor[] = []
  readonly kernel = new Actor('kernel', 1)
  readonly watchers: { readonly actor: Actor; readonly folder: string; readonly onChange: (name: string | undefined) => void }[] = []
  readonly watches: Watch[] = []
  /** What each claim said: a server holds its claim open. */
  readonly claims = new Map<string, string>()
  /** Launches that nobody may end now: by the PID of the client that was given a lease on it, or of none if it was started explicitly. */
  readonly held: { readonly launch: string; readonly by: number | undefined }[] = []
  /** Clients that have begun to wait for a launch, and until when: nobody may end it before for being late. */
  readonly waiting: { readonly launch: string; readonly actor: number; readonly until: number }[] = []
  readonly violations: string[] = []
  readonly trace: string[] = []
  /** Launches whose server has executed an instruction. */
  readonly ran = new Set<string>()

  constructor(readonly options: WorldOptions = {}) {}

  addClient(): Actor {
    const actor = new Actor(`c${this.actors.length + 1}`, 100 + this.actors.length)
    this.actors.push(actor)
    return actor
  }

  get runningServers(): Process[] {
    return [...this.processes.values()].filter(({ state, isServer }) => state === 'running' && isServer).sort((one, other) => one.pid - other.pid)
  }

  /** Equal for two worlds in which everything that can still happen is the same. */
  get state(): string {
    const processes = [...this.processes.values()].map(({ pid, state, opened, listensAt }) => `${pid}${state}${opened}${listensAt}`).sort()
    const files = [...this.files].map(([path, body]) => `${path} ${numberOf(body)}`).sort()
    const actors = [this.kernel, ...this.actors].map(({ history, frozen, crashed, steps }) => [history, frozen, crashed, ...steps.map(({ name }) => name)])
    return JSON.stringify([this.clock, processes, files, [...this.folders].sort(), actors, [...this.neighbours], this.violations])
  }

  /** A server that has been running for long, launched by a client that is gone. */
  addServer(launch: string, port: number): Leader {
    for (const folder of [`${PID_FILE}.d`, HOST_FOLDER]) this.folders.add(folder)
    const process = this.#add({ pid: 99, launch, port, gateFile: '', state: 'running', isServer: true })
    process.listensAt = 0
    return process
  }

  /** A process that has nothing to do with any launch. */
  addStranger(pid: number): void {
    this.processes.set(pid, {
      pid, start: String(pid * 7), group: pid, launch: undefined, port: 0, state: 'running', opened: false,
      listensAt: Number.POSITIVE_INFINITY, gateFile: '', exited: [], isServer: false,
    })
  }

  /** Whether something that is no client may delete state now: what it does between a claim and its gate, no step can see. */
  get isOpen(): boolean {
    const processes = [...this.processes.values()]
    return !processes.some(({ state }) => state === 'gated') && processes.some(({ state, isServer }) => isServer && state === 'running')
  }

  /** All state goes at once, as by `rm -rf`. */
  wipe(): void {
    this.note('the state vanishes')
    for (const path of this.files.keys()) if (path === PID_FILE || path.startsWith(`${PID_FILE}.d/`)) this.#remove(path)
    for (const folder of [HOST_FOLDER, `${PID_FILE}.d`]) this.folders.delete(folder)
  }

  isRunning(pid: number): boolean {
    return this.processes.get(pid)?.state === 'running'
  }

  /** A client dies: its pipes close, and gates that were not opened let their children exit. */
  crash(actor: Actor): void {
    this.note(`${actor.name} is killed`)
    this.exit(actor)
  }

  /** Until `by` lets go or ends, the launch must not be ended by anybody. */
  hold(launch: string, by: number | undefined): void {
    this.held.push({ launch, by })
  }

  /** A launch is marked as ended because its time is over. */
  endsPastDeadline(launch: string | undefined): void {
    for (const { launch: awaited, actor, until } of this.waiting) {
      const lives = this.actors.some(({ pid, crashed }) => pid === actor && !crashed)
      if (lives && awaited === launch && until > this.clock) this.violations.push(`${launch} is ended at ${this.clock}, and ${actor} waits until ${until}`)
    }
  }

  letGo(isMeant: (held: { readonly launch: string; readonly by: number | undefined }) => boolean): void {
    for (const held of this.held.filter(isMeant)) this.held.splice(this.held.indexOf(held), 1)
  }

  /** A client ends, whatever it holds. */
  exit(actor: Actor): void {
    actor.crashed = true
    this.letGo(({ by }) => by === actor.pid)
    for (const watch of this.watches) {
      if (watch.actor === actor) watch.done = true
      if (watch.holder === actor) watch.wake(false)
    }
    for (const process of this.processes.values()) {
      if (process.state === 'gated' && !process.opened && this.#owners.get(process.pid) === actor) this.#willDie(process.pid, 'its gate closed')
    }
  }

  freeze(actor: Actor): void {
    actor.frozen = true
    this.note(`${actor.name} freezes`)
  }

  thaw(actor: Actor): void {
    actor.frozen = false
    this.note(`${actor.name} goes on`)
  }

  /** The server dies by itself: all of it, or the leader alone, which a signal ends or which leaves with 0 as a daemon does. */
  killServer(process: Process, how: 'server-dies' | 'leader-dies' | 'leader-leaves'): void {
    this.note(`the server ${process.pid} ${how === 'leader-leaves' ? 'leaves' : 'dies'}${how === 'server-dies' ? '' : ', its children do not'}`)
    const servesOn = how !== 'server-dies' && this.options.withChildren === 'serving'
    const others = this.held.filter(({ launch }) => launch === process.launch)
    this.letGo(({ launch }) => launch === process.launch)
    this.#die(process.pid, how === 'leader-leaves' ? 0 : 1)
    if (how === 'server-dies') for (const child of this.processes.values()) if (child.group === process.pid) this.#die(child.pid)
    // A client that holds a launch whose leader has gone still holds what serves on.
    if (servesOn) this.held.push(...others)
  }

  /** Lets everybody go who waits for a step that will not come: what hangs in a promise for ever is memory for ever. */
  close(): void {
    this.#isClosed = true
    for (const actor of this.actors) {
      for (const step of actor.steps.splice(0)) step.drop?.()
      for (const timer of actor.timers.slice()) timer.fire()
    }
  }

  #isClosed = false

  note(what: string): void {
    this.trace.push(`${this.clock} ${what}`)
  }

  readonly #owners = new Map<number, Actor>()

  #die(pid: number, exitCode = 1): void {
    const process = this.processes.get(pid)
    if (process === undefined || process.state === 'dead') return
    process.state = 'dead'
    if (this.held.some(({ launch }) => launch === process.launch)) this.violations.push(`${pid} dies, and a client holds it`)
    const owner = this.#owners.get(pid)
    if (owner !== undefined && process.exited.length > 0) {
      owner.steps.push({ name: `sees that ${pid} has exited`, run: () => { for (const tell of process.exited) tell({ exitCode }) } })
    }
  }

  #willDie(pid: number, why: string): void {
    const process = this.processes.get(pid)
    if (process === undefined || process.state === 'dead') return
    this.kernel.steps.push({ name: `${pid} dies: ${why}`, run: () => this.#die(pid) })
  }

  #begin(process: Process): void {
    const others = this.runningServers.filter(({ group }) => group !== process.pid)
    if (others.length > 0) this.violations.push(`two servers: ${process.pid} begins while ${others.map(({ pid }) => pid).join(', ')} runs`)
    process.state = 'running'
    process.listensAt = this.clock + (this.options.boot ?? BOOT)
    if (process.launch !== undefined) this.ran.add(process.launch)
    if (this.files.has(process.gateFile)) this.files.set(process.gateFile, '\n')
    if (this.options.withChildren === undefined) return
    const port = this.options.withChildren === 'serving' ? process.port : 0
    const child = this.#add({ pid: process.pid * 10, group: process.pid, launch: process.launch, port, gateFile: '', state: 'running', isServer: true })
    child.listensAt = process.listensAt
  }

  #add(values: Pick<Process, 'pid' | 'launch' | 'port' | 'gateFile' | 'state' | 'isServer'> & { group?: number }): Process {
    const { pid } = values
    const process: Process = { start: String(pid * 7), group: pid, opened: false, listensAt: Number.POSITIVE_INFINITY, exited: [], ...values }
    this.processes.set(pid, process)
    return process
  }

  #changed(path: string): void {
    const folder = dirname(path)
    for (const { actor, folder: watched, onChange } of this.watchers) {
      if (watched !== folder || actor.crashed) continue
      actor.learns('something changed')
      onChange(basename(path))
    }
  }

  #write(path: string, body: string): void {
    if (!this.folders.has(dirname(path))) throw stateUnusable(path, 'cannot be written', 'simulated', Object.assign(new Error('ENOENT'), { code: 'ENOENT' }))
    this.files.set(path, body)
    this.#changed(path)
  }

  #remove(path: string): boolean {
    const there = this.files.delete(path)
    if (there) this.#changed(path)
    return there
  }

  #listening(port: number): Process | undefined {
    // Of several that want a port the first one has it.
    return [...this.processes.values()].find((process) => process.state === 'running' && process.port === port && process.listensAt <= this.clock)
  }

  #look(pid: number): ProcessLook {
    const client = this.actors.find((actor) => actor.pid === pid)
    if (client !== undefined) return client.crashed ? { state: 'gone' } : { state: client.frozen ? 'stopped' : 'running', start: String(pid * 7), isThread: false }
    const process = this.processes.get(pid)
    return process === undefined || process.state === 'dead' ? { state: 'gone' } : { state: 'running', start: process.start, isThread: false }
  }

  #isAlive({ pid, start }: ProcessId): boolean {
    const look = this.#look(pid)
    return 'start' in look && look.start === start
  }

  /** The shell of a watch, as the real one goes; the reaper that it runs is the real one. */
  #addWatch(holder: Actor, { folder, launchId, lease, idleTimeout }: WatchdogPlan, random: () => number): Watch {
    const actor = new Actor(`w${this.watches.length + 1}`, holder.pid * 100 + 50 + this.watches.filter((one) => one.holder === holder).length)
    this.actors.push(actor)
    let wake!: (line: boolean) => void
    const woken = new Promise<boolean>((resolve) => { wake = resolve })
    const watch: Watch = { actor, holder, launchId, hasLetGo: false, isIdle: false, done: false, wake: (line) => {
      if (watch.isIdle) return
      watch.isIdle = true
      actor.learns('woken')
      wake(line)
    } }
    this.watches.push(watch)
    const system = this.systemOf(actor, random)
    const others = (names: readonly string[]) => names.flatMap((name) => new RegExp(`^\\w+\\.${launchId}\\.(\\d+)\\.\\d+\\.(?:lease|watch)$`).exec(name)?.[1] ?? [])
    const go = async (): Promise<void> => {
      if (await woken) return
      const isOwn = (name: string) => name.startsWith(lease) && name.includes(`.${launchId}.`)
      for (const name of await system.list(folder)) if (isOwn(name) && name.endsWith('.lease')) await system.remove(`${folder}/${name}`)
      await system.sleep(idleTimeout)
      for (const name of await system.list(folder)) if (isOwn(name)) await system.remove(`${folder}/${name}`)
      watch.hasLetGo = true
      const names = await system.list(folder)
      if (names.includes(`${launchId}.pin`)) return
      for (const pid of others(names)) if (!['gone', 'stopped'].includes((await system.look(Number(pid))).state)) return
      await this.options.reaper?.(system, launchId)
    }
    void go().catch(() => {}).finally(() => { watch.done = true; actor.crashed = true })
    return watch
  }

  /** The watch looks at another process from here on: it sees within a moment that this one has ended. */
  #handOver(own: Actor, to: ProcessId): void {
    const watch = this.watches.find(({ actor }) => actor === own)
    const holder = this.actors.find(({ pid }) => pid === to.pid)
    if (watch === undefined || watch.isIdle) return
    if (holder === undefined || holder.crashed) watch.wake(false)
    else watch.holder = holder
  }

  /** The seam, as one client sees it. */
  systemOf(actor: Actor, random: () => number): System {
    // oxlint-disable-next-line no-this-alias -- a getter-free object of arrow functions, half of which return further objects
    const world = this
    /** Waits for the scheduler, then does it at once. */
    const step = <Result>(name: string, work: () => Result): Promise<Result> =>
      new Promise((resolve, reject) => {
        const drop = () => reject(new Error('the run is over'))
        if (world.#isClosed) return drop()
        actor.steps.push({
          name, drop, run: () => {
            try {
              const result = work()
              actor.learns(`${world.clock} ${name}: ${JSON.stringify(result)}`)
              resolve(result)
            } catch (error) {
              actor.learns(`${world.clock} ${name} fails: ${String(error)}`)
              reject(error as Error)
            }
          },
        })
      })
    /** What commutes with everything that others do needs no place in the order. */
    const atOnce = async <Result>(work: () => Result): Promise<Result> => work()
    let ownClaim: string | undefined

    const sleep: System['sleep'] = (ms, { wake, signal } = {}) =>
      new Promise((resolve) => {
        if (signal?.aborted || world.#isClosed) return resolve()
        const done = () => {
          signal?.removeEventListener('abort', done)
          actor.timers = actor.timers.filter((one) => one !== timer)
          actor.learns(`${world.clock} wakes`)
          resolve()
        }
        const timer: Timer = { at: world.clock + Math.max(0, ms), fire: done }
        actor.timers.push(timer)
        signal?.addEventListener('abort', done)
        wake?.then(done, done)
      })

    const probe = ({ urls }: HealthPlan): Probe => {
      if (world.options.deafClients?.includes(actor.name)) return { healthy: false, reason: 'it did not answer' }
      for (const url of urls) {
        const { hostname, port } = new URL(url)
        if (LOOPBACK.includes(hostname) && world.#listening(Number(port)) !== undefined) return { healthy: true, url }
      }
      return { healthy: false, reason: 'the connection was refused' }
    }

    const spawn = ({ env, gateFile, logFile }: SpawnPlan): GatedChild => {
      const process = world.#add({ pid: actor.pid * 100 + ++actor.spawned, launch: env['ONE_SERVER_LAUNCH_ID'], port: Number(env['PORT']), gateFile, state: 'gated', isServer: true })
      world.#write(logFile, '')
      world.#owners.set(process.pid, actor)
      const exited = new Promise<Exit>((resolve) => { process.exited.push(resolve) })
      return {
        id: { pid: process.pid, start: process.start }, group: process.group, keeper: undefined,
        exited: () => exited,
        open: () => step(`opens the gate of ${process.pid}`, () => {
          if (process.state === 'dead') return false
          process.opened = true
          world.kernel.steps.push({ name: `${process.pid} passes its gate`, run: () => { if (process.state === 'gated') world.#begin(process) } })
          return true
        }),
        close: async () => {
          await step(`closes the gate of ${process.pid}`, () => world.#willDie(process.pid, 'its gate closed'))
          await exited
        },
      }
    }

    /** As the real one judges a lock: by the notes of those who are at it, of whom the dead and the stopped do not count. */
    const lock = (): HeldLock | undefined => {
      const isAtWork = (pid: number): boolean => world.actors.some((other) => other.pid === pid && !other.crashed && !other.frozen)
      const notes = [...world.files.keys()].flatMap((path) => /\.(\d+)\.\d+\.locking$/.exec(path)?.[1] ?? [])
      if (!world.folders.has(HOST_FOLDER) || notes.some((pid) => isAtWork(Number(pid)))) return undefined
      const note = `${HOST_FOLDER}/${(actor.pid * 10_000 + ++actor.ids).toString(16).padStart(16, '0')}.${actor.pid}.${actor.pid * 7}.locking`
      world.#write(note, '')
      return { release: () => step('releases the lock', () => { world.#remove(note) }) }
    }

    return {
      self: async () => ({ pid: actor.pid, start: String(actor.pid * 7) }),
      now: () => world.clock,
      host: async () => HOST,
      // What differs comes first: by how an id begins, a watchdog knows its leases.
      randomId: () => atOnce(() => (actor.pid * 10_000 + ++actor.ids).toString(16).padStart(13, '0').padEnd(16, '0')),
      random,
      today: () => new Date(0),
      sleep,
      realpath: (path) => path,
      kindOf: (path) => atOnce(() => (path === process.cwd() ? 'folder' as const : 'executable' as const)),
      inspectLog: () => atOnce(() => {}),
      resolvePackage: () => atOnce(() => undefined),
      read: (path) => step(`reads ${basename(path)}`, () => {
        const text = world.files.get(path)
        return text === undefined ? { kind: 'absent' } : { kind: 'file', text, modified: 0 }
      }),
      inspect: () => atOnce(() => {}),
      list: (folder) => step(`lists ${basename(folder)}`, () => {
        const names = [...world.files.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path)).sort()
        if (!world.options.withoutSecondListing || ownClaim === undefined) return names
        return names.filter((name) => name === ownClaim || !name.endsWith('.claim'))
      }),
      create: async (path, body, temp) => {
        await step(`writes ${basename(path)} aside`, () => world.#write(temp, body))
        const isTaken = world.options.withoutLinks === true ? await step(`looks for ${basename(path)}`, () => world.files.has(path)) : undefined
        return step(`creates ${basename(path)}`, () => {
          world.#remove(temp)
          if (world.options.withoutWaits && path.endsWith('.wait')) return true
          if (isTaken ?? world.files.has(path)) return false
          world.#write(path, body)
          if (path.endsWith('.claim')) {
            ownClaim = basename(path)
            world.claims.set(ownClaim.split('.')[0]!, body)
          }
          return true
        })
      },
      replace: async (path, body, temp) => {
        await step(`writes ${basename(path)} aside`, () => world.#write(temp, body))
        return step(`replaces ${basename(path)}`, () => {
          world.#remove(temp)
          world.#write(path, body)
          ownClaim = undefined
        })
      },
      rename: (from, to) => step(`renames ${basename(from)} to ${basename(to)}`, () => {
        const body = world.files.get(from)
        if (body === undefined) return false
        if (from.endsWith('.ending')) world.endsPastDeadline(/(\w+)\.ended$/.exec(to)?.[1])
        world.#remove(from)
        world.#write(to, body)
        return true
      }),
      remove: (path) => step(`removes ${basename(path)}`, () => {
        if (basename(path) === ownClaim) ownClaim = undefined
        return world.#remove(path)
      }),
      makeFolder: (folder) => step(`makes ${basename(folder)}`, () => { world.folders.add(folder) }),
      removeFolder: (folder) => step(`removes the folder ${basename(folder)}`, () => {
        const inside = [...world.files.keys(), ...world.folders].some((path) => path !== folder && dirname(path) === folder)
        if (!inside) world.folders.delete(folder)
      }),
      inodeOf: () => atOnce(() => undefined),
      tail: () => atOnce(() => ''),
      watch: (folder, onChange) => {
        const watcher = { actor, folder, onChange }
        world.watchers.push(watcher)
        return () => { world.watchers.splice(world.watchers.indexOf(watcher), 1) }
      },
      look: (pid) => step(`looks at ${pid}`, () => world.#look(pid)),
      startedAt: () => atOnce(() => undefined),
      kin: (leader, launch) => step(`looks for the kin of ${leader.pid}`, () =>
        [...world.processes.values()].filter((process) => process.state !== 'dead' && (process.group === leader.group || process.launch === launch))
          .map(({ pid, start, group, launch: carried }): Kin => ({ pid, start, inGroup: group === leader.group, carriesLaunchId: carried === launch }))),
      signal: (process, signal) => step(`sends ${signal} to ${process.pid}`, () => {
        if (!world.#isAlive(process)) return false
        if (signal !== 'SIGCONT') world.#willDie(process.pid, signal)
        return true
      }),
      signalGroup: (group, member, signal) => step(`sends ${signal} to the group ${group}`, () => {
        if (!world.#isAlive(member)) return false
        if (signal !== 'SIGCONT') for (const { pid, group: own } of world.processes.values()) if (own === group) world.#willDie(pid, signal)
        return true
      }),
      spawn: (plan) => step('spawns', () => spawn(plan)),
      describe: (pid) => step(`asks whose ${pid} is`, () => (world.#look(pid).state === 'gone' ? undefined : { isOwn: true, command: 'another' })),
      watchOver: (plan) => step('sets a watch', () => {
        const { actor: own, wake } = world.#addWatch(actor, plan, random)
        const handOver = (to: ProcessId) => step(`hands over to ${to.pid}`, () => world.#handOver(own, to))
        return { id: { pid: own.pid, start: String(own.pid * 7) }, letGo: () => wake(false), dismiss: () => wake(true), handOver }
      }),
      watchdogs: (launchId) => step('looks for watchdogs', () =>
        world.watches.filter((watch) => watch.launchId === launchId && !watch.done && !watch.hasLetGo && !watch.actor.frozen)
          .map(({ actor: { pid } }) => ({ pid, start: String(pid * 7) }))),
      launchesOf: () => step('looks for launches without a claim', () => {
        const living = [...world.processes.values()].filter(({ state, launch }) => state === 'running' && launch !== undefined)
        return [...new Set(living.map(({ launch }) => launch!))].map((launchId) => {
          const [oldest] = living.filter(({ launch }) => launch === launchId).sort((one, other) => one.pid - other.pid)
          return { launchId, leader: { pid: oldest!.pid, start: oldest!.start, group: oldest!.group }, claim: world.claims.get(launchId) }
        })
      }),
      endWatchdog: ({ pid }) => step(`ends the watchdog ${pid}`, () => {
        const watch = world.watches.find(({ actor: own }) => own.pid === pid)
        if (watch !== undefined && watch.actor !== actor) world.exit(watch.actor)
      }),
      probe: (plan) => step('probes', () => probe(plan)),
      prepareProbe: () => {},
      listenersAt: (address, port) => step(`asks who listens on ${port}`, (): Listener[] => {
        if (address === '::1' && world.neighbours.has(port)) return [{ address, uid: undefined, inode: String(NEIGHBOUR) }]
        const process = LOOPBACK.includes(address) ? world.#listening(port) : undefined
        return process === undefined ? [] : [{ address: '127.0.0.1', uid: undefined, inode: String(process.pid) }]
      }),
      ownerOf: ([listener]) => step('asks whose socket it is', () => {
        if (listener?.inode === String(NEIGHBOUR)) return { pid: NEIGHBOUR, launchId: undefined }
        const process = listener === undefined ? undefined : world.processes.get(Number(listener.inode))
        return process === undefined ? undefined : { pid: process.pid, launchId: process.launch }
      }),
      freePort: () => atOnce(() => 4000 + actor.pid * 10 + ++actor.ports),
      waitUntilReady: async (plan, interval, _timeout, over) => {
        let ended = false
        const end = over.then(() => { ended = true })
        while (!ended) {
          const answer = await step('checks the health', () => probe(plan))
          if (answer.healthy) return answer
          await sleep(interval, { wake: end })
        }
        return undefined
      },
      fileLock: (): FileLock => ({ try: () => (world.options.withLock ? step('tries the lock', lock) : atOnce(() => ({ release: async () => {} }))) }),
    }
  }
}
