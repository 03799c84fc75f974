/** One rule of the stewards at a time, broken on purpose at their seams: the checker must find each. */
import { parseClaim, type Claim, type Keys } from '../../lib/across/claim.js'
import type { Coordinator, Entry } from '../../lib/across/coordinator.js'
import type { Local } from '../../lib/across/local.js'
import type { Instant } from '../../lib/across/term.js'

export const BREAKS = [
  'doorIgnoresTerm', 'termFromAnswer', 'silenceFromQuestion', 'noFuse', 'ownShorterTtl', 'blindRenew', 'blindTake', 'startsUnconfirmed', 'releaseFirst',
  'looksBeforeItMarks', 'readsBeforeItWrites',
] as const

export type Break = (typeof BREAKS)[number]

const claimIn = (value: string): Claim | undefined => {
  const claim = parseClaim(value)
  return typeof claim === 'object' ? claim : undefined
}

/** The seams of a steward, with a rule broken. The rest is broken in the machine. */
export const breakSeams = (broken: Break | undefined, engine: Coordinator, local: Local, keys: Keys): { engine: Coordinator; local: Local } => {
  switch (broken) {
    case 'termFromAnswer': {
      let last: Instant | undefined
      return {
        local: { ...local, instant: () => (last = local.instant()) },
        engine: {
          ...engine,
          write: async (key, value, expected) => {
            const sent = last
            const version = await engine.write(key, value, expected)
            if (key === keys.claim && sent !== undefined) Object.assign(sent, local.instant())
            return version
          },
        },
      }
    }
    case 'silenceFromQuestion': {
      let question: Instant | undefined
      return {
        local: {
          ...local,
          instant: () => {
            const now = question ?? local.instant()
            question = undefined
            return now
          },
        },
        engine: {
          ...engine,
          read: async (key) => {
            const before = local.instant()
            const entry = await engine.read(key)
            question = before
            return entry
          },
        },
      }
    }
    case 'ownShorterTtl': {
      const shorter = (entry: Entry | undefined): Entry | undefined => {
        const claim = entry && claimIn(entry.value)
        return entry && claim ? { ...entry, value: JSON.stringify({ ...claim, ttl: 0.6 * claim.ttl }) } : entry
      }
      return { local, engine: { ...engine, read: async (key) => shorter(await engine.read(key)) } }
    }
    case 'blindRenew':
    case 'blindTake':
      return {
        local,
        engine: {
          ...engine,
          write: (key, value, expected) => {
            const isRenewal = (claimIn(value)?.beat ?? 0) > 0
            return engine.write(key, value, key === keys.claim && isRenewal === (broken === 'blindRenew') ? 'any' : expected)
          },
        },
      }
    case 'startsUnconfirmed':
      return {
        local,
        engine: {
          ...engine,
          write: (key, value, expected) => {
            const sent = engine.write(key, value, expected)
            if (key !== keys.claim || claimIn(value)?.beat !== 0) return sent
            sent.catch(() => {})
            return Promise.resolve(String(Number(expected ?? 0) + 1))
          },
        },
      }
    case 'looksBeforeItMarks': {
      let before: Entry[] = []
      let isMarked = false
      return {
        local,
        engine: {
          ...engine,
          write: (key, value, expected) => {
            if (key === keys.claim) isMarked = claimIn(value)?.state === 'ending'
            return engine.write(key, value, expected)
          },
          list: async (under) => {
            const now = await engine.list(under)
            if (isMarked) return before
            return (before = now)
          },
        },
      }
    }
    case 'readsBeforeItWrites': {
      let use: (() => Promise<unknown>) | undefined
      return {
        local,
        engine: {
          ...engine,
          write: (key, value, expected) => {
            if (!key.startsWith(keys.users)) return engine.write(key, value, expected)
            use = () => engine.write(key, value, expected)
            return Promise.resolve('1')
          },
          read: async (key) => {
            const entry = await engine.read(key)
            await use?.()
            use = undefined
            return entry
          },
        },
      }
    }
    default:
      return { local, engine }
  }
}
