/** What a listener is told, and that nothing which it does comes between two steps of the protocol. */
import t from 'tap'
import { reporter, type OneServerEvent } from '../lib/events.js'

t.test('the time is added to each event', async (t) => {
  const heard: OneServerEvent[] = []
  let now = 5
  const report = reporter((event) => heard.push(event), () => now)
  report({ type: 'waiting', for: 'lock' })
  now = 7.5
  report({ type: 'stale-removed', path: '/p' })
  t.same(heard, [{ at: 5, type: 'waiting', for: 'lock' }, { at: 7.5, type: 'stale-removed', path: '/p' }])
})

t.test('what a listener throws is dropped, and it is told the next event', async (t) => {
  let heard = 0
  const report = reporter(() => {
    heard++
    throw new Error('of the listener')
  }, () => 0)
  t.doesNotThrow(() => report({ type: 'waiting', for: 'lock' }))
  t.doesNotThrow(() => report({ type: 'waiting', for: 'launch' }))
  t.equal(heard, 2)
})

t.test('without a listener nothing is done, not even a look at the clock', async (t) => {
  const report = reporter(undefined, () => t.fail('the clock was asked') as unknown as number)
  t.doesNotThrow(() => report({ type: 'waiting', for: 'lock' }))
})
