/**
 * Whatever *room* there is left on the file system of our state: at every write it may be the one too
 * many, or the file system may be read-only. Each ends in a working server or in a clear error, and with
 * more room all is cleaned up. Real file systems, so that the errors are the kernel's own.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pathsOf } from '../../lib/paths.js'
import { failureOf, isAlive, place, type Place } from '../support/clients.js'
import { until } from '../support/until.js'
import { allProcesses, hostName } from '../support/processes.js'

const mounts = process.getuid?.() === 0 ? false : 'only root can mount a small file system'

/** That a server was stopped, or has failed, stays written for whoever may still wait. */
const butOutcomes = (names: readonly string[]): string[] => names.filter((name) => !/\.outcome$|\.d$|\.d\/[^/.]*$/.test(name))

/** Mounts a file system over a folder, for as long as the test runs. */
const mount = (t: Test, folder: string, options: string): void => {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=0700,${options}`, 'tmpfs', folder])
  t.teardown(() => { execFileSync('umount', ['--lazy', folder]) })
}

const PAGE = 4096

/** Ways in which a file system has room for so much and no more. Each file takes a page if something is in it, and an inode if it has no other name. */
const ROOMS: readonly { what: string; make: (t: Test, folder: string, left: number) => void; giveMore: (folder: string) => void }[] = [
  {
    what: 'pages',
    make: (t, folder, left) => {
      mount(t, folder, `size=${16 * PAGE}`)
      const filler = openSync(join(folder, 'filler'), 'w')
      try {
        for (;;) writeSync(filler, Buffer.alloc(PAGE))
      } catch {
        // That no more fits is the point.
      }
      ftruncateSync(filler, fstatSync(filler).size - left * PAGE)
      closeSync(filler)
    },
    giveMore: (folder) => rmSync(join(folder, 'filler')),
  },
  {
    what: 'files',
    // The folder itself is one.
    make: (t, folder, left) => mount(t, folder, `size=1m,nr_inodes=${left + 1}`),
    giveMore: (folder) => { execFileSync('mount', ['-o', 'remount,nr_inodes=1000', folder]) },
  },
]

const FULL = { name: 'OneServerError', code: 'STATE_UNUSABLE', message: /no space left on the device \(ENOSPC\)/ } as const

/** True when a server came up in what room there was. Then there is more. */
const inRoomFor = async (t: Test, here: Place, folder: string, giveMore: () => void): Promise<boolean> => {
  const manager = here.manager('healthy', { pidFile: join(folder, 's.pid'), logFile: here.logFile })
  const ended = await manager.ensureServerRunning().catch((error: unknown) => error)
  const isUp = !(ended instanceof Error)
  if (isUp) {
    t.match(await manager.ensureServerRunning(), { started: false }, 'to use it, nothing has to be written')
    const stopped = await manager.stopServer().catch((error: unknown) => error)
    if (stopped !== true) {
      t.match(stopped, FULL, 'it cannot be stopped, which is said,')
      t.match(await manager.status(), { state: 'ready' }, 'and it runs on')
    }
    giveMore()
    t.equal(await manager.stopServer(), stopped !== true)
  } else {
    t.match(ended, FULL, ended.message)
    t.ok(ended.message.includes(folder))
    t.same(here.alive(), [], 'nothing runs after an error')
    giveMore()
    await manager.stopServer()
  }
  t.same(here.alive(), [])
  t.same(butOutcomes(readdirSync(folder, { recursive: true }) as string[]), [], 'with more room all is cleaned up')
  return isUp
}

for (const { what, make, giveMore } of ROOMS) {
  t.test(`the file system becomes full at each write: room for so many ${what}`, { skip: mounts }, async (t) => {
    const here = place(t)
    let isUp = false
    for (let left = 0; !isUp; left++) {
      t.comment(`${left} ${what}`)
      const folder = join(here.folder, `${what}-${left}`)
      make(t, folder, left)
      isUp = await inRoomFor(t, here, folder, () => giveMore(folder))
    }
    here.oneAtATime(t)
  })
}

t.test('the file system is full when a lease is taken: that is said, and no watch is left behind', { skip: mounts }, async (t) => {
  const here = place(t)
  const folder = join(here.folder, 'state')
  mount(t, folder, 'size=1m,nr_inodes=100')
  const paths = pathsOf(join(folder, 's.pid'), hostName)
  const manager = here.manager('healthy', { pidFile: paths.pidFile, logFile: here.logFile })
  await manager.ensureServerRunning()
  // The pin is no lease's: what is started for leases is watched.
  rmSync(join(paths.host, readdirSync(paths.host).find((name) => name.endsWith('.pin'))!))
  const { files, ffree } = statfsSync(folder)
  execFileSync('mount', ['-o', `remount,nr_inodes=${files - ffree}`, folder])
  const watches = () => allProcesses().filter(({ command }) => command.includes(` ${paths.host} `))
  t.match(await failureOf(manager.acquire()), FULL)
  await until(() => watches().length === 0, 'its watch to end')
  execFileSync('mount', ['-o', 'remount,nr_inodes=100', folder])
  t.equal(await manager.stopServer(), true)
})

t.test('no byte more fits while a server runs: it is used, leased and stopped, and the last lease ends it', { skip: mounts }, async (t) => {
  const here = place(t)
  const folder = join(here.folder, 'state')
  mount(t, folder, 'size=256k')
  const manager = here.manager('healthy', { pidFile: join(folder, 's.pid'), logFile: here.logFile, idleTimeout: 1 })
  const fill = () => {
    const filler = openSync(join(folder, 'filler'), 'a')
    try {
      for (;;) writeSync(filler, Buffer.alloc(PAGE))
    } catch {
      // That no more fits is the point.
    }
    closeSync(filler)
  }
  const first = await manager.acquire()
  fill()
  const second = await manager.acquire()
  t.equal(second.server.launchId, first.server.launchId)
  await first.release()
  t.match(await manager.status(), { state: 'ready', leases: [{ pid: process.pid }] }, 'a lease without words counts')
  await second.release()
  await until(() => here.alive().length === 0, 'the server to end after its last lease')
  rmSync(join(folder, 'filler'))
  await manager.ensureServerRunning()
  fill()
  t.equal(await manager.stopServer(), true, 'an explicit stop needs no room, either')
  t.same(here.alive(), [])
  fill()
  t.match(await failureOf(manager.ensureServerRunning()), { ...FULL, hint: /Free some space/ })
})

t.test('the file system becomes read-only while the server runs: it can be used, and not be stopped', { skip: mounts }, async (t) => {
  const here = place(t)
  const folder = join(here.folder, 'state')
  mount(t, folder, 'size=1m')
  const manager = here.manager('healthy', { pidFile: join(folder, 's.pid'), logFile: here.logFile })
  const { pid } = await manager.ensureServerRunning()
  // A second mount over the first: the server's stdin is a FIFO on the first, which could not become read-only under it.
  const remount = (how: 'ro' | 'rw') => {
    if (how === 'rw') return execFileSync('umount', [folder])
    execFileSync('mount', ['--bind', folder, folder])
    return execFileSync('mount', ['-o', 'remount,bind,ro', folder])
  }
  remount('ro')
  t.match(await manager.status(), { state: 'ready', pid })
  t.equal(await manager.isServerRunning(), true)
  t.match(await manager.ensureServerRunning(), { started: false, pid })
  t.match(await failureOf(manager.stopServer()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: /the file system is read-only \(EROFS\)/ })
  t.ok(isAlive(pid!))
  remount('rw')
  t.equal(await manager.stopServer(), true)
  t.same([here.alive(), readdirSync(folder)], [[], []])
  remount('ro')
  t.match(await failureOf(manager.ensureServerRunning()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: /the file system is read-only \(EROFS\)/ })
  t.match(await manager.status(), { state: 'stopped' })
  t.equal(here.starts().length, 1)
  remount('rw')
})
