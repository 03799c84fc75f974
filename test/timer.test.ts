/** A busy machine is not a broken one: a timer lets the event loop read what has arrived, and counts only what it could wait for. */
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { startTimer } from '../lib/timer.js'
import { library, runModule, start } from './support/child.js'

/** Holds the event loop, without the processor. */
const block = (ms: number): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) }

/** A process that repeats each line. */
const echo = async (t: Test) => {
  const child = start(t, 'cat', [], { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  child.stdin!.write('first\n')
  t.same(await lines.next(), { value: 'first', done: false })
  return { say: (line: string) => child.stdin!.write(`${line}\n`), next: async () => (await lines.next()).value as string }
}

const expiry = (ms: number): { expired: Promise<string>; end: () => void } => {
  let end = (): void => {}
  const expired = new Promise<string>((resolve) => { end = startTimer(ms, () => resolve('expired')) })
  return { expired, end }
}

t.test('it expires after its time, and not before', async (t) => {
  const began = performance.now()
  t.equal(await expiry(80).expired, 'expired')
  t.ok(performance.now() - began >= 79)
})

t.test('one that is ended never expires, wherever it is, and holds nothing', async (t) => {
  for (const after of ['at once', 'a timer', 'an immediate']) {
    const { stdout, code } = await runModule(t, `
      import { startTimer } from '${library('timer.js')}'
      const end = startTimer(${after === 'at once' ? 60_000 : 8}, () => console.log('expired'))
      if (${after === 'at once'}) end()
      // The timers of the last turn end it before, or in, the poll that follows them.
      else for (let at = 1; at < 12; at++) setTimeout(() => { ${after === 'a timer' ? 'if (at > 2) end()' : 'if (at > 2) setImmediate(end)'} }, at)`)
    t.same([stdout, code], ['', 0], after)
  }
  const { stdout } = await runModule(t, `
    import { startTimer } from '${library('timer.js')}'
    startTimer(60_000, () => console.log('expired'), false)`)
  t.equal(stdout, '', 'one that does not hold the process')
})

t.test('a starved loop: what arrived while it was blocked is read before the timer decides', async (t) => {
  const { say, next } = await echo(t)
  for (const ms of [1, 8, 100]) {
    const { expired, end } = expiry(ms)
    say('answer')
    // The line leaves in this turn of the loop, and comes back in the next ones.
    await new Promise(setImmediate)
    block(ms * 4 + 100)
    t.equal(await Promise.race([next(), expired]), 'answer', `${ms} ms`)
    end()
  }
})

t.test('a starved loop: time in which nothing could be read does not count, however often it comes', async (t) => {
  const { say, next } = await echo(t)
  const { expired, end } = expiry(2000)
  for (const round of [1, 2, 3]) {
    say(`answer ${round}`)
    block(1500)
    t.equal(await Promise.race([next(), expired]), `answer ${round}`, 'three questions in 4.5 s, within 2 s')
  }
  end()
})
