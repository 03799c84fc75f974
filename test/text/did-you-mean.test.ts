/** A suggestion is made for a slip of the fingers, and not for a different word. */
import t from 'tap'
import { closestMatch } from '../../lib/text/did-you-mean.js'

const WORDS = ['start', 'status', 'stop', 'restart', 'logs', 'list']

for (const [typed, meant] of [
  ['strat', 'start'], ['statr', 'start'], ['START', 'start'], ['stats', 'status'], ['log', 'logs'], ['lsit', 'list'], ['rest', 'restart'],
  ['kill', undefined], ['x', undefined], ['', undefined],
] as const) {
  t.test(`${JSON.stringify(typed)} is ${meant ?? 'nothing known'}`, async (t) => {
    t.equal(closestMatch(typed, WORDS), meant)
  })
}

t.test('dashes do not count', async (t) => {
  t.equal(closestMatch('-timeout', ['--timeout', '--stop-timeout']), '--timeout')
})
