/** Recovery after a launcher was killed while it held the lock, half of the times with the clock set back an hour. */
import { median, recovery } from '../support/recovery.js'
import { round, type Series } from './series.js'

/** ms that a recovery may take longer than a cold start. */
const ALLOWED = 300

export const recoveryTime: Series = {
  name: 'launcher killed while it held the lock', rounds: 50,
  async run(rounds, progress) {
    const pairs = []
    for (let done = 0; done < rounds; done++) {
      pairs.push(await round((t) => recovery(t, done, done % 2 === 1)))
      progress(done + 1)
    }
    const more = pairs.map(({ cold, recovered }) => recovered - cold)
    const middle = median(more)
    return {
      cases: rounds, slowest: Math.max(...pairs.map(({ recovered }) => recovered)),
      violations: middle > ALLOWED ? [`the median recovery takes ${Math.round(middle)} ms more than a cold start`] : [],
      note: `median ${Math.round(middle)} ms more than a cold start of ${Math.round(median(pairs.map(({ cold }) => cold)))} ms`,
    }
  },
}
