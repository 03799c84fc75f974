/** `withLock`: one at a time, also between processes; and whoever waits for its turn can leave the queue. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Deadline } from '../../lib/deadline.js'
import { nodeSystem as system } from '../../lib/node-system.js'
import { pathsOf } from '../../lib/paths.js'
import { withLock } from '../../lib/state/lock.js'
import { library, runModule } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { hostName, self } from '../support/processes.js'

const pathsIn = (t: Test) => pathsOf(join(tempFolder(t), 's.pid'), hostName)
const within = (ms: number, signal?: AbortSignal) => new Deadline(system, ms, signal)

/** Holds the lock until it is let go. */
const hold = async (paths: ReturnType<typeof pathsOf>) => {
  let letGo = (): void => {}
  let isHeld = false
  const held = withLock(system, paths, within(5000), () => new Promise<void>((resolve) => {
    letGo = resolve
    isHeld = true
  }))
  await until(() => isHeld, 'the lock')
  return async () => {
    letGo()
    await held
  }
}

t.test('what the work returns is returned, and nothing of the lock is left', async (t) => {
  const paths = pathsIn(t)
  t.equal(await withLock(system, paths, within(5000), async () => {
    t.ok(readdirSync(join(paths.pidFile, '..')).includes('s.pid.lock'), 'held meanwhile')
    return 5
  }), 5)
  t.same(readdirSync(join(paths.pidFile, '..')), [])
})

t.test('the folder with something in it stays', async (t) => {
  const paths = pathsIn(t)
  await withLock(system, paths, within(5000), async () => writeFileSync(join(paths.host, 'x'), ''))
  t.same(readdirSync(paths.host), ['x'])
})

t.test('work that fails gives the lock back', async (t) => {
  const paths = pathsIn(t)
  await t.rejects(withLock(system, paths, within(5000), async () => { throw new Error('of the work') }), { message: 'of the work' })
  t.equal(await withLock(system, paths, within(5000), async () => 'again'), 'again')
})

t.test('of many processes one works at a time', async (t) => {
  const paths = pathsIn(t)
  const counter = join(paths.pidFile, '..', 'counter')
  writeFileSync(counter, '0')
  // Between the reading and the writing there is a wait in which the others would get in.
  const text = `
    import { readFileSync, writeFileSync } from 'node:fs'
    import { Deadline } from '${library('deadline.js')}'
    import { nodeSystem as system } from '${library('node-system.js')}'
    import { withLock } from '${library('state/lock.js')}'
    const [, counter, paths] = process.argv
    for (let round = 0; round < 5; round++) await withLock(system, JSON.parse(paths), new Deadline(system, 20000), async () => {
      const count = Number(readFileSync(counter))
      await system.sleep(2)
      writeFileSync(counter, String(count + 1))
    })`
  const ends = await Promise.all(Array.from({ length: 4 }, () => runModule(t, text, [counter, JSON.stringify(paths)])))
  for (const end of ends) t.match(end, { code: 0, stderr: '' })
  t.equal(readFileSync(counter, 'utf8'), '20')
})

t.test('a folder that the last holder takes away just now is made again', async (t) => {
  const paths = pathsIn(t)
  let made = 0
  const crowded = {
    ...system,
    makeFolder: async (folder: string) => {
      await system.makeFolder(folder)
      // Between this client's step and its next one, the client before it tidies up.
      if (folder === paths.host && ++made === 1) await system.removeFolder(folder)
    },
  }
  t.equal(await withLock(crowded, paths, within(5000), async () => 'worked'), 'worked')
})

t.test('whoever sees something to follow leaves the queue with it', async (t) => {
  const paths = pathsIn(t)
  const letGo = await hold(paths)
  let looks = 0
  const seen = await withLock(system, paths, within(5000), async () => 'worked', { look: async () => (++looks === 3 ? 'seen' : undefined) })
  t.equal(seen, 'seen')
  t.equal(looks, 3, 'it looks at each try')
  await letGo()
})

t.test('whoever sees it at once touches nothing', async (t) => {
  const paths = pathsIn(t)
  t.equal(await withLock(system, paths, within(5000), async () => t.fail('worked'), { look: async () => true }), true)
  t.same(readdirSync(join(paths.pidFile, '..')), [])
})

t.test('the wait is told once, and only if there is one', async (t) => {
  const paths = pathsIn(t)
  let waits = 0
  const onWait = () => { waits++ }
  await withLock(system, paths, within(5000), async () => {}, { onWait })
  t.equal(waits, 0)
  const letGo = await hold(paths)
  let looks = 0
  const turn = withLock(system, paths, within(5000), async () => 'turn', { onWait, look: async () => { looks++; return undefined } })
  await until(() => looks > 2, 'some tries')
  await letGo()
  t.equal(await turn, 'turn')
  t.equal(waits, 1)
})

t.test('a deadline that passes names the lock and the time that the call had', async (t) => {
  const paths = pathsIn(t)
  const letGo = await hold(paths)
  const began = system.now()
  await t.rejects(withLock(system, paths, within(150), async () => t.fail('worked')), { code: 'LOCK_TIMEOUT', message: `Another client (PID ${process.pid}) held the lock ${paths.lock} for the 150 ms that this call had.`, pid: process.pid })
  t.ok(system.now() - began >= 150)
  await letGo()
})

/** A queue on a clock of its own: `turns` says who is at the lock at each look, the last one until the end; the lock is never free before. */
const queueOf = async (t: Test, turns: readonly string[], free = Number.POSITIVE_INFINITY, late = 0) => {
  const paths = pathsIn(t)
  let now = 1000
  let tries = 0
  const fake = {
    ...system, now: () => now, random: () => 1,
    sleep: async (ms: number) => { now += ms + late },
    list: async (folder: string) => (folder === paths.host ? [`${turns[Math.min(tries, turns.length) - 1]}.${process.pid}.${self().start}.locking`] : []),
    fileLock: () => ({ try: async () => (++tries > free ? { release: async () => {} } : undefined) }),
  }
  const deadline = new Deadline(fake, 500)
  const call = withLock(fake, paths, deadline, async () => 'turn')
  return { call, deadline, tries: () => tries, now: () => now }
}

const holds = (count: number, looks: number): string[] => Array.from({ length: count * looks }, (_, look) => `a${Math.floor(look / looks)}`)

t.test('a queue that moves very slowly: as long as the lock changes hands nobody gives up, and the time does not count', async (t) => {
  // Ten holds of 400 ms each, where a call has 500 ms.
  const { call, deadline, now } = await queueOf(t, holds(10, 4), 40)
  t.equal(await call, 'turn')
  t.equal(now(), 5000)
  t.match(deadline, { credit: 4000, left: 500, total: 500 })
})

t.test('a queue that has moved and stands: one hold has all the time of the call, and no more', async (t) => {
  const { call, tries } = await queueOf(t, [...holds(3, 4), 'b'])
  await t.rejects(call, { code: 'LOCK_TIMEOUT', pid: process.pid })
  t.equal(tries(), 12 + 6)
})

t.test('a starved queue: a hold stands for no longer than the client has seen it stand', async (t) => {
  // Ten seconds between two looks, where a call has 500 ms: five looks, and one try more.
  const { call, tries } = await queueOf(t, ['a'], undefined, 10_000)
  await t.rejects(call, { code: 'LOCK_TIMEOUT' })
  t.equal(tries(), 6)
})

t.test('a note of a stopped client is no hold, so the queue behind it moves', async (t) => {
  const paths = pathsIn(t)
  let now = 1000
  let tries = 0
  const fake = {
    ...system, now: () => now, random: () => 1,
    sleep: async (ms: number) => { now += ms },
    list: async (folder: string) => (folder === paths.host ? ['f.999999.5.locking', `a${Math.floor(tries / 4)}.${process.pid}.${self().start}.locking`] : []),
    look: async (pid: number) => (pid === 999999 ? { state: 'stopped' as const, start: '5', isThread: false } : system.look(pid)),
    fileLock: () => ({ try: async () => (++tries > 40 ? { release: async () => {} } : undefined) }),
  }
  t.equal(await withLock(fake, paths, new Deadline(fake, 500), async () => 'turn'), 'turn')
})

t.test('a client that had no processor in its last try looks once more before it gives up', async (t) => {
  const paths = pathsIn(t)
  let isUp = false
  const fake = { ...system, fileLock: () => ({ try: async () => { isUp = true; return undefined } }) }
  t.equal(await withLock(fake, paths, within(0), async () => 'worked', { look: async () => (isUp ? 'up' : undefined) }), 'up')
})

t.test('with no time left a lock that is free is still taken', async (t) => {
  t.equal(await withLock(system, pathsIn(t), within(0), async () => 'taken'), 'taken')
})

t.test('whoever was frozen in its try until its time was over has another one', async (t) => {
  const deadline = within(20)
  let tries = 0
  const frozen = { ...system, fileLock: () => ({ try: async () => {
    tries++
    if (tries > 1) return { release: async () => {} }
    await until(() => deadline.passed, 'the time to be over')
    return undefined
  } }) }
  t.equal(await withLock(frozen, pathsIn(t), deadline, async () => 'turn'), 'turn')
})

t.test('a signal ends the wait at once', async (t) => {
  const paths = pathsIn(t)
  const letGo = await hold(paths)
  const caller = new AbortController()
  const turn = withLock(system, paths, within(60_000, caller.signal), async () => t.fail('worked'), { onWait: () => setImmediate(() => caller.abort('enough')) })
  await t.rejects(turn, { code: 'ABORTED', cause: 'enough' })
  await letGo()
})

t.test('what cannot be a lock is said at once, and is not touched', async (t) => {
  const paths = pathsIn(t)
  writeFileSync(paths.lock, 'a file')
  await t.rejects(withLock(system, paths, within(5000), async () => t.fail('worked')), { code: 'STATE_UNUSABLE', message: new RegExp(`^${paths.lock}: the lock cannot be taken: `) })
  t.equal(readFileSync(paths.lock, 'utf8'), 'a file')
})

t.test('a lock with something in it is not taken, and keeps it', async (t) => {
  const paths = pathsIn(t)
  mkdirSync(paths.lock)
  writeFileSync(join(paths.lock, 'precious'), '')
  await t.rejects(withLock(system, paths, within(5000), async () => t.fail('worked')), { code: 'STATE_UNUSABLE', message: /it is not empty/ })
  t.same(readdirSync(paths.lock), ['precious'])
})
