/**
 * An explicit-state model of one claim over hosts: engine (compare-and-swap alone, no clock) × stewards × servers × fuses, with real time in
 * ticks. Every interleaving of reads and writes that take any time, are lost, or arrive after their sender has given up; stewards that are
 * frozen anywhere (nothing forces a step), killed, killed with their host; servers that die by themselves; clocks that differ: a limit is
 * the *latest* tick at which a slow clock notices it, a wait the *earliest* tick at which a fast clock believes that it is over. Only the
 * fuse is urgent: time does not pass it.
 *
 * Serving: the door of a live steward would pass a request now. Running: the server's process exists.
 */

export const VARIANTS = {
  ok: 'never two serving, never two running, and from every state somebody can serve again',
  endrenews: 'an owner that ends, and whose server still lives, renews, too, so that the fuse does not burn a slow stop',
  frozenhost: 'a host, fuse and all, may be frozen for any time: never two serving still holds, and two running is found',
  nofuse: 'the same without a fuse',
  noterm: 'broken: the door is open until the steward hears that it has lost',
  fromreply: 'broken: the term counts from the answer',
  fromsend: 'broken: the wait counts from the question',
  nomargin: 'broken: the wait is no longer than the term',
  blindrenew: 'broken: a renewal without compare',
  blindtake: 'broken: a take without compare',
  early: 'broken: the server starts before the claim is confirmed',
  releasefirst: 'broken: the claim is given back before the server is seen dead',
  lease: 'the engine\'s own lease decides, kept to the tick',
  earlyrevoke: 'broken: the engine\'s own lease may go early',
} as const

export type Variant = keyof typeof VARIANTS

export interface Found {
  readonly states: number
  /** How it comes to it: the steps. Undefined: it never does. */
  readonly twoServing: readonly string[] | undefined
  readonly twoRunning: readonly string[] | undefined
  /** States from which nobody can ever serve again. Undefined where it was not counted: with more than two hosts, or where something was found. */
  readonly stuck: number | undefined
  readonly isCapped: boolean
}

export interface Size {
  readonly hosts?: number
  /** Whether writes may arrive after their sender has given up. */
  readonly ghosts?: boolean
  readonly most?: number
}

// Ticks. The cap is one more than anybody distinguishes.
const SERVE = 2
const BURN = 3
const LEASE = 4
const CAP = 5

// Phases of a steward.
const IDLE = 0
const READ = 1
const GOT = 2
const SEES = 3
const TAKE = 4
const TOOK = 5
const OWN = 6
const END = 7
const GONE = 8

// Fields of a host.
const PHASE = 0
/** The version that it knows is the current one. */
const CURRENT = 1
/** Ticks since what it SEES was seen, or since the sending of the confirmed renewal. */
const AGE = 2
const SERVER = 3
/** 0 none, 1 under way, 2 answered. */
const REQUEST = 4
/** The version that the request expects (answered: the new one) is the current one. */
const EXPECTED = 5
const SENT = 6
/** GOT: 0 free, 1 held. TOOK and renewal: 0 no, 1 yes, 2 no, but the claim is its own. */
const ANSWER = 7
/** A write whose sender gave up: 0 none, 1 take or renewal, 2 release. */
const GHOST = 8
const GHOST_CURRENT = 9
/** The launch of the ghost is over. */
const GHOST_OVER = 10
/** The request of an owner that ends is a renewal. */
const RENEWS = 11
const WIDTH = 12

// Fields of the engine, before those of the hosts.
/** 0 nobody, 1 + host, 99 a launch that is over. */
const OWNER = 0
/** Ticks since its last write, where it has leases. */
const LEASED = 1
const OVER = 99

type State = readonly number[]
type Next = [state: number[], step: string]

const at = (host: number): number => 2 + WIDTH * host

/** The transitions of one variant. */
const modelOf = (variant: Variant, hosts: number, ghosts: boolean) => {
  const wait = variant === 'nomargin' ? 3 : 4
  const isLeased = variant === 'lease' || variant === 'earlyrevoke'
  const hasFuse = variant !== 'nofuse' && variant !== 'frozenhost'

  const start: State = [0, 0, ...Array<number>(hosts * WIDTH).fill(0)]

  /** The claim was written: every version that anybody knows is an old one. */
  const bump = (t: number[]): void => {
    for (let host = 0; host < hosts; host++) {
      const b = at(host)
      t[b + CURRENT] = t[b + EXPECTED] = t[b + GHOST_CURRENT] = 0
    }
    t[LEASED] = 0
  }
  const clear = (t: number[], b: number): void => { t[b + REQUEST] = t[b + EXPECTED] = t[b + SENT] = t[b + ANSWER] = t[b + RENEWS] = 0 }
  const forget = (t: number[], b: number): void => {
    clear(t, b)
    t[b + PHASE] = IDLE
    t[b + CURRENT] = 0
  }
  const haunt = (t: number[], b: number, kind: number, expected: number, isOver: number): void => {
    t[b + GHOST] = kind
    t[b + GHOST_CURRENT] = expected
    t[b + GHOST_OVER] = isOver
  }
  /** The steward is no more. Its writes may still arrive. */
  const over = (t: number[], host: number): void => {
    const b = at(host)
    const phase = t[b + PHASE]!
    if (t[OWNER] === 1 + host) t[OWNER] = OVER
    if (t[b + GHOST]) t[b + GHOST_OVER] = 1
    if (ghosts && t[b + REQUEST] === 1 && (phase === TAKE || phase === OWN || phase === END) && !t[b + GHOST]) {
      haunt(t, b, phase === END && !t[b + RENEWS] ? 2 : 1, t[b + EXPECTED]!, 1)
    }
    t[b + CURRENT] = 0
    if (!t[b + SERVER]) t[b + AGE] = 0
    clear(t, b)
    t[b + PHASE] = t[b + SERVER] ? GONE : IDLE
  }
  const serves = (s: State, host: number): boolean => {
    const b = at(host)
    const phase = s[b + PHASE]!
    const mayServe = phase === OWN || phase === END || (variant === 'early' && phase === TAKE)
    return s[b + SERVER] === 1 && mayServe && (variant === 'noterm' ? phase === OWN : s[b + AGE]! < SERVE)
  }

  function* renewal(s: State, host: number, make: (step: string, change: (t: number[]) => void) => Next): Generator<Next> {
    const b = at(host)
    if (s[b + REQUEST] === 1) {
      yield make('renewal arrives', (t) => {
        const isDone = isLeased ? s[OWNER] === 1 + host : s[b + EXPECTED] || variant === 'blindrenew'
        if (isDone && isLeased) t[LEASED] = 0
        if (isDone && !isLeased) {
          bump(t)
          t[OWNER] = 1 + host
        }
        if (!isDone || !isLeased) t[b + EXPECTED] = 1
        t[b + REQUEST] = 2
        t[b + ANSWER] = isDone ? 1 : s[OWNER] === 1 + host ? 2 : 0
      })
      if (ghosts && !s[b + GHOST]) {
        yield make('gives up its renewal', (t) => {
          if (!isLeased) haunt(t, b, 1, s[b + EXPECTED]!, 0)
          clear(t, b)
        })
      }
    }
    if (s[b + REQUEST] === 2) {
      yield make('hears of its renewal', (t) => {
        if (s[b + ANSWER] === 0) t[b + PHASE] = END
        else {
          t[b + CURRENT] = s[b + EXPECTED]!
          if (s[b + ANSWER] === 1) t[b + AGE] = variant === 'fromreply' ? 0 : s[b + SENT]!
        }
        clear(t, b)
      })
      yield make('answer is lost', (t) => { clear(t, b) })
    }
  }

  function* steward(s: State, host: number, make: (step: string, change: (t: number[]) => void) => Next): Generator<Next> {
    const b = at(host)
    switch (s[b + PHASE]) {
      case IDLE:
        yield make('asks', (t) => {
          t[b + PHASE] = READ
          t[b + SENT] = 0
        })
        return
      case READ:
        yield make('question is answered', (t) => {
          t[b + PHASE] = GOT
          t[b + ANSWER] = s[OWNER] === 0 ? 0 : 1
          t[b + CURRENT] = 1
        })
        yield make('question is lost', (t) => { t[b + PHASE] = IDLE })
        return
      case GOT:
        yield make(s[b + ANSWER] ? 'hears held' : 'hears free', (t) => {
          if (s[b + ANSWER] === 0) {
            t[b + PHASE] = TAKE
            t[b + REQUEST] = 1
            t[b + EXPECTED] = s[b + CURRENT]!
            t[b + SENT] = 0
            if (variant === 'early') {
              t[b + SERVER] = 1
              t[b + AGE] = 0
            }
          } else {
            t[b + PHASE] = SEES
            t[b + AGE] = variant === 'fromsend' ? s[b + SENT]! : 0
          }
          t[b + ANSWER] = 0
        })
        return
      case SEES:
        yield make('looks again', (t) => {
          t[b + PHASE] = IDLE
          t[b + CURRENT] = t[b + AGE] = 0
        })
        if (!isLeased && s[b + AGE]! >= wait) {
          yield make('has seen no change: takes', (t) => {
            t[b + PHASE] = TAKE
            t[b + REQUEST] = 1
            t[b + EXPECTED] = variant === 'blindtake' ? 1 : s[b + CURRENT]!
            t[b + SENT] = t[b + AGE] = 0
            if (variant === 'early') t[b + SERVER] = 1
          })
        }
        return
      case TAKE:
        if (s[b + REQUEST] !== 1) return
        yield make('take arrives', (t) => {
          const isDone = s[b + EXPECTED] || variant === 'blindtake'
          if (isDone) {
            bump(t)
            t[OWNER] = 1 + host
            t[b + EXPECTED] = 1
          }
          t[b + PHASE] = TOOK
          t[b + REQUEST] = 2
          t[b + ANSWER] = isDone ? 1 : 0
        })
        if (ghosts && !s[b + GHOST] && variant !== 'early') {
          yield make('gives up its take', (t) => {
            haunt(t, b, 1, s[b + EXPECTED]!, 1)
            forget(t, b)
          })
        }
        return
      case TOOK:
        if (s[b + ANSWER] === 1) {
          yield make('hears that it owns', (t) => {
            t[b + PHASE] = OWN
            t[b + CURRENT] = s[b + EXPECTED]!
            t[b + AGE] = variant === 'fromreply' ? 0 : s[b + SENT]!
            clear(t, b)
          })
          yield make('answer is lost', (t) => {
            if (s[OWNER] === 1 + host) t[OWNER] = OVER
            if (variant === 'early') t[b + SERVER] = 0
            forget(t, b)
          })
        } else {
          yield make('hears that it lost', (t) => {
            if (variant === 'early') t[b + SERVER] = 0
            forget(t, b)
          })
        }
        return
      case OWN:
        if (s[b + SERVER] === 0 && (s[b + AGE]! < SERVE || variant === 'noterm')) yield make('starts the server', (t) => { t[b + SERVER] = 1 })
        if (s[b + REQUEST] === 0) {
          yield make('renews', (t) => {
            t[b + REQUEST] = 1
            t[b + EXPECTED] = variant === 'blindrenew' ? 1 : s[b + CURRENT]!
            t[b + SENT] = 0
          })
        }
        yield* renewal(s, host, make)
        if (variant !== 'noterm' && s[b + AGE]! >= SERVE) {
          yield make('term is over: ends', (t) => {
            t[b + PHASE] = END
            clear(t, b)
          })
        }
        yield make('stops', (t) => {
          if (t[b + REQUEST] === 1 && !isLeased && ghosts && !t[b + GHOST]) haunt(t, b, 1, s[b + EXPECTED]!, 0)
          t[b + PHASE] = END
          clear(t, b)
        })
        return
      case END:
        yield* ending(s, host, make)
    }
  }

  function* ending(s: State, host: number, make: (step: string, change: (t: number[]) => void) => Next): Generator<Next> {
    const b = at(host)
    const isDead = s[b + SERVER] === 0
    if (!isDead) yield make('sees the server dead', (t) => { t[b + SERVER] = 0 })
    if (variant === 'endrenews' && !isDead && s[b + REQUEST] === 0) {
      yield make('renews while it ends', (t) => {
        t[b + REQUEST] = t[b + RENEWS] = 1
        t[b + EXPECTED] = s[b + CURRENT]!
        t[b + SENT] = 0
      })
    }
    if (s[b + RENEWS]) return yield* renewal(s, host, make)
    if ((isDead || variant === 'releasefirst') && s[b + REQUEST] === 0) {
      yield make('gives the claim back', (t) => {
        t[b + REQUEST] = 1
        t[b + EXPECTED] = s[b + CURRENT]!
      })
    }
    if (s[b + REQUEST] === 1) {
      yield make('release arrives', (t) => {
        if (isLeased ? s[OWNER] === 1 + host : s[b + EXPECTED]) {
          bump(t)
          t[OWNER] = 0
        }
        t[b + REQUEST] = 2
      })
      if (isDead) yield make('release is given up', (t) => over(t, host))
    }
    if (s[b + REQUEST] === 2 && isDead) {
      yield make('is done', (t) => {
        clear(t, b)
        over(t, host)
      })
    }
    if (!hasFuse && isDead) yield make('is over', (t) => over(t, host))
  }

  function* next(s: State): Generator<Next> {
    const makeFor = (who: string) => (step: string, change: (t: number[]) => void): Next => {
      const t = s.slice()
      change(t)
      return [t, `${who} ${step}`]
    }
    let mayTick = true
    for (let host = 0; host < hosts; host++) {
      const b = at(host)
      const phase = s[b + PHASE]!
      const make = makeFor('ABC'[host]!)
      const isFused = s[b + SERVER] === 1 || phase === OWN || phase === END
      if (hasFuse && isFused && phase !== TAKE && s[b + AGE]! >= BURN) mayTick = false
      // At end-of-file (its steward has gone), or at the end of the term by whatever clock.
      if (hasFuse && isFused && (phase === GONE || s[b + AGE]! >= SERVE)) {
        yield make('fuse ends server and steward', (t) => {
          t[b + SERVER] = 0
          over(t, host)
        })
      }
      if (s[b + SERVER] === 1) {
        yield make('server dies', (t) => {
          t[b + SERVER] = 0
          if (phase === GONE) over(t, host)
        })
      }
      if (phase !== GONE && phase !== IDLE) {
        yield make('host is killed', (t) => {
          t[b + SERVER] = 0
          over(t, host)
        })
      }
      if ((phase === OWN || phase === END) && s[b + SERVER] === 1) yield make('steward is killed', (t) => over(t, host))
      if (s[b + GHOST]) {
        yield make('late write is lost', (t) => haunt(t, b, 0, 0, 0))
        yield make('late write arrives', (t) => {
          if (s[b + GHOST_CURRENT] || variant === 'blindrenew' || variant === 'blindtake') {
            bump(t)
            t[OWNER] = s[b + GHOST] === 2 ? 0 : s[b + GHOST_OVER] || t[b + PHASE]! < OWN ? OVER : 1 + host
          }
          haunt(t, b, 0, 0, 0)
        })
      }
      yield* steward(s, host, make)
    }
    const make = makeFor('engine')
    if (isLeased && s[OWNER] !== 0 && (s[LEASED]! >= LEASE || variant === 'earlyrevoke')) {
      yield make('lease is over', (t) => {
        bump(t)
        t[OWNER] = 0
      })
    }
    if (!mayTick) return
    yield make('tick', (t) => {
      t[LEASED] = isLeased ? Math.min(CAP, s[LEASED]! + 1) : 0
      for (let host = 0; host < hosts; host++) {
        const b = at(host)
        const phase = s[b + PHASE]!
        if (phase === SEES || phase === OWN || phase === END || phase === GONE || t[b + SERVER]) t[b + AGE] = Math.min(CAP, s[b + AGE]! + 1)
        if (phase === READ || phase === GOT || s[b + REQUEST]) t[b + SENT] = Math.min(CAP, s[b + SENT]! + 1)
      }
    })
  }

  return { start, next, serves, runs: (s: State, host: number): boolean => s[at(host) + SERVER] === 1, goesOn: !hasFuse }
}

/** How many states cannot reach one of those in which somebody serves. */
const countStuck = (states: number, serving: readonly number[], before: readonly (readonly number[] | undefined)[]): number => {
  const can = new Uint8Array(states)
  const todo = [...serving]
  for (const state of todo) can[state] = 1
  for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
    for (const earlier of before[state] ?? []) {
      if (can[earlier]) continue
      can[earlier] = 1
      todo.push(earlier)
    }
  }
  return can.reduce((sum, one) => sum + (one ? 0 : 1), 0)
}

/** Goes through every state, breadth first, so that what is found is found on a shortest way. */
export const exploreTerm = (variant: Variant, { hosts = 2, ghosts = true, most = 12e6 }: Size = {}): Found => {
  const { start, next, serves, runs, goesOn } = modelOf(variant, hosts, ghosts)
  const keyOf = (s: State): string => String.fromCharCode(...s)
  const ids = new Map([[keyOf(start), 0]])
  const states: (State | undefined)[] = [start]
  const parents = [-1]
  const before: number[][] = []
  const serving: number[] = []
  const countsStuck = hosts === 2
  let twoServing: number | undefined
  let twoRunning: number | undefined
  for (let id = 0; id < states.length && states.length < most; id++) {
    const s = states[id]!
    if (!countsStuck) states[id] = undefined
    let [open, running] = [0, 0]
    for (let host = 0; host < hosts; host++) {
      if (serves(s, host)) open++
      if (runs(s, host)) running++
    }
    if (countsStuck && open > 0) serving.push(id)
    if (open > 1) twoServing ??= id
    if (running > 1) twoRunning ??= id
    const isFound = goesOn ? twoServing !== undefined && twoRunning !== undefined : twoServing !== undefined || twoRunning !== undefined
    if (isFound) break
    for (const [t] of next(s)) {
      const key = keyOf(t)
      let known = ids.get(key)
      if (known === undefined) {
        known = states.length
        ids.set(key, known)
        states.push(t)
        parents.push(id)
      }
      if (countsStuck) (before[known] ??= []).push(id)
    }
  }
  const wayTo = (id: number | undefined): readonly string[] | undefined => {
    if (id === undefined) return undefined
    if (!countsStuck) return []
    const steps: string[] = []
    for (let to = id; to > 0; to = parents[to]!) {
      const key = keyOf(states[to]!)
      for (const [t, step] of next(states[parents[to]!]!)) {
        if (keyOf(t) !== key) continue
        steps.unshift(step)
        break
      }
    }
    return steps
  }
  const isFound = twoServing !== undefined || twoRunning !== undefined
  return {
    states: states.length, twoServing: wayTo(twoServing), twoRunning: wayTo(twoRunning),
    stuck: countsStuck && !isFound ? countStuck(states.length, serving, before) : undefined, isCapped: states.length >= most,
  }
}
