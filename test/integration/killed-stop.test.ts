/** A stop that is killed between any two of its steps is finished by the next call, and one that was frozen ends nobody else's server. */
import t from 'tap'
import { killSeries } from '../support/kill-series.js'

const STOP = { victim: 'stop', only: 'all', jobs: 2 } as const

t.test('a stop killed before some of its calls: the next client has a server, and never were there two', async (t) => {
  t.ok((await killSeries(t, { ...STOP, action: 'SIGKILL', others: 'use', thawed: 'soon', every: 30 })) > 60, 'there are enough of them to mean something')
})

t.test('a stop frozen while it chooses what to end: a later server lives', async (t) => {
  await killSeries(t, { ...STOP, action: 'SIGSTOP', others: 'restart', thawed: 'soon', every: 1, part: 'choosing' })
})

t.test('a stop frozen before some of its calls, and thawed beside a later server: that one lives, if another was chosen', async (t) => {
  t.ok((await killSeries(t, { ...STOP, action: 'SIGSTOP', others: 'restart', thawed: 'soon', every: 75 })) > 60)
})
