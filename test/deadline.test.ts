/** One deadline for a whole call, on a clock that the test moves. */
import t from 'tap'
import { Deadline } from '../lib/deadline.js'

t.test('what is left shrinks to nothing and never below', async (t) => {
  let now = 1000
  const deadline = new Deadline({ now: () => now }, 500)
  t.match(deadline, { began: 1000, at: 1500, left: 500, passed: false, total: 500 })
  now = 1499.5
  t.match(deadline, { left: 0.5, passed: false })
  now = 1500
  t.match(deadline, { left: 0, passed: true })
  now = 9000
  t.match(deadline, { left: 0, passed: true, began: 1000, total: 500 })
})

t.test('what it was given is told in whole ms', async (t) => {
  t.equal(new Deadline({ now: () => 0.1 }, 200.2).total, 200)
})

t.test('a signal that fired ends the call with its reason, one that has not does nothing', async (t) => {
  const caller = new AbortController()
  const deadline = new Deadline({ now: () => 0 }, 500, caller.signal)
  t.equal(deadline.signal, caller.signal)
  t.doesNotThrow(() => deadline.check())
  caller.abort('enough')
  t.throws(() => deadline.check(), { code: 'ABORTED', cause: 'enough' })
  t.doesNotThrow(() => new Deadline({ now: () => 0 }, 0).check(), 'having no time left is not being aborted')
})
