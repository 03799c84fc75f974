/**
 * An engine in memory, behind the seam that etcd has: a linearizable compare-and-swap on small values. Each request is a message that the
 * scheduler lets arrive when it likes; on the way it may be lost, arrive twice, or arrive after its sender has given up, and its answer may
 * be lost after it was carried out. So nothing that a steward does can rest on more than `Coordinator` promises.
 */
import { Refused, Unreachable, type Coordinator, type Entry } from '../../lib/across/coordinator.js'
import type { Actor, Site, World } from './world.js'

/** ms of its host's clock after which a request is given up, as a share of `ttl`. */
const PATIENCE = 0.1

interface Stored extends Entry {
  /** True time of the write. */
  readonly at: number
  readonly by: Site
  /** The longest time between two writes of it. */
  readonly gap: number
}

/** One request on its way. */
export interface Message {
  readonly name: string
  readonly site: Site
  readonly actor: Actor
  /** Carries it out. */
  readonly carryOut: () => unknown
  readonly answer: (value: unknown) => void
  /** Nobody waits for it any more. */
  isGhost: boolean
  /** True time before which it does not arrive. */
  notBefore: number
}

/** What a write would replace, for the checks. */
export type OnWrite = (site: Site, next: { key: string; value: string }, before: Stored | undefined) => void

export class MemoryEngine {
  readonly store = new Map<string, Stored>()
  readonly messages: Message[] = []
  readonly #watches = new Set<{ under: string; site: Site; actor: Actor; ring: () => void }>()
  isDown = false
  /** No space left: writes are refused. */
  isFull = false
  #revision = 0
  readonly #world: World
  readonly #onWrite: OnWrite

  constructor(world: World, onWrite: OnWrite) {
    this.#world = world
    this.#onWrite = onWrite
  }

  reaches({ site, notBefore }: Message): boolean {
    return !this.isDown && !site.isCut && !site.host.isFrozen && notBefore <= this.#world.now
  }

  /** The message arrives. A copy of it may arrive later once more. */
  arrive(message: Message, { answerIsLost = false, twice = false, keepsCopy = false } = {}): void {
    this.#world.note(`engine: ${message.name}`)
    const first = message.carryOut()
    const value = twice ? message.carryOut() : first
    if (!message.isGhost && !answerIsLost) message.answer(value)
    if (!keepsCopy) this.drop(message)
    // Whoever sent it may still wait for the answer that was lost; a copy has nobody.
    else message.isGhost = true
  }

  drop(message: Message): void {
    this.messages.splice(this.messages.indexOf(message), 1)
  }

  /** Somebody deletes all of it. Returns the newest version that there was. */
  wipe(): number {
    this.#world.note('engine: everything is deleted')
    this.store.clear()
    return this.#revision++
  }

  #write(site: Site, key: string, value: string, expected: string | undefined): string | undefined | Refused {
    if (this.isFull) return new Refused('database space exceeded', 'Compact it.')
    const before = this.store.get(key)
    if (expected !== 'any' && before?.version !== expected) return undefined
    this.#onWrite(site, { key, value }, before)
    const version = String(++this.#revision)
    this.store.set(key, { key, value, version, at: this.#world.now, by: site, gap: Math.max(before?.gap ?? 0, this.#world.now - (before?.at ?? this.#world.now)) })
    this.#changed(key)
    return version
  }

  #remove(key: string, expected?: string): boolean {
    const before = this.store.get(key)
    if (before === undefined || (expected !== undefined && before.version !== expected)) return false
    this.#revision++
    this.#changed(key)
    return this.store.delete(key)
  }

  #changed(key: string): void {
    for (const { under, actor, ring, site } of this.#watches) {
      if (key.startsWith(under) && !this.isDown && !site.isCut && !actor.isDead) this.#world.step(actor, 'hears of a change', ring)
    }
  }

  /** The engine as the steward `actor` at this site sees it. */
  for(site: Site, actor: Actor): Coordinator {
    const world = this.#world
    const entry = (key: string): Entry | undefined => {
      const found = this.store.get(key)
      return found && { key, value: found.value, version: found.version }
    }
    const request = <T>(name: string, carryOut: () => T): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        world.checks.asked(actor)
        let isSettled = false
        const settle = (how: string, then: () => void): void => {
          if (isSettled) return
          isSettled = true
          cancel()
          world.step(actor, `${name}: ${how}`, then)
        }
        const message: Message = {
          name: `${actor.name} ${name}`, site, actor, isGhost: false, notBefore: 0, carryOut,
          answer: (value) => settle(typeof value === 'object' ? 'answered' : String(value), () => (value instanceof Refused ? reject(value) : resolve(value as T))),
        }
        const cancel = world.after(site.host, PATIENCE * site.ttl, () => {
          message.isGhost = true
          settle('no answer in time', () => reject(new Unreachable('no answer in time', { sent: true })))
        })
        if ((this.isDown || site.isCut) && world.random() < 0.5) settle('cannot be sent', () => reject(new Unreachable('no connection', { sent: false })))
        else this.messages.push(message)
      })
    return {
      read: (key) => request(`reads ${short(key)}`, () => entry(key)),
      list: (under) => request(`lists ${short(under)}`, () => [...this.store.keys()].filter((key) => key.startsWith(under)).map((key) => entry(key)!)),
      write: (key, value, expected) => request(`writes ${short(key)} ${shown(value)} at ${expected}`, () => this.#write(site, key, value, expected) as string | undefined),
      remove: (key, expected) => request(`removes ${short(key)}`, () => this.#remove(key, expected)),
      watch: (under, onChange) => {
        const watch = { under, site, actor, ring: onChange }
        if (world.options.hints === true) this.#watches.add(watch)
        return () => this.#watches.delete(watch)
      },
      localAddress: () => '192.0.2.1',
      close: () => {},
    }
  }
}

const short = (key: string): string => key.replace(/^.*?\/.*?\//, '')

const shown = (value: string): string => {
  const { launch, of, state, beat, url } = JSON.parse(value) as Record<string, string>
  return [launch ?? of, state, beat, url].filter((part) => part !== undefined).join(' ')
}
