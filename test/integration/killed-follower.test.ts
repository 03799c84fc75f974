/** A follower that is killed between any two of its steps leaves the launch to the others, and one that was frozen does not return what has ended since. */
import t from 'tap'
import { killSeries } from '../support/kill-series.js'

const KILLED = { action: 'SIGKILL', others: 'use', thawed: 'soon', only: 'all', jobs: 2 } as const
const FROZEN = { ...KILLED, action: 'SIGSTOP', others: 'restart' } as const

t.test('a follower killed before some of its calls: the launch goes on', async (t) => {
  t.ok((await killSeries(t, { ...KILLED, victim: 'follower', every: 25 })) > 40, 'there are enough of them to mean something')
})

t.test('one that follows a dead launcher, killed before some of its calls: the next client brings the launch on', async (t) => {
  t.ok((await killSeries(t, { ...KILLED, victim: 'heir', every: 34 })) > 50)
})

t.test('one that follows a dead launcher, frozen before some of its calls, and thawed beside a later server: it knows which', async (t) => {
  t.ok((await killSeries(t, { ...FROZEN, victim: 'heir', every: 51 })) > 50)
})
