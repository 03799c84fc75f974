/** What a steward makes of the answers to its renewals, beyond what the simulation can bring about: its fuse ends a steward before. */
import t from 'tap'
import { failuresUntil, keysOf, parseClaim, written, type Claim } from '../../lib/across/claim.js'
import { HeldClaim } from '../../lib/across/held-claim.js'
import type { Place } from '../../lib/across/place.js'
import { serverExited } from '../../lib/errors.js'
import { failureIn, outcomeBody } from '../../lib/state/outcome.js'

const CLAIM: Claim = {
  format: 1, launch: '00000000000000aa', host: 'h', where: 'w', steward: { pid: 10, start: '1', group: 10 }, ttl: 5000, state: 'ready', since: 'today', beat: 7,
  identity: { command: 'c', env: {} }, epoch: 3, url: 'http://h:1/', pid: 11,
}

/** An engine in which the claim has become `stored`, whatever was written. */
const heldOver = (stored: Claim | undefined): { held: HeldClaim; asked: string[] } => {
  const keys = keysOf('p', 'n')
  const asked: string[] = []
  const place = {
    keys,
    local: { instant: () => ({ monotonic: 0, wall: 0 }) },
    engine: {
      write: async (_: string, __: string, expected: string) => void asked.push(`write at ${expected}`),
      read: async () => {
        asked.push('read')
        return stored && { key: keys.claim, value: written(stored), version: '9' }
      },
    },
  } as unknown as Place
  return { held: new HeldClaim(place, CLAIM, '5'), asked }
}

t.test('a claim that was buried, taken or deleted is lost, and nothing is written any more', async (t) => {
  for (const stored of [{ ...CLAIM, state: 'over' as const }, { ...CLAIM, launch: '00000000000000bb' }, undefined]) {
    const { held, asked } = heldOver(stored)
    t.equal(await held.renew(), 'lost')
    t.equal(await held.renew(), 'lost')
    await held.giveBack(undefined)
    t.same(asked, ['write at 5', 'read'])
  }
})

t.test('a write that was carried out without an answer gives its version, and no term', async (t) => {
  const { held, asked } = heldOver({ ...CLAIM, beat: 8 })
  t.equal(await held.renew(), 'unsure')
  t.equal(held.term.serves, false)
  t.equal(held.claim.beat, 8)
  await held.renew()
  t.same(asked, ['write at 5', 'read', 'write at 9', 'read'])
})

t.test('a failure reaches other hosts as it was, by the claim and by those after it', async (t) => {
  const error = serverExited({ exitCode: 3, logTail: 'a\nb', logFile: '/l', pid: 11, port: 80 })
  const failed: Claim = { ...CLAIM, state: 'over', outcome: outcomeBody(error, 0) }
  const read = parseClaim(written({ ...CLAIM, launch: '00000000000000bb', failed: failuresUntil(failed) }))
  if (typeof read !== 'object') throw new Error(read)
  const { code, message, hint, exitCode, logTail, logFile, pid, port } = failureIn(read.failed![0]!.outcome)!
  t.same({ code, message, hint, exitCode, logTail, logFile, pid, port }, { code: error.code, message: error.message, hint: error.hint, exitCode: 3, logTail: 'a\nb', logFile: '/l', pid: 11, port: 80 })
  t.equal(read.failed![0]!.launch, CLAIM.launch)
  const many = Array.from({ length: 9 }, (_, index) => ({ launch: index.toString(16).padStart(16, '0'), outcome: '' }))
  const last = failuresUntil({ ...failed, failed: many }).map(({ launch }) => launch)
  t.ok(last.length > 1 && last.length < many.length, 'some, and not for ever')
  t.same(last, [...many.map(({ launch }) => launch), CLAIM.launch].slice(-last.length), 'the last ones')
  t.equal(parseClaim(written({ ...CLAIM, failed: [{ launch: 'x', outcome: '' }] })), 'foreign')
})
