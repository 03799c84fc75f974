/** A duration for people has its two largest units and no more, and never runs backwards. */
import t from 'tap'
import { formatDuration } from '../../lib/text/duration.js'

for (const [ms, text] of [
  [-5, '0ms'], [0, '0ms'], [499.4, '499ms'], [999.6, '1s'], [1400, '1s'], [59_499, '59s'], [59_500, '1m'], [61_000, '1m 1s'],
  [3_600_000, '1h'], [3_661_000, '1h 1m'], [86_400_000, '1d'], [97_200_000, '1d 3h'],
] as const) t.equal(formatDuration(ms), text, String(ms))
