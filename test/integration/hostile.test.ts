/**
 * Whatever *thing* stands where our state should be (what is written in it is hostile-contents,
 * whom it names hostile-processes, whose it is hostile-user, what happens to its folder hostile-folder): each ends in a
 * working server or in a clear error, and nothing foreign is followed, overwritten or deleted.
 *
 * The table is objects × forms, and a server costs more than all the rest of a cell. So where a form
 * does no harm, one server faces it in all places at once; where it ends in an error, no server starts.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { pathsOf } from '../../lib/paths.js'
import { failureOf, place, statusOf } from '../support/clients.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { hostName, self } from '../support/processes.js'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const needsRoot = isRoot ? false : 'only root can make a file of another user'

/** No process has it: it is above the highest that Linux gives. */
const NO_PID = 2 ** 22 + 1
const ID = '0123456789abcdef'

/** Whatever lies in a folder, so that any change shows: names, owners, modes, times, targets of links and contents. */
const pictureOf = (path: string): readonly string[] => {
  const { mode, uid, size, mtimeMs, ino } = lstatSync(path)
  const kind = mode & 0o170000
  // What is 100 MB long is told by its size, a FIFO must not be opened, and what has no mode cannot be.
  const isReadable = (mode & 0o400) !== 0 && size < 2 ** 21
  const content = kind === 0o120000 ? readlinkSync(path) : kind === 0o100000 && isReadable ? readFileSync(path, 'latin1') : ''
  const below = kind === 0o040000 && isReadable ? readdirSync(path).toSorted().flatMap((name) => pictureOf(join(path, name))) : []
  return [JSON.stringify({ path, mode, uid, size, mtimeMs, ino, content }), ...below]
}

interface Form {
  readonly name: string
  readonly make: (path: string, precious: string) => unknown
  /** What is said when it stands where a file should be, or a folder; else that it is none of ours. */
  readonly says?: string
  /** unlink(2) does not take it away. */
  readonly isFolder?: true
  readonly skip?: string | false
}

const NOISE = randomBytes(64 * 1024)

/** One, with many names: to start mkfifo(1) for each would take longer than all the rest. */
const FIFO = join(tempFolder(t), 'fifo')
execFileSync('mkfifo', [FIFO])

/** `precious` is a folder of somebody's, for links to lead to. */
const FORMS: readonly Form[] = [
  { name: 'an empty file', make: (path) => writeFileSync(path, '') },
  { name: 'a folder', make: (path) => mkdirSync(path), says: 'is a folder', isFolder: true },
  {
    name: 'a folder with something in it', says: 'is a folder', isFolder: true,
    make: (path) => {
      mkdirSync(path)
      writeFileSync(join(path, 'precious'), 'precious')
    },
  },
  { name: 'a symbolic link to somebody’s file', make: (path, precious) => symlinkSync(join(precious, 'file'), path), says: 'is a symbolic link' },
  { name: 'a symbolic link to somebody’s folder', make: (path, precious) => symlinkSync(precious, path), says: 'is a symbolic link' },
  { name: 'a symbolic link to nowhere', make: (path) => symlinkSync('/nowhere/at/all', path), says: 'is a symbolic link' },
  { name: 'a symbolic link to itself', make: (path) => symlinkSync(basename(path), path), says: 'is a symbolic link' },
  { name: 'a FIFO', make: (path) => linkSync(FIFO, path), says: 'is a FIFO' },
  { name: '100 MB', make: (path) => { writeFileSync(path, 'noise'); truncateSync(path, 100 * 1024 * 1024) }, says: 'is 104857600 bytes long' },
  { name: 'noise that is short enough to be read', make: (path) => writeFileSync(path, NOISE) },
  { name: 'binary', make: (path) => writeFileSync(path, Buffer.from([0, 255, 1, 254, 10, 13, 0])) },
  { name: 'JSON of another shape', make: (path) => writeFileSync(path, '{"format":1,"at":"now","url":7,"pid":[]}') },
  {
    name: 'another user’s file', says: `belongs to another user (uid ${NOBODY})`, skip: needsRoot,
    make: (path) => {
      writeFileSync(path, '')
      chownSync(path, NOBODY, NOBODY)
    },
  },
  {
    name: 'a file of mode 000', says: 'may not be read (EACCES)',
    make: (path) => {
      writeFileSync(path, '')
      chmodSync(path, 0)
    },
  },
]

/** A place, something precious elsewhere for links to lead to, and where the state of the place would be. */
const prepared = (t: Test) => {
  const here = place(t)
  const precious = tempFolder(t)
  writeFileSync(join(precious, 'file'), 'precious')
  const before = pictureOf(precious)
  return {
    here, precious, paths: pathsOf(here.pidFile, hostName), manager: here.manager('healthy'),
    isUnharmed: () => t.same(pictureOf(precious), before, 'what links lead to is as it was'),
  }
}

const makeFolder = (path: string): void => { mkdirSync(path, { recursive: true, mode: 0o700 }) }

/** The error of a call that leaves what it names as it was. */
const refuses = async (t: Test, call: () => Promise<unknown>, path: string, code = 'STATE_UNUSABLE'): Promise<string> => {
  const before = pictureOf(path)
  const error = await failureOf(call())
  t.match(error, { name: 'OneServerError', code }, error.message)
  t.ok(error.message.includes(path), `the message names it: ${error.message}`)
  t.same(pictureOf(path), before, 'it is as it was')
  return error.message
}

/** What a form does in the place of the PID file; an error where nothing is said. As root a mode means nothing. */
const HARMLESS_AS_PID_FILE = ['an empty file', ...(isRoot ? ['a file of mode 000'] : [])]
/** The same for the lock, which is a folder. */
const HARMLESS_AS_LOCK = ['a folder']

t.test('refused in the place of the PID file, the lock and the folders is', async (t) => {
  const { here, precious, paths, manager, isUnharmed } = prepared(t)
  for (const { name, make, says = 'is there and is not a PID file', skip, isFolder } of FORMS) {
    await t.test(name, { skip: skip ?? false }, async (t) => {
      const places: readonly [string, boolean][] = [
        [paths.pidFile, HARMLESS_AS_PID_FILE.includes(name)], [paths.lock, HARMLESS_AS_LOCK.includes(name)],
        [paths.folder, isFolder === true], [paths.host, isFolder === true],
      ]
      for (const [path, isHarmless] of places) {
        if (isHarmless) continue
        makeFolder(dirname(path))
        make(path, precious)
        const message = await refuses(t, () => manager.ensureServerRunning(), path)
        if (path === paths.pidFile) t.ok(message.includes(says), `it says that it ${says}`)
        if (path === paths.folder || path === paths.host) {
          t.match(message, /, where the state folder should be$/)
          const isSpecial = /link|FIFO/.test(says)
          t.ok(message.includes(isSpecial ? says : 'is a file'), 'and it says what it is')
        }
        rmSync(path, { recursive: true })
      }
      t.equal(await manager.isServerRunning(), false, 'and once it is gone all is well')
      rmSync(paths.folder, { recursive: true, force: true })
    })
  }
  t.same([here.starts(), here.alive()], [[], []], 'nothing was started')
  isUnharmed()
})

t.test('a server comes up in spite of', async (t) => {
  await t.test('an empty PID file and the lock of a crash, of no mode and from the future: the clock was set back since', async (t) => {
    const { here, paths, manager } = prepared(t)
    writeFileSync(paths.pidFile, '')
    mkdirSync(paths.lock, { mode: 0 })
    const later = new Date(Date.now() + 3_600_000)
    for (const path of [paths.pidFile, paths.lock]) utimesSync(path, later, later)
    t.match(await manager.ensureServerRunning(), { started: true })
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
  })

  await t.test('a PID file of mode 000, for whoever may read it all the same', { skip: !isRoot && 'a mode means nothing to root alone' }, async (t) => {
    const here = place(t)
    writeFileSync(here.pidFile, `${NO_PID}\n`)
    chmodSync(here.pidFile, 0)
    t.match(await here.manager('healthy').ensureServerRunning(), { started: true })
    t.equal(lstatSync(here.pidFile).mode & 0o777, 0o600, 'it is ours, and made anew')
    await here.manager('healthy').stopServer()
    here.nothingLeft(t)
  })

  await t.test('anything in the folder that is not ours: names of other hosts, and names that are none', async (t) => {
    const { here, precious, paths, manager, isUnharmed } = prepared(t)
    makeFolder(paths.host)
    const theirs = FORMS.filter(({ skip }) => !skip).flatMap(({ make, name }) =>
      [paths.folder, paths.host].map((folder) => {
        const path = join(folder, name.replaceAll(' ', '-'))
        make(path, precious)
        return path
      }))
    const before = theirs.map(pictureOf)
    t.match(await manager.ensureServerRunning(), { started: true })
    t.equal(await manager.stopServer(), true)
    t.same(theirs.map(pictureOf), before, 'each is as it was')
    t.same(here.alive(), [])
    isUnharmed()
  })
})

/** What clients leave in the folder when they die. Its name alone says whose it is, so what it is does not matter. */
const leftovers = (number: number): string[] => {
  const [id, withoutClaim] = [0xa00 + number, 0xb00 + number].map((one) => one.toString(16).padStart(16, '0'))
  const dead = NO_PID + number
  return [
    `${id}.${dead}.5.${dead}.claim`, `${id}.${dead}.5.tmp`, `${id}.${dead}.5.locking`,
    ...['gate', 'ready', 'unattended', 'pin', 'ended', 'outcome', `${ID}.ending`, `${ID}.idle`].map((mark) => `${withoutClaim}.${mark}`),
    ...['lease', 'watch'].map((hold) => `${ID}.${withoutClaim}.${dead}.5.${hold}`),
  ]
}

t.test('what the dead have left in the folder', async (t) => {
  await t.test('goes, whatever it is', async (t) => {
    const { here, precious, paths, manager, isUnharmed } = prepared(t)
    makeFolder(paths.host)
    for (const [number, { make, skip, isFolder }] of FORMS.entries()) {
      if (skip || isFolder) continue
      for (const name of leftovers(number)) make(join(paths.host, name), precious)
    }
    t.match(await manager.ensureServerRunning(), { started: true })
    t.same(readdirSync(paths.host).map((name) => name.replace(/^.*\./, '')).toSorted(), ['claim', 'gate', 'pin', 'ready'], 'only the new launch is there')
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
    isUnharmed()
  })

  await t.test('stays and is named when it is a folder, which we never put there', async (t) => {
    const { here, precious, paths, manager } = prepared(t)
    makeFolder(paths.host)
    for (const { make } of FORMS.filter(({ isFolder }) => isFolder)) {
      for (const path of leftovers(0).map((name) => join(paths.host, name))) {
        make(path, precious)
        await refuses(t, () => manager.ensureServerRunning(), path)
        rmSync(path, { recursive: true })
      }
    }
    t.same([here.starts(), here.alive()], [[], []], 'nothing was started')
  })
})

t.test('while the server runs', async (t) => {
  const { here, precious, paths, manager, isUnharmed } = prepared(t)
  const { pid } = await manager.ensureServerRunning()
  const claim = readdirSync(paths.host).find((name) => name.endsWith('.claim'))!
  const id = claim.slice(0, 16)
  const whole = readFileSync(paths.pidFile, 'utf8')
  const kept = tempFolder(t)

  /** Each form in turn where something of ours may stand. What is there afterwards has not been touched, and what stood there comes back. */
  const each = async (t: Test, paths: readonly string[], check: (form: Form) => Promise<void>): Promise<void> => {
    for (const form of FORMS) {
      if (form.skip) continue
      t.comment(form.name)
      const stood = paths.filter((path) => existsSync(path))
      for (const path of stood) renameSync(path, join(kept, basename(path)))
      const before = paths.map((path) => {
        form.make(path, precious)
        return pictureOf(path)
      })
      const inodes = paths.map((path) => lstatSync(path).ino)
      await check(form)
      for (const [index, path] of paths.entries()) {
        if (lstatSync(path, { throwIfNoEntry: false })?.ino === inodes[index]) t.same(pictureOf(path), before[index], 'it is as it was')
        rmSync(path, { recursive: true, force: true })
      }
      for (const path of stood) renameSync(join(kept, basename(path)), path)
    }
  }

  const isShared = async (t: Test): Promise<void> => {
    t.equal(await manager.isServerRunning(), true)
    t.match(await manager.ensureServerRunning(), { started: false, pid })
  }

  // A mark says what it says by being there, and the PID file is a copy of the claim. Where the URL in a mark is needed and there is none, all are asked.
  await t.test('its claim and its marks may be anything, all at once', (t) =>
    each(t, [
      claim, ...['gate', 'ready', 'unattended', 'pin', `${ID}.ending`, `${ID}.idle`].map((mark) => `${id}.${mark}`),
      `${ID}.${id}.${process.pid}.${self().start}.lease`, `${ID}.${id}.${NO_PID}.5.watch`,
    ].map((name) => join(paths.host, name)), async () => {
      await isShared(t)
      t.match(await manager.status(), { pid, leases: [{ pid: process.pid, command: undefined, since: undefined }] })
    }))

  await t.test('a claim that is anything, and no PID file to say the same: that is told', async (t) => {
    const path = join(paths.host, claim)
    unlinkSync(paths.pidFile)
    await each(t, [path], async () => {
      t.match(await manager.status(), { state: 'unhealthy', pid })
      await refuses(t, () => manager.ensureServerRunning(), path)
    })
    await isShared(t)
  })

  await t.test('an outcome of it may be anything that can be removed', async (t) => {
    const path = join(paths.host, `${id}.outcome`)
    await each(t, [path], async ({ isFolder }) => {
      if (isFolder !== true) return isShared(t)
      await refuses(t, () => manager.ensureServerRunning(), path)
      t.match(await manager.status(), { state: 'ready', pid }, 'the server lives on')
    })
  })

  await t.test('the lock may be anything, since nobody needs it', (t) => each(t, [paths.lock], () => isShared(t)))

  await t.test('everyone is told what is wrong with the PID file', (t) => each(t, [paths.pidFile], async ({ name }) => {
    if (HARMLESS_AS_PID_FILE.includes(name)) return isShared(t)
    for (const method of ['status', 'isServerRunning', 'ensureServerRunning', 'stopServer'] as const) await refuses(t, () => manager[method](), paths.pidFile)
  }))

  await isShared(t)
  t.equal(readFileSync(paths.pidFile, 'utf8'), whole)
  t.equal(here.starts().length, 1, 'one server through it all')
  isUnharmed()
  t.equal(await manager.stopServer(), true)
  here.nothingLeft(t)
})

t.test('what bears a name of a later format is not judged, and makes every call say so', async (t) => {
  const { here, paths, manager } = prepared(t)
  makeFolder(paths.host)
  for (const name of [`${ID}.${NO_PID}.5.7.claim2`, `${ID}.ready2`, 'anything.lease3', `${ID}.${ID}.1.5.watch12`]) {
    const path = join(paths.host, name)
    writeFileSync(path, '')
    for (const method of ['status', 'isServerRunning', 'ensureServerRunning', 'stopServer'] as const) await refuses(t, () => manager[method](), path, 'STATE_NEWER')
    unlinkSync(path)
  }
  t.same([here.starts(), here.alive()], [[], []])
})

t.test('a server that somebody has marked as ended is replaced, whatever the mark is', async (t) => {
  const { here, precious, paths, manager, isUnharmed } = prepared(t)
  const { pid } = await manager.ensureServerRunning()
  const [claim = ''] = readdirSync(paths.host).filter((name) => name.endsWith('.claim'))
  FORMS.find(({ name }) => name.includes('link to somebody’s file'))!.make(join(paths.host, `${claim.slice(0, 16)}.ended`), precious)
  t.match(await manager.ensureServerRunning(), { started: true })
  here.oneAtATime(t)
  t.not((await statusOf(manager)).pid, pid)
  isUnharmed()
  await manager.stopServer()
  here.nothingLeft(t)
})

t.test('the watch of a lease ends the server when the lease has ended, although its file is', async (t) => {
  /** A watch looks at every file of its lease, so that one server faces many at once. */
  const isWatched = async (t: Test, forms: readonly Form[]): Promise<void> => {
    const { here, precious, paths, isUnharmed } = prepared(t)
    const lease = await here.manager('healthy', { idleTimeout: 1 }).acquire()
    const [id, launch] = readdirSync(paths.host).find((name) => name.endsWith('.lease'))!.split('.')
    for (const [index, { make }] of forms.entries()) make(join(paths.host, `${id}.${launch}.${NO_PID + index}.5.watch`), precious)
    await lease.release()
    await until(() => here.alive().length === 0, 'the server to end')
    // What cannot be removed is named by the next call.
    if (!forms.some(({ isFolder }) => isFolder)) await until(() => here.left().length === 0, 'what is left of it to go')
    isUnharmed()
  }
  const isOpened = ({ name }: Form): boolean => name === 'a FIFO' || name === 'a symbolic link to somebody’s file'
  await t.test('any file', (t) => isWatched(t, FORMS.filter((form) => !form.skip && form.isFolder === undefined && !isOpened(form))))
  await t.test('a folder', (t) => isWatched(t, FORMS.filter(({ isFolder }) => isFolder)))
  for (const form of FORMS.filter(isOpened)) {
    await t.test(form.name, (t) => isWatched(t, [form]))
  }
})
