/** A launcher that is killed between any two of its steps leaves nothing that stands in the way of the next client. */
import t from 'tap'
import { killSeries } from '../support/kill-series.js'

const LAUNCHER = { victim: 'launcher', only: 'writes', others: 'use', thawed: 'soon', jobs: 2 } as const

t.test('a launcher killed before every third of its changes: the next client has a server, and never were there two', async (t) => {
  t.ok((await killSeries(t, { ...LAUNCHER, action: 'SIGKILL', every: 3 })) > 20, 'there are enough of them to mean something')
})
