/**
 * Whatever is done to the *folder* that our state lies in: its path is long or strange, others may write
 * to it, or it is deleted while the server runs, while a client waits, or between any two changes of a
 * client that launches or stops. (That it is full or read-only is hostile-room.) Each ends in a working server or in a clear error.
 *
 * `npm test` deletes it before some of the changes, with the argument `full` before each:
 *
 *     node build/test/integration/hostile-folder.test.js full
 */
import childProcess from 'node:child_process'
import fs, { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { nodeSystem } from '../../lib/node-system.js'
import type { ClientProcessManagerOptions, ServerInfo } from '../../lib/index.js'
import { pathsOf, type Paths } from '../../lib/paths.js'
import { client, failureOf, fixture, isAlive, place, resultOf, type Place } from '../support/clients.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { hostName } from '../support/processes.js'

const isRoot = process.getuid?.() === 0
const NOBODY = 65534

t.test('the state folder', async (t) => {
  await t.test('is made 0700 with files 0600, whatever the umask', async (t) => {
    for (const umask of [0, 0o777]) {
      const here = place(t)
      const before = process.umask(umask)
      try {
        await here.manager('healthy').ensureServerRunning()
      } finally {
        process.umask(before)
      }
      const folder = `${here.pidFile}.d`
      const modes = [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))].map((path) => {
        const stats = lstatSync(path)
        return `${stats.isDirectory() ? 'folder' : 'file'} ${(stats.mode & 0o777).toString(8)}`
      })
      t.same([...new Set(modes)].toSorted(), ['file 600', 'folder 700'])
      t.equal(lstatSync(here.pidFile).mode & 0o777, 0o600)
      t.equal(lstatSync(here.logFile).mode & 0o777, 0o600)
      await here.manager('healthy').stopServer()
    }
  })

  await t.test('is refused when others may write into it', async (t) => {
    const here = place(t)
    const { folder, host } = pathsOf(here.pidFile, hostName)
    for (const open of [folder, host]) {
      mkdirSync(open, { mode: 0o700 })
      chmodSync(open, 0o777)
      const error = await failureOf(here.manager('healthy').ensureServerRunning())
      t.match(error, { code: 'STATE_UNUSABLE', message: `${open}: may be written to by other users` })
      chmodSync(open, 0o700)
    }
  })

  await t.test('is refused when it is another user’s', { skip: !isRoot && 'only root can make it' }, async (t) => {
    const here = place(t)
    mkdirSync(`${here.pidFile}.d`, { mode: 0o700 })
    chownSync(`${here.pidFile}.d`, NOBODY, NOBODY)
    const error = await failureOf(here.manager('healthy').ensureServerRunning())
    t.match(error, { code: 'STATE_UNUSABLE', message: /belongs to another user \(uid 65534\)/ })
  })

  await t.test('may lie on a long path with spaces and letters of any language', async (t) => {
    const here = place(t)
    // A socket's path ends at 108 bytes.
    const folder = join(here.folder, `a folder “größer”\t日本 ${'x'.repeat(150)}`)
    const manager = here.manager('healthy', { pidFile: join(folder, 's.pid') })
    t.match(await manager.ensureServerRunning(), { started: true })
    t.equal(await manager.stopServer(), true)
  })

  await t.test('has a name that is too long, or a path', async (t) => {
    const here = place(t)
    const names = ['x'.repeat(251), 'x'.repeat(254), 'x'.repeat(300), join(...Array.from({ length: 16 }, () => 'x'.repeat(249)), 's.pid'), join(...Array.from({ length: 30 }, () => 'x'.repeat(249)), 's.pid')]
    for (const name of names) {
      const manager = here.manager('healthy', { pidFile: join(here.folder, name), logFile: here.logFile })
      const error = await failureOf(manager.ensureServerRunning())
      t.match(error, { name: 'OneServerError', code: 'STATE_UNUSABLE', message: /: the path is too long \(ENAMETOOLONG\)$/ }, `${name.length} letters`)
      t.ok(error.message.includes(here.folder))
    }
    t.same([here.starts(), here.alive()], [[], []])
  })
})

/** A place whose state has a folder of its own. */
const apart = (t: Test) => {
  const here = place(t)
  const folder = join(here.folder, 'state')
  mkdirSync(folder)
  const options = (more: ClientProcessManagerOptions = {}, server = 'healthy') => here.options(server, { pidFile: join(folder, 's.pid'), logFile: here.logFile, ...more })
  return {
    here, folder, options, paths: pathsOf(join(folder, 's.pid'), hostName),
    manager: here.manager('healthy', { pidFile: join(folder, 's.pid'), logFile: here.logFile }),
    left: () => (existsSync(folder) ? readdirSync(folder, { recursive: true }) : []) as string[],
  }
}

/** That a server was stopped, or has failed, stays written for whoever may still wait. */
const butOutcomes = (names: readonly string[]): string[] => names.filter((name) => !/\.outcome$|\.d$|\.d\/[^/.]*$/.test(name))

t.test('the state folder is deleted while the server runs', async (t) => {
  await t.test('and whoever wants it finds it by the PID file', async (t) => {
    const here = place(t)
    const manager = here.manager('healthy')
    const first = await manager.ensureServerRunning()
    rmSync(`${here.pidFile}.d`, { recursive: true })
    t.match(await manager.ensureServerRunning(), { started: false, pid: first.pid, url: first.url }, 'the PID file still names the server')
    t.equal(here.starts().length, 1)
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
  })

  await t.test('and whoever asks or stops still means that server', async (t) => {
    const here = place(t)
    const manager = here.manager('healthy')
    const { pid } = await manager.ensureServerRunning()
    rmSync(`${here.pidFile}.d`, { recursive: true })
    t.equal(await manager.isServerRunning(), true)
    t.match(await manager.ensureServerRunning(), { started: false, pid })
    rmSync(`${here.pidFile}.d`, { recursive: true })
    t.equal(await manager.stopServer(), true)
    t.notOk(isAlive(pid!))
    t.equal(here.starts().length, 1)
    t.same(here.alive(), [])
    t.same(butOutcomes(here.left()), [])
  })
})

/** Moved out of the way first: while it was being emptied, a client that waits might put something into it again. */
const deleteAtOnce = (path: string): void => {
  renameSync(path, `${path}.deleted`)
  rmSync(`${path}.deleted`, { recursive: true })
}

/** A server that listens as soon as it is let. `isUp` returns when it executes: before, its gate would have nowhere to write that it was opened. */
const held = (t: Test) => {
  const folder = tempFolder(t)
  const [script, go] = [join(folder, 'server.mjs'), join(folder, 'go')]
  const url = (name: string): string => JSON.stringify(pathToFileURL(fixture(name)).href)
  writeFileSync(script, `
    import ${url('ledger')}
    import { serve } from ${url('serve')}
    import { existsSync } from 'node:fs'
    const timer = setInterval(() => {
      if (!existsSync(${JSON.stringify(go)})) return
      clearInterval(timer)
      serve()
    }, 5)`)
  return { script, letGo: () => writeFileSync(go, ''), isUp: (here: Place) => until(() => here.starts().length > 0, 'the server to execute') }
}

/** Without this a server that comes up at once might be found before anybody has looked at the folder: then there is nowhere to write that it is ready. */
const isBack = ({ host }: Paths): Promise<unknown> =>
  until(() => existsSync(host) && readdirSync(host).some((name) => name.endsWith('.claim')), 'the follower to bring the claim back')

/** A client in this process, once it waits for a launch of another. */
const waiting = async (here: Place, options: ClientProcessManagerOptions): Promise<{ ended: Promise<ServerInfo> }> => {
  let ended: Promise<ServerInfo> | undefined
  await new Promise<void>((resolve, reject) => {
    ended = here.manager('', { ...options, onEvent: (event) => { if (event.type === 'waiting' && event.for === 'launch') resolve() } }).ensureServerRunning()
    ended.catch(reject)
  })
  return { ended: ended! }
}

t.test('the state folder is deleted while a client waits', async (t) => {
  await t.test('for its own launch, and another one for that: both get the one server', async (t) => {
    const { here, options, paths, manager } = apart(t)
    const { script, letGo, isUp } = held(t)
    const launcher = client(t, here, options({}, script))
    await launcher.said('waiting')
    await isUp(here)
    const follower = await waiting(here, options({}, script))
    deleteAtOnce(paths.folder)
    await isBack(paths)
    letGo()
    const { info, status } = resultOf(await launcher.ended)
    t.match({ info, status }, { info: { started: true }, status: 200 })
    t.match(await follower.ended, { started: false, pid: info.pid, url: info.url })
    t.equal(here.starts().length, 1)
    t.equal(await manager.stopServer(), true)
    t.same(here.alive(), [])
  })

  await t.test('for a launch whose launcher was killed', async (t) => {
    const { here, options, paths, manager } = apart(t)
    const { script, letGo, isUp } = held(t)
    const launcher = client(t, here, options({}, script))
    const { pid } = await launcher.said('claimed')
    await launcher.said('waiting')
    await isUp(here)
    launcher.child.kill('SIGKILL')
    await launcher.ended
    const follower = await waiting(here, options({}, script))
    deleteAtOnce(paths.folder)
    await isBack(paths)
    letGo()
    t.match(await follower.ended, { started: false, pid: pid as number })
    t.equal(here.starts().length, 1)
    t.equal(await manager.stopServer(), true)
    t.same(here.alive(), [])
  })

  await t.test('for the lock, which goes with it', async (t) => {
    const { here, folder, paths, manager, options, left } = apart(t)
    for (const path of [paths.folder, paths.host]) await nodeSystem.makeFolder(path)
    const old = await nodeSystem.fileLock(paths).try()
    const waiting = client(t, here, options())
    t.match(await waiting.said('waiting'), { for: 'lock' })
    deleteAtOnce(folder)
    t.match(resultOf(await waiting.ended), { info: { started: true }, status: 200 })
    await old!.release()
    t.equal(await manager.stopServer(), true)
    t.same([here.alive(), left()], [[], []])
  })
})

t.test('the folder of the PID file is deleted while clients wait: they get one server, and none is left behind', async (t) => {
  const { here, folder, options, manager } = apart(t)
  const { script, letGo, isUp } = held(t)
  const launcher = client(t, here, options({}, script))
  await launcher.said('waiting')
  await isUp(here)
  const follower = client(t, here, options({}, script))
  await follower.said('waiting')
  deleteAtOnce(folder)
  letGo()
  const [one, other] = [resultOf(await launcher.ended), resultOf(await follower.ended)]
  t.equal(one.info.url, other.info.url)
  here.oneAtATime(t)
  t.equal(await manager.stopServer(), true)
  t.same(here.alive(), [], 'no server is left behind')
})

/** Called with the path of each change that this process is about to make to a file, and with none before it starts a process. */
let beforeChange: ((path: string | undefined) => void) | undefined

// The library imports these by name, and such names are bound to what is exported now.
for (const name of ['openSync', 'writeFileSync', 'mkdirSync', 'mkdir', 'rmdirSync', 'rmdir', 'linkSync', 'renameSync', 'unlinkSync', 'utimes'] as const) {
  const original = fs[name] as (...args: unknown[]) => unknown
  const wrapped = (...args: unknown[]): unknown => {
    const [path, flags] = args
    if (typeof path === 'string' && !(name === 'openSync' && (flags === undefined || typeof flags === 'number' || flags === 'r'))) beforeChange?.(path)
    return Reflect.apply(original, fs, args)
  }
  Object.assign(fs, { [name]: Object.assign(wrapped, original) })
}
const { spawn } = childProcess
Object.assign(childProcess, {
  spawn: (...args: unknown[]): unknown => {
    beforeChange?.(undefined)
    return Reflect.apply(spawn, childProcess, args)
  },
})
syncBuiltinESMExports()

/** Deletes right before the `number`-th change that `call` makes below a folder. `over`: it made fewer. */
const deletingBefore = async (number: number, below: string, path: string, call: () => Promise<unknown>) => {
  let count = 0
  beforeChange = (changed) => {
    if ((changed !== undefined && !changed.startsWith(below)) || ++count < number) return
    beforeChange = undefined
    rmSync(path, { recursive: true, force: true })
  }
  const ended = await call().catch((error: unknown) => error)
  beforeChange = undefined
  return { ended, over: count < number }
}

/** The numbers to try: those of the sample, or every one until there is none any more. */
const numbers = (sample: readonly number[]): readonly number[] => (process.argv[2] === 'full' ? Array.from({ length: 100 }, (_, index) => index + 1) : sample)

for (const what of ['the state folder', 'the folder of the PID file'] as const) {
  t.test(`${what} is deleted between two changes of a client that launches`, async (t) => {
    for (const number of numbers([27])) {
      const { here, folder, paths, manager, left } = apart(t)
      const { ended, over } = await deletingBefore(number, here.folder, what === 'the state folder' ? paths.folder : folder, () => manager.ensureServerRunning())
      if (ended instanceof Error) t.match(ended, { name: 'OneServerError', code: 'STATE_UNUSABLE', message: folder }, `before change ${number}: ${ended.message}`)
      else t.match(ended, { url: /^http/ }, `before change ${number}: a server`)
      const { url } = await manager.ensureServerRunning()
      t.equal((await fetch(`${url}/api/health`)).status, 200, 'the next call has a healthy server')
      t.equal(await manager.stopServer(), true)
      t.same(here.alive(), [], 'and none is left behind')
      here.oneAtATime(t)
      t.same(butOutcomes(left()), [])
      if (over) break
    }
  })
}

t.test('the state folder is deleted between two changes of a client that stops', async (t) => {
  for (const number of numbers([5, 7])) {
    const { here, folder, paths, manager, left } = apart(t)
    const { pid } = await manager.ensureServerRunning()
    const { ended, over } = await deletingBefore(number, here.folder, paths.folder, () => manager.stopServer())
    if (ended instanceof Error) {
      t.match(ended, { name: 'OneServerError', code: 'STATE_UNUSABLE', message: folder }, `before change ${number}: ${ended.message}`)
      t.match(await manager.ensureServerRunning(), { started: false, pid }, 'then the server lives on, for everyone')
      t.equal(await manager.stopServer(), true)
    } else {
      t.equal(ended, true, `before change ${number}: there was one to stop`)
      if (ended === false) await manager.stopServer()
    }
    t.same(here.alive(), [])
    t.same(butOutcomes(left()), [])
    if (over) break
  }
})
