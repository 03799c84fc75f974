/** The whole of one kill series as a TAP stream, for the soak: node kills-run.js SIGKILL|SIGSTOP. */
import t from 'tap'
import { killSeries } from '../kill-series.js'

t.setTimeout(3_600_000)
const action = process.argv[2] === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL'
void t.test(action, { timeout: 3_600_000 }, async (t) => { await killSeries(t, { action, every: Number(process.argv[3] ?? 1), only: 'writes' }) })
