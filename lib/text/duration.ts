/**
 * How long something has lasted or will last, for people: the two largest units, `3d 4h`, `12s`. They are the units in
 * which options take a duration.
 */
import prettyMs from 'pretty-ms'

/** Whole seconds from one second on: tenths of one are noise in a line that is old once it is read. */
export const formatDuration = (ms: number): string => {
  const step = ms < 1000 ? 1 : 1000
  return prettyMs(Math.max(0, Math.round(ms / step) * step), { unitCount: 2 })
}
