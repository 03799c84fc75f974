/** A launcher that is frozen between any two of its steps and goes on later does no harm to the server that another client has started. */
import t from 'tap'
import { killSeries } from '../support/kill-series.js'

const LAUNCHER = { victim: 'launcher', only: 'writes', others: 'use', thawed: 'soon', jobs: 2 } as const

t.test('a launcher frozen before some of its calls, and thawed later: one server, and it knows which', async (t) => {
  t.ok((await killSeries(t, { ...LAUNCHER, action: 'SIGSTOP', every: 7 })) > 20)
})
