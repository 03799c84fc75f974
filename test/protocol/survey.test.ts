/** How long another client leaves the first word to the launcher: by its own looks, and not by a clock that goes on without it. */
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { nodeSystem } from '../../lib/node-system.js'
import { awaitLauncher } from '../../lib/protocol/launcher.js'
import { claimPath, type Launch } from '../../lib/state/directory.js'
import { aContext } from '../support/a-context.js'
import { aRecord } from '../support/a-record.js'
import { self } from '../support/processes.js'

const LEADER = { pid: 999_999, start: '5', group: 999_999 }
const LAUNCH: Launch = { id: '0123456789abcdef', leader: LEADER, ready: false, unattended: false, pinned: false, ended: false }

/** A client that gets no processor between two looks: each pause takes it ten seconds. */
const starved = async (t: Test, onPause: (pauses: number, claim: string) => unknown = () => {}) => {
  let now = 1000
  let pauses = 0
  const context = await aContext(t, {}, { ...nodeSystem, now: () => now, sleep: async () => {
    now += 10_000
    await onPause(++pauses, claim)
  } })
  const claim = claimPath(context.paths, LAUNCH.id, LEADER)
  writeFileSync(claim, '')
  return { context, pauses: () => pauses }
}

t.test('a starved machine: a launcher that lives has its time, however long the client that waits for its word stood still', async (t) => {
  const { context, pauses } = await starved(t)
  await awaitLauncher(context, LAUNCH, aRecord({ launcher: self() }))
  t.equal(pauses(), 8)
})

t.test('a starved machine: the word of a launcher that comes late ends the wait', async (t) => {
  const { context, pauses } = await starved(t, (pauses, claim) => (pauses === 5 ? rm(claim) : undefined))
  await awaitLauncher(context, LAUNCH, aRecord({ launcher: self() }))
  t.equal(pauses(), 5)
})

t.test('a launcher that is dead or has detached has no word', async (t) => {
  const { context, pauses } = await starved(t)
  await awaitLauncher(context, LAUNCH, aRecord({ launcher: { pid: 999_999, start: '5' } }))
  await awaitLauncher(context, { ...LAUNCH, unattended: true }, aRecord({ launcher: self() }))
  t.equal(pauses(), 0)
})
