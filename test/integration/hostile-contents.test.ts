/**
 * Whatever is *written* where our state should be: texts that are none of ours, records of the wrong
 * shape or from the future, and our own files cut short at every byte, as a full disk or a power cut
 * leaves them. Each ends in a working server or in a clear error, and what is not ours stays as it is.
 *
 * `npm test` makes the dear calls at some of the bytes only; with the argument `full` all are made at all of them:
 *
 *     node build/test/integration/hostile-contents.test.js full
 */
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { OneServerErrorCode } from '../../lib/index.js'
import { outcomeBody } from '../../lib/state/outcome.js'
import { stopped } from '../../lib/errors.js'
import { nodeSystem } from '../../lib/node-system.js'
import { pathsOf } from '../../lib/paths.js'
import { parsePidFile } from '../../lib/state/pid-file.js'
import { failureOf, place, statusOf } from '../support/clients.js'
import { aRecord } from '../support/a-record.js'
import { until } from '../support/until.js'
import { hostName } from '../support/processes.js'

/** No process has it: it is above the highest that Linux gives. */
const NO_PID = 2 ** 22 + 1
const ID = '0123456789abcdef'

const pictureOf = (path: string): string => {
  const { mode, mtimeMs, ino } = lstatSync(path)
  return JSON.stringify({ mode, mtimeMs, ino, text: readFileSync(path, 'latin1') })
}

const record = (changes: object): string => {
  const whole = { ...aRecord({ host: hostName }), ...changes }
  return `${String(whole.pid)}\n${JSON.stringify(whole)}\n`
}

interface Content {
  readonly name: string
  readonly text: string | Buffer
  /** An error, after which what was there is untouched; else there is nothing that runs, and it is in nobody's way. */
  readonly code?: OneServerErrorCode
}

const UNUSABLE = { code: 'STATE_UNUSABLE' } as const

const PID_FILES: readonly Content[] = [
  { name: 'nothing', text: '' },
  { name: 'white space', text: ' \n\n' },
  { name: 'binary', text: Buffer.from([0, 255, 1, 254, 10, 13, 0]), ...UNUSABLE },
  { name: 'a number and NULs, as a power cut leaves them', text: `${NO_PID}\n${'\0'.repeat(500)}`, ...UNUSABLE },
  { name: "somebody's text", text: 'root:x:0:0:root:/root:/bin/bash\n', ...UNUSABLE },
  { name: "another tool's, with more lines", text: '4711\n/var/lib/data\n5432\n', ...UNUSABLE },
  { name: "another tool's, with an empty line", text: '4711\n\n5432\n', ...UNUSABLE },
  { name: 'a number with a line break of Windows', text: `${NO_PID}\r\n` },
  { name: 'PID 0', text: '0\n' },
  { name: 'PID -1', text: '-1\n', ...UNUSABLE },
  { name: 'a number beyond all PIDs', text: '4294967297\n' },
  { name: 'a number longer than any', text: `${'9'.repeat(40)}\n`, ...UNUSABLE },
  { name: 'JSON', text: '{"pid":12}', ...UNUSABLE },
  { name: 'JSON of another shape', text: '12\n{"pid":12}\n', ...UNUSABLE },
  { name: 'JSON that is an array', text: '12\n[12]\n', ...UNUSABLE },
  { name: 'a record that is not an object but for its start', text: `${NO_PID}\n{"format":1,\n` },
  { name: 'a record of a newer version', text: '12\n{"format":2}\n', code: 'STATE_NEWER' },
  { name: 'a record of PID 0', text: record({ pid: 0 }), ...UNUSABLE },
  { name: 'a record of PID -1', text: record({ pid: -1 }).replace(/^-1/, '1'), ...UNUSABLE },
  { name: 'a record of PID 1', text: record({ pid: 1 }), ...UNUSABLE },
  { name: 'a record of the process group 1, which to kill(2) is everybody', text: record({ pid: NO_PID, group: 1 }), ...UNUSABLE },
  { name: 'a record of the process group 0, which to kill(2) is our own', text: record({ pid: NO_PID, group: 0 }), ...UNUSABLE },
  { name: 'a record with a path as its launch', text: record({ pid: NO_PID, launch: '../../../etc/pass' }), ...UNUSABLE },
  { name: 'a record with a file as its health check', text: record({ pid: NO_PID, health: { urls: ['file:///etc/passwd'], headers: {} } }), ...UNUSABLE },
  { name: 'a record whose number is another one', text: record({ pid: NO_PID }).replace(/^\d+/, String(NO_PID + 1)) },
  { name: 'a record of a dead process, from the future', text: record({ pid: NO_PID, since: '9999-12-31T23:59:59.999Z', deadline: Number.MAX_SAFE_INTEGER }) },
]

t.test('the PID file says', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  const later = new Date(Date.now() + 3_600_000)
  for (const { name, text, code } of PID_FILES) {
    // What is none of ours is so at any time.
    for (const date of code === undefined ? [undefined, later] : [undefined]) {
      writeFileSync(here.pidFile, text, { mode: 0o600 })
      if (date !== undefined) utimesSync(here.pidFile, date, date)
      const before = pictureOf(here.pidFile)
      if (code === undefined) {
        t.match(await manager.status(), { state: 'stopped' }, name)
        t.equal(pictureOf(here.pidFile), before, 'which is only looking')
        t.equal(await manager.stopServer(), false)
        continue
      }
      for (const method of ['status', 'isServerRunning', 'ensureServerRunning', 'stopServer'] as const) {
        const error = await failureOf(manager[method]())
        t.match(error, { name: 'OneServerError', code, message: here.pidFile }, `${name}, ${method}: ${error.message}`)
      }
      t.equal(pictureOf(here.pidFile), before, 'it was not touched')
      unlinkSync(here.pidFile)
    }
  }
  t.same([here.starts(), here.alive()], [[], []], 'nothing was started by any of them')

  for (const text of ['', record({ pid: NO_PID }), `${NO_PID}\n`]) {
    writeFileSync(here.pidFile, text, { mode: 0o600 })
    utimesSync(here.pidFile, later, later)
    t.match(await manager.ensureServerRunning(), { started: true }, 'and a server comes up')
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
  }
})

/** A server that runs, what it has written, and its clients. `rewrite` puts other values into its record, wherever that lies. */
const running = async (t: Test, server = 'healthy', method: 'ensureServerRunning' | 'startServer' = 'ensureServerRunning') => {
  const here = place(t)
  const manager = here.manager(server, { startupTimeout: server === 'healthy' ? 20_000 : 300 })
  await manager[method]()
  const paths = pathsOf(here.pidFile, hostName)
  const claim = join(paths.host, readdirSync(paths.host).find((name) => name.endsWith('.claim'))!)
  const pidFileText = readFileSync(here.pidFile, 'utf8')
  const claimText = readFileSync(claim, 'utf8')
  const pid = Number.parseInt(pidFileText, 10)
  const rewrite = (changes: object): void => {
    const changed = JSON.stringify({ ...(JSON.parse(claimText) as object), ...changes })
    writeFileSync(claim, changed)
    writeFileSync(here.pidFile, `${pid}\n${changed}\n`)
  }
  return { here, manager, paths, claim, claimText, pidFileText, pid, rewrite, id: claim.slice(paths.host.length + 1).slice(0, 16) }
}

const isFull = process.argv[2] === 'full'

/**
 * Every length to which a file can be cut short, the longest first, so that the file itself is cut: to write it anew 600
 * times would be waiting for the disk. `some`: those at which something begins or ends, and one in 200 of the others.
 */
const cutsOf = (text: string) => {
  const line = text.indexOf('\n')
  const edges = new Set([0, 1, line, line + 1, line + 2, text.length - 2, text.length - 1])
  return { all: Array.from(text, (_, index) => text.length - 1 - index), isSome: (length: number) => isFull || length % 200 === 107 || edges.has(length) }
}

const cut = (path: string, text: string, length: number): void => {
  if (existsSync(path)) truncateSync(path, length)
  else writeFileSync(path, text.slice(0, length), { mode: 0o600 })
}

t.test('a server that runs is shared by all its clients, and there is no second one, while', async (t) => {
  const { here, manager, paths, claim, claimText, pidFileText, pid, rewrite, id } = await running(t)

  await t.test('its PID file is cut short at any byte: the claim is the truth, and it is made whole again', async (t) => {
    const { all, isSome } = cutsOf(pidFileText)
    for (const length of all) {
      cut(here.pidFile, pidFileText, length)
      if (!(await manager.isServerRunning())) t.fail(`not running when cut at ${length}`)
      if (!isSome(length)) continue
      t.match(await manager.ensureServerRunning(), { started: false, pid }, `cut at ${length}`)
      // All but the last line break is as good as the whole.
      if (length < pidFileText.length - 1) t.equal(readFileSync(here.pidFile, 'utf8'), pidFileText)
    }
  })

  await t.test('the mark that says where it is ready is cut short at any byte: every URL of its health check is asked', async (t) => {
    const path = join(paths.host, `${id}.ready`)
    const text = readFileSync(path, 'utf8')
    for (const length of cutsOf(text).all) {
      cut(path, text, length)
      const server = await manager.ensureServerRunning()
      if (server.pid !== pid || server.started) t.fail(`cut at ${length}`)
    }
  })

  await t.test('in its record stands', async (t) => {
    const harmless: readonly [string, object][] = [
      ['a date from the future', { since: '9999-12-31T23:59:59.999Z' }], ['no date at all', { since: 'once upon a time' }],
      ['a deadline from the future', { deadline: Number.MAX_SAFE_INTEGER }], ['a deadline long past', { deadline: 0 }],
      ['a folder as the log', { logFile: '/' }], ['a log that no file can be', { logFile: 'a\0b' }],
      ['a number that is no PID as its launcher', { launcher: { pid: NO_PID, start: '5' } }], ['what nobody knows yet', { ofTomorrow: [] }],
    ]
    for (const [name, changes] of harmless) {
      rewrite(changes)
      t.match(await manager.status(), { state: 'ready', pid }, name)
      t.match(await manager.ensureServerRunning(), { started: false, pid }, name)
    }
    rewrite({})
  })

  await t.test('its claim is cut short, and the PID file says the same', async (t) => {
    const { all, isSome } = cutsOf(claimText)
    for (const length of all.filter(isSome)) {
      cut(claim, claimText, length)
      t.match(await manager.ensureServerRunning(), { started: false, pid }, `cut at ${length}`)
    }
  })

  await t.test('its claim is cut short at any byte and there is no PID file: it is said, and nothing is written', async (t) => {
    unlinkSync(here.pidFile)
    writeFileSync(claim, claimText)
    const { all, isSome } = cutsOf(claimText)
    for (const length of all) {
      cut(claim, claimText, length)
      const { state, pid: named } = await statusOf(manager)
      if (state !== 'unhealthy' || named !== pid) t.fail(`${state} of ${named} when cut at ${length}`)
      if (!isSome(length)) continue
      t.match(await failureOf(manager.ensureServerRunning()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: claim }, `cut at ${length}`)
      t.same([existsSync(here.pidFile), lstatSync(claim).size], [false, length])
    }
  })

  t.equal(here.starts().length, 1, 'there was one server all the time')
  t.equal(await manager.stopServer(), true, 'and a stop ends it, of which nothing is left but a name')
  here.nothingLeft(t)
})

t.test('a PID file without a claim is cut short at any byte', async (t) => {
  const { here, manager, pid, pidFileText, paths } = await running(t)
  const { all, isSome } = cutsOf(pidFileText)
  const digits = String(pid).length
  rmSync(paths.folder, { recursive: true })

  await t.test('and its server runs: its processes still hold the claim, which comes back, and no second one begins', async (t) => {
    for (const length of all.filter((length) => length >= digits && isSome(length))) {
      cut(here.pidFile, pidFileText, length)
      const { state, pid: named } = await statusOf(manager)
      t.same({ state, named }, { state: 'ready', named: pid }, `cut at ${length}`)
      t.match(await manager.ensureServerRunning(), { started: false, pid }, `cut at ${length}`)
      t.equal(readFileSync(here.pidFile, 'utf8').split('\n')[0], String(pid))
      rmSync(paths.folder, { recursive: true })
    }
    await here.only(pid)
    cut(here.pidFile, pidFileText, digits)
    t.equal(await manager.isServerRunning(), true)
  })

  await t.test('and its server was killed: it is nobody’s, and in nobody’s way', async (t) => {
    await here.kill(pid)
    for (const one of [paths.folder, here.pidFile]) rmSync(one, { recursive: true, force: true })
    const kinds = new Set<string>()
    for (const length of all) {
      cut(here.pidFile, pidFileText, length)
      const text = readFileSync(here.pidFile, 'utf8')
      kinds.add(parsePidFile(here.pidFile, text, 0).kind)
      // The first digits of its PID are another process's, which is not judged by that.
      const { state } = await manager.status()
      if (length >= digits && state !== 'stopped') t.fail(`${state} when cut at ${length}`)
      if (text.length !== length || readFileSync(here.pidFile, 'utf8') !== text) t.fail(`written at ${length}`)
      if (length < digits || !isSome(length)) continue
      t.equal(await manager.isServerRunning(), false, `cut at ${length}`)
      t.notOk(existsSync(here.pidFile), 'and it goes')
    }
    t.same([...kinds].toSorted(), ['absent', 'bare', 'record'], 'a record is what only misses its line break')
    writeFileSync(here.pidFile, pidFileText.slice(0, 100))
    t.match(await manager.ensureServerRunning(), { started: true })
    await manager.stopServer()
    here.nothingLeft(t)
  })
})

t.test('cut short at any byte is', async (t) => {
  await t.test('a lease: who holds it stands in its name', async (t) => {
    const here = place(t)
    const manager = here.manager('healthy', { idleTimeout: 1 })
    const lease = await manager.acquire()
    const { host } = pathsOf(here.pidFile, hostName)
    const path = join(host, readdirSync(host).find((name) => name.endsWith('.lease'))!)
    const text = readFileSync(path, 'utf8')
    for (const length of cutsOf(text).all) {
      cut(path, text, length)
      const { state, leases } = await statusOf(manager)
      if (state !== 'ready' || leases.length !== 1 || leases[0]!.pid !== process.pid || leases[0]!.command !== undefined) t.fail(`${state}, ${JSON.stringify(leases)} when cut at ${length}`)
    }
    await lease.release()
    await until(() => here.left().length === 0, 'the watch to end the server')
    here.nothingLeft(t)
  })

  await t.test('an outcome: it tells nothing, and goes', async (t) => {
    const here = place(t)
    const manager = here.manager('healthy')
    const { host } = pathsOf(here.pidFile, hostName)
    const path = join(host, `${ID}.outcome`)
    const text = outcomeBody(stopped({ pid: NO_PID }), nodeSystem.now() + 3_600_000)
    const { all, isSome } = cutsOf(text)
    await nodeSystem.makeFolder(host)
    for (const length of all) {
      cut(path, text, length)
      const { state } = await manager.status()
      if (state !== 'stopped') t.fail(`${state} when cut at ${length}`)
      if (!isSome(length)) continue
      t.equal(await manager.stopServer(), false)
      here.nothingLeft(t, `cut at ${length}`)
      await nodeSystem.makeFolder(host)
    }
    writeFileSync(path, text.slice(0, -1))
    t.match(await manager.ensureServerRunning(), { started: true })
    await manager.stopServer()
    here.nothingLeft(t)
  })
})

t.test('what is wrong in a record is said as an error of ours:', async (t) => {
  // What the options refuse, a record must not bring in.
  const cases: readonly [string, object][] = [
    ['a signal that there is not', { stopSignal: 'SIGFOO' }],
    ['a header that no request can have', { health: { urls: ['http://127.0.0.1:1/'], headers: { 'two\nlines': 'x' } } }],
    ['a time that no timer can wait', { stopTimeout: 1e300 }],
  ]
  for (const [name, changes] of cases) {
    await t.test(name, async (t) => {
      const { here, manager, rewrite, pid } = await running(t)
      rewrite(changes)
      for (const method of ['status', 'ensureServerRunning', 'stopServer'] as const) {
        t.match(await failureOf(manager[method]()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: here.pidFile }, method)
      }
      await here.only(pid)
    })
  }
})

t.test('a launch whose deadline is in the future is waited for no longer than it may take', async (t) => {
  const { here, manager, rewrite } = await running(t, 'never-listens', 'startServer')
  rewrite({ deadline: Number.MAX_SAFE_INTEGER })
  t.match(await failureOf(manager.ensureServerRunning()), { code: 'START_TIMEOUT' })
  t.same(here.alive(), [], 'and it is ended')
})

t.test('an outcome from the future is nobody’s', async (t) => {
  const here = place(t)
  const { host } = pathsOf(here.pidFile, hostName)
  await nodeSystem.makeFolder(host)
  writeFileSync(join(host, `${ID}.outcome`), outcomeBody(stopped({ pid: NO_PID }), nodeSystem.now() + 3_600_000), { mode: 0o600 })
  t.match(await here.manager('healthy').ensureServerRunning(), { started: true })
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})
