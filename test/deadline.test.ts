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

t.test('time that does not count is added to the end, and not to what the caller granted', async (t) => {
  const deadline = new Deadline({ now: () => 1000 }, 500)
  deadline.prolong(300)
  deadline.prolong(0.5)
  t.match(deadline, { began: 1000, at: 1800.5, left: 800.5, total: 500, credit: 300.5 })
})

t.test('calls that share an attempt wait for as long as the most patient one', async (t) => {
  let now = 1000
  const clock = { now: () => now }
  const shared = new Deadline(clock, 499.9, undefined, 500)
  let longer = 0
  const wait = () => { void shared.longer.then(() => { longer++ }) }
  wait()
  wait()
  now = 1200
  shared.join(new Deadline(clock, 100))
  await new Promise(setImmediate)
  t.match(shared, { at: 1499.9, total: 500 })
  t.equal(longer, 0, 'an impatient one changes nothing')
  shared.join(new Deadline(clock, 2000))
  await new Promise(setImmediate)
  t.match(shared, { at: 3200, total: 2000, began: 1000 })
  t.equal(longer, 2, 'and all that wait for it hear of a patient one')
  wait()
  shared.join(new Deadline(clock, 3000))
  await new Promise(setImmediate)
  t.equal(longer, 3)
})
