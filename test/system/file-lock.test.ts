/**
 * The lock on the PID file: one holder at a time; what a dead holder left is stale at once, whatever
 * its time of modification says; and a holder that has lost it removes nobody else's.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { nodeSystem as system } from '../../lib/node-system.js'
import { pathsOf, type Paths } from '../../lib/paths.js'
import { fileLock } from '../../lib/system/file-lock.js'
import { library, runModule, startModule } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostName, lookAt, self } from '../support/processes.js'

const pathsIn = (t: Test): Paths => {
  const paths = pathsOf(join(tempFolder(t), 's.pid'), hostName)
  mkdirSync(paths.host, { recursive: true })
  return paths
}

/** A client in a process of its own, which takes the lock and says so, and gives it back on a line. */
const holder = async (t: Test, paths: Paths) => {
  const { child, line } = startModule(t, `
    import { nodeSystem as system } from '${library('node-system.js')}'
    const held = await system.fileLock(JSON.parse(process.argv[1])).try()
    console.log(held === undefined ? 'refused' : 'held')
    process.stdin.once('data', async () => {
      await held.release()
      console.log('released')
      process.stdin.destroy()
    })`, [JSON.stringify(paths)])
  t.equal(await line(), 'held')
  return { child, line }
}

t.test('the lock has one holder, and is free again when that one gives it back', async (t) => {
  const paths = pathsIn(t)
  const held = await system.fileLock(paths).try()
  t.ok(held)
  t.ok(lstatSync(paths.lock).isDirectory())
  t.equal(await system.fileLock(paths).try(), undefined)
  await held?.release()
  t.notOk(existsSync(paths.lock))
  t.same(readdirSync(paths.host), [], 'no note is left')
  const again = await system.fileLock(paths).try()
  t.ok(again)
  await again?.release()
})

t.test('a holder in another process is one, too', async (t) => {
  const paths = pathsIn(t)
  const { child, line } = await holder(t, paths)
  t.equal(await system.fileLock(paths).try(), undefined)
  t.match(readdirSync(paths.host), [new RegExp(`^[0-9a-f]+\\.${child.pid}\\.\\d+\\.locking$`)], 'its note names it')
  child.stdin!.write('\n')
  t.equal(await line(), 'released')
  const held = await system.fileLock(paths).try()
  t.ok(held)
  await held?.release()
})

t.test('the lock of a client that was killed is free at once', async (t) => {
  const paths = pathsIn(t)
  const { child } = await holder(t, paths)
  child.kill('SIGKILL')
  await until(() => lookAt(child.pid!).state === 'gone', 'the holder to die')
  const held = await system.fileLock(paths).try()
  t.ok(held)
  t.equal(readdirSync(paths.host).length, 1, 'the note of the dead one has gone')
  await held?.release()
  t.same(readdirSync(paths.host), [])
})

t.test('the lock of a client that exits without giving it back is free at once', async (t) => {
  const paths = pathsIn(t)
  await runModule(t, `
    import { nodeSystem as system } from '${library('node-system.js')}'
    await system.fileLock(JSON.parse(process.argv[1])).try()
    process.exit(0)`, [JSON.stringify(paths)])
  const held = await system.fileLock(paths).try()
  t.ok(held)
  await held?.release()
})

t.test('a lock that no live process has announced is free, also when the clock was set back', async (t) => {
  const paths = pathsIn(t)
  mkdirSync(paths.lock)
  const tomorrow = new Date(Date.now() + 86_400_000)
  utimesSync(paths.lock, tomorrow, tomorrow)
  // PID 1 lives, but did not start then.
  writeFileSync(join(paths.host, `${'0'.repeat(16)}.1.99999999999.locking`), '')
  const held = await system.fileLock(paths).try()
  t.ok(held)
  await held?.release()
})

t.test('the lock of a client that is stopped is free, since it may be stopped for hours', async (t) => {
  const paths = pathsIn(t)
  const { child } = await holder(t, paths)
  child.kill('SIGSTOP')
  await until(() => lookAt(child.pid!).state === 'stopped', 'the stop')
  const held = await system.fileLock(paths).try()
  t.ok(held)
  await held?.release()
})

t.test('a client that was stopped and goes on does not remove the lock of the next one', async (t) => {
  const paths = pathsIn(t)
  const { child, line } = await holder(t, paths)
  child.kill('SIGSTOP')
  await until(() => lookAt(child.pid!).state === 'stopped', 'the stop')
  const held = await system.fileLock(paths).try()
  t.ok(held)
  const mine = lstatSync(paths.lock).ino
  child.stdin!.write('\n')
  child.kill('SIGCONT')
  t.equal(await line(), 'released')
  t.ok(existsSync(paths.lock), 'it is still there')
  t.equal(existsSync(paths.lock) && lstatSync(paths.lock).ino, mine)
  await held?.release()
  t.notOk(existsSync(paths.lock))
})

t.test('a holder that lives but does not refresh the lock loses it after 3 s on the clock of who looks', async (t) => {
  const paths = pathsIn(t)
  mkdirSync(paths.lock)
  writeFileSync(join(paths.host, `${'0'.repeat(16)}.${self().pid}.${self().start}.locking`), '')
  let now = 1_000_000
  const lock = fileLock(paths, self(), () => now)
  /** Looks as a client in the queue does. Resolves with the lock, or with nothing after that time. */
  const lookFor = async (ms: number) => {
    for (const end = now + ms; now < end;) {
      now = Math.min(now + 100, end)
      const held = await lock.try()
      if (held !== undefined) return held
    }
    return undefined
  }
  t.equal(await lock.try(), undefined, 'whatever its age, it is new to the one who looks first')
  t.equal(await lookFor(2999), undefined)
  const refreshed = new Date(Date.now() - 60_000)
  utimesSync(paths.lock, refreshed, refreshed)
  t.equal(await lookFor(2999), undefined, 'a refresh counts, whatever time it bears')
  const held = await lookFor(200)
  t.ok(held)
  await held?.release()
})

t.test('a starved machine: a client that was frozen between two looks has not seen the lock stand still', async (t) => {
  const paths = pathsIn(t)
  mkdirSync(paths.lock)
  writeFileSync(join(paths.host, `${'0'.repeat(16)}.${self().pid}.${self().start}.locking`), '')
  let now = 1_000_000
  const lock = fileLock(paths, self(), () => now)
  for (let looks = 0; looks < 12; looks++) {
    t.equal(await lock.try(), undefined, `look ${looks}`)
    now += 60_000
  }
  let held = await lock.try()
  for (let looks = 0; held === undefined && looks < 3; looks++, now += 60_000) held = await lock.try()
  t.ok(held, 'and enough looks show that it stands still')
  await held?.release()
})

t.test('a lock that is held is refreshed', async (t) => {
  const paths = pathsIn(t)
  const held = await system.fileLock(paths).try()
  t.teardown(() => held?.release())
  const before = lstatSync(paths.lock).mtimeMs
  await until(() => lstatSync(paths.lock).mtimeMs !== before, 'a refresh')
})

t.test('who has written its note and not yet made the lock is waited for, but not for longer than half a second', async (t) => {
  const paths = pathsIn(t)
  const note = join(paths.host, `${'0'.repeat(13)}.${self().pid}.${self().start}.locking`)
  writeFileSync(note, '')
  let now = 1_000_000
  const lock = fileLock(paths, self(), () => now)
  t.equal(await lock.try(), undefined)
  now += 499
  t.equal(await lock.try(), undefined)
  t.same(readdirSync(paths.host).length, 1, 'it has written no note of its own')
  now += 2
  const held = await lock.try()
  t.ok(held)
  await held?.release()
  t.ok(existsSync(note), 'the note of a process that lives is its own')
})

t.test('a client whose lock was removed by hand does not remove the lock of the next one', async (t) => {
  const paths = pathsIn(t)
  const { child, line } = await holder(t, paths)
  // As a person does who believes that it was left behind.
  await system.removeFolder(paths.lock)
  const lock = system.fileLock(paths)
  const held = await until(() => lock.try(), 'the lock of one whose note is still there')
  child.stdin!.write('\n')
  t.equal(await line(), 'released')
  t.ok(existsSync(paths.lock))
  await held?.release()
})

t.test('the lock does not keep its holder alive', async (t) => {
  const paths = pathsIn(t)
  const { code } = await runModule(t, `
    import { nodeSystem as system } from '${library('node-system.js')}'
    await system.fileLock(JSON.parse(process.argv[1])).try()`, [JSON.stringify(paths)])
  t.equal(code, 0)
})

t.test('what stands in the way of the lock is named and not touched', async (t) => {
  const paths = pathsIn(t)
  writeFileSync(paths.lock, 'precious')
  await t.rejects(system.fileLock(paths).try(), { code: 'STATE_UNUSABLE', message: new RegExp(`^${paths.lock}: the lock cannot be taken: `), hint: /move it away/ })
  t.equal(lstatSync(paths.lock).size, 8)
  t.same(readdirSync(paths.host), [], 'no note is left')
})

t.test('a release that meets the refresh of its own lock leaves no lock behind', async (t) => {
  const left = await Promise.all(Array.from({ length: 20 }, async () => {
    const paths = pathsIn(t)
    const held = await system.fileLock(paths).try()
    // proper-lockfile refreshes each second; the loop is held up from just before until its change is made.
    await sleep(1000)
    for (const end = performance.now() + 3; performance.now() < end;);
    await held?.release()
    return existsSync(paths.lock)
  }))
  t.equal(left.filter(Boolean).length, 0)
})
