/** The whole of one kill series as a TAP stream, for the soak: node kills-run.js '<series as JSON>'. */
import t from 'tap'
import { isOfLeases, killLeases, type LeaseSeries } from '../support/kill-leases.js'
import { killSeries, type Series } from '../support/kill-series.js'

t.setTimeout(7_200_000)
const series = JSON.parse(process.argv[2] ?? '{}') as Series | LeaseSeries
void t.test(series.victim, { timeout: 7_200_000 }, async (t) => { await (isOfLeases(series) ? killLeases(t, series) : killSeries(t, series)) })
