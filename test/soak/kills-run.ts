/** The whole of one kill series as a TAP stream, for the soak: node kills-run.js '<series as JSON>'. */
import t from 'tap'
import { killSeries, type Series } from '../support/kill-series.js'

t.setTimeout(7_200_000)
const series = JSON.parse(process.argv[2] ?? '{}') as Series
void t.test(series.victim, { timeout: 7_200_000 }, async (t) => { await killSeries(t, series) })
