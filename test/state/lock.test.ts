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
import { hostName } from '../support/processes.js'

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
  await t.rejects(withLock(system, paths, within(150), async () => t.fail('worked')), { code: 'LOCK_TIMEOUT', message: `Other clients held the lock ${paths.lock} for the 150 ms that this call had.` })
  t.ok(system.now() - began >= 150)
  await letGo()
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
