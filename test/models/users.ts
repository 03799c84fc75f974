/**
 * A model of the last one out, over hosts: newcomers write their use and look; the owner marks and looks. Reads and writes of the engine are
 * single steps, everything else interleaves; anybody may be killed anywhere. The owner takes a use that is not renewed for dead only after
 * its host is dead, never before.
 */

export const VARIANTS = {
  ok: 'a newcomer writes its use, then reads the claim; the owner writes `ending`, then reads the uses, and ends if there are none',
  lookfirst: 'broken: the owner reads the uses, then marks',
  readfirst: 'broken: a newcomer reads the claim, then writes its use',
  nolook: 'broken: a newcomer does not look again',
} as const

export type Variant = keyof typeof VARIANTS

export interface Found {
  readonly states: number
  /** How a newcomer comes to use a server that was ended as unused: the steps. Undefined: none does. */
  readonly violation: readonly string[] | undefined
}

// Fields of the owner and its claim.
const CLAIM = 0
const LIVES = 1
const OWNER = 2
const SAW_USE = 3
const GENERATION = 4
const FIRST = 5

const READY = 0
const ENDING = 1
const OVER = 2

// Phases of the owner.
const SERVES = 0
const MARKED = 1
const LOOKED = 2
const MARKED_LATE = 3
const ENDED = 4
const GAVE_BACK = 5

// Fields of a newcomer, and its phases.
const PHASE = 0
const USE = 1
const USES = 2
const WIDTH = 3

const OUTSIDE = 0
const WROTE = 1
const READ = 2
const LEFT = 7
const KILLED = 8
const USING = 9

/** How often the server may be started again. */
const GENERATIONS = 2

type State = readonly number[]
type Next = [state: number[], step: string]

function* nextOf(s: State, newcomers: number, variant: Variant): Generator<Next> {
  const make = (step: string, change: (t: number[]) => void): Next => {
    const t = s.slice()
    change(t)
    return [t, step]
  }
  const at = (one: number): number => FIRST + WIDTH * one
  const isUsed = Array.from({ length: newcomers }, (_, one) => at(one)).some((b) => s[b + USE] && s[b + PHASE] !== KILLED && s[b + USES] === s[GENERATION])
  const marks = (phase: number) => make('owner marks ending', (t) => {
    t[CLAIM] = ENDING
    t[OWNER] = phase
  })
  const ends = () => make('owner ends the server', (t) => {
    t[LIVES] = 0
    t[OWNER] = ENDED
  })
  switch (s[OWNER]) {
    case SERVES:
      if (s[CLAIM] !== READY) break
      if (variant !== 'lookfirst') yield marks(MARKED)
      else {
        yield make('owner reads the uses', (t) => {
          t[SAW_USE] = isUsed ? 1 : 0
          t[OWNER] = isUsed ? SERVES : LOOKED
        })
      }
      break
    case MARKED:
      yield make('owner reads the uses', (t) => {
        t[SAW_USE] = isUsed ? 1 : 0
        t[OWNER] = LOOKED
      })
      break
    case LOOKED:
      if (variant === 'lookfirst') yield marks(MARKED_LATE)
      else if (!s[SAW_USE]) yield ends()
      else yield make('owner takes the mark back', (t) => { t[CLAIM] = t[OWNER] = t[SAW_USE] = 0 })
      break
    case MARKED_LATE:
      yield ends()
      break
    case ENDED:
      yield make('owner gives the claim back', (t) => {
        t[CLAIM] = OVER
        t[OWNER] = GAVE_BACK
      })
  }
  for (let one = 0; one < newcomers; one++) {
    const b = at(one)
    const phase = s[b + PHASE]!
    const name = `newcomer ${one}`
    if ((phase < LEFT && phase > OUTSIDE) || phase === USING) yield make(`${name} is killed`, (t) => { t[b + PHASE] = KILLED })
    if (phase === OUTSIDE && s[CLAIM] === OVER) {
      if (s[GENERATION]! < GENERATIONS) {
        yield make(`${name} takes a free claim and starts ${s[GENERATION]! + 1}`, (t) => {
          t[CLAIM] = READY
          t[LIVES] = 1
          t[OWNER] = t[SAW_USE] = 0
          t[GENERATION]!++
          t[b + PHASE] = USING
          t[b + USE] = 1
          t[b + USES] = t[GENERATION]!
        })
      }
    } else if (phase === OUTSIDE && (variant === 'readfirst' || variant === 'nolook')) {
      if (s[CLAIM] === READY) {
        yield make(`${name} reads ready`, (t) => {
          t[b + PHASE] = READ
          t[b + USES] = s[GENERATION]!
        })
      }
    } else if (phase === OUTSIDE) {
      yield make(`${name} writes its use`, (t) => {
        t[b + PHASE] = t[b + USE] = 1
        t[b + USES] = s[GENERATION]!
      })
    }
    if (phase === WROTE) {
      const isSame = s[GENERATION] === s[b + USES]
      if (s[CLAIM] === READY && isSame) yield make(`${name} reads ready: uses it`, (t) => { t[b + PHASE] = USING })
      else {
        yield make(`${name} reads ${s[CLAIM] === ENDING ? 'ending' : 'another'}: waits`, (t) => {
          if (s[CLAIM] !== ENDING || !isSame) t[b + PHASE] = t[b + USE] = 0
        })
      }
    }
    if (phase === READ) {
      yield make(`${name} writes its use: uses it`, (t) => {
        t[b + PHASE] = USING
        t[b + USE] = 1
      })
    }
    if (phase === USING) {
      yield make(`${name} leaves`, (t) => {
        t[b + PHASE] = LEFT
        t[b + USE] = 0
      })
    }
  }
}

/** Goes through every state, breadth first. */
export const exploreUsers = (variant: Variant, newcomers = 2): Found => {
  const start: State = [READY, 1, SERVES, 0, 0, ...Array<number>(newcomers * WIDTH).fill(0)]
  const seen = new Map<string, readonly [before: string, step: string] | undefined>([[start.join(), undefined]])
  const isBroken = (s: State): boolean =>
    Array.from({ length: newcomers }, (_, one) => FIRST + WIDTH * one).some((b) => s[b + PHASE] === USING && s[b + USE] && (!s[LIVES] || s[GENERATION] !== s[b + USES]))
  for (let states: State[] = [start]; states.length > 0;) {
    const found: State[] = []
    for (const s of states) {
      for (const [t, step] of nextOf(s, newcomers, variant)) {
        const key = t.join()
        if (seen.has(key)) continue
        seen.set(key, [s.join(), step])
        if (isBroken(t)) {
          const steps: string[] = []
          for (let way = seen.get(key); way !== undefined; way = seen.get(way[0])) steps.unshift(way[1])
          return { states: seen.size, violation: steps }
        }
        found.push(t)
      }
    }
    states = found
  }
  return { states: seen.size, violation: undefined }
}
