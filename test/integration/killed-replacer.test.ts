/**
 * A client that replaces an older version and is killed between any two of its steps leaves no two servers and nothing behind;
 * one that was frozen neither ends nor hides the newer one that has come meanwhile.
 */
import t from 'tap'
import { killSeries } from '../support/kill-series.js'

const REPLACER = { victim: 'replacer', only: 'all', jobs: 2 } as const

t.test('a replacing client killed before some of its calls: the next one has the newer version, and never were there two', async (t) => {
  t.ok((await killSeries(t, { ...REPLACER, action: 'SIGKILL', others: 'use', thawed: 'soon', every: 50 })) > 150, 'there are enough of them to mean something')
})

t.test('a replacing client frozen before some of its calls, and thawed beside a still newer version: that one lives', async (t) => {
  t.ok((await killSeries(t, { ...REPLACER, action: 'SIGSTOP', others: 'replace', thawed: 'soon', every: 60 })) > 150)
})
