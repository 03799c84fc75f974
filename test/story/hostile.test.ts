/**
 * Whatever stands where our state should be: each ends in a working server or in a clear error, and
 * nothing foreign is signalled, followed, overwritten or deleted.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { OneServerErrorCode } from '../../lib/index.js'
import { bystander, failureOf, isAlive, place, stateOf, type Place } from '../clients.js'
import { parsePidFile } from '../../lib/state/pid-file.js'
import { lookAt } from '../../lib/system/process-table.js'
import { until } from '../until.js'

const isRoot = process.getuid?.() === 0
const NOBODY = 65534

/** A process that has ended and whose parent does not ask for it. */
const zombie = async (t: Test): Promise<number> => {
  const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => { parent.kill('SIGKILL') })
  const pid = Number(await new Promise<Buffer>((resolve) => { parent.stdout.once('data', resolve) }))
  await until(() => stateOf(pid) === 'Z', 'a zombie')
  return pid
}

const aThread = (): number => Number(readdirSync(`/proc/${process.pid}/task`).find((id) => id !== String(process.pid)))

const deadPid = (): number => {
  const pid = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
  return pid
}

/** What is there, for comparing: it must not have been touched. */
const pictureOf = (path: string): string => {
  const { mode, uid, size, mtimeMs, ino } = lstatSync(path)
  return JSON.stringify({ mode, uid, size, mtimeMs, ino })
}

interface State {
  readonly name: string
  readonly make: (here: Place, t: Test) => unknown
  /** An error, after which what was there is untouched; else a server that works. */
  readonly code?: OneServerErrorCode
  readonly skip?: string | false
}

const put = (text: string | Buffer) => (here: Place) => writeFileSync(here.pidFile, text, { mode: 0o600 })

const PID_FILES: readonly State[] = [
  { name: 'empty', make: put('') },
  { name: 'white space', make: put(' \n\n') },
  { name: 'a folder', make: (here) => mkdirSync(here.pidFile), code: 'STATE_UNUSABLE' },
  {
    name: 'a symbolic link to somebody’s file', code: 'STATE_UNUSABLE',
    make: (here) => {
      writeFileSync(join(here.folder, 'precious.log'), 'precious')
      symlinkSync(join(here.folder, 'precious.log'), here.pidFile)
    },
  },
  { name: 'a symbolic link to nowhere', make: (here) => symlinkSync('/nowhere/at/all', here.pidFile), code: 'STATE_UNUSABLE' },
  { name: 'a FIFO', make: (here) => execFileSync('mkfifo', [here.pidFile]), code: 'STATE_UNUSABLE' },
  {
    name: '100 MB of noise', code: 'STATE_UNUSABLE',
    make: (here) => {
      put('noise')(here)
      truncateSync(here.pidFile, 100 * 1024 * 1024)
    },
  },
  {
    name: "another user's", code: 'STATE_UNUSABLE', skip: !isRoot && 'only root can make it',
    make: (here) => {
      put('12')(here)
      chownSync(here.pidFile, NOBODY, NOBODY)
    },
  },
  { name: 'binary', make: put(Buffer.from([0, 255, 1, 254, 10, 13, 0])), code: 'STATE_UNUSABLE' },
  { name: "somebody's text", make: put('root:x:0:0:root:/root:/bin/bash\n'), code: 'STATE_UNUSABLE' },
  { name: "another tool's, with more lines", make: put('4711\n/var/lib/data\n5432\n'), code: 'STATE_UNUSABLE' },
  { name: 'JSON', make: put('{"pid":12}'), code: 'STATE_UNUSABLE' },
  { name: 'JSON of another shape', make: put('12\n{"pid":12}\n'), code: 'STATE_UNUSABLE' },
  { name: 'a record of a newer version', make: put('12\n{"format":2}\n'), code: 'STATE_NEWER' },
  { name: 'PID 0', make: put('0\n') },
  { name: 'PID -1', make: put('-1\n'), code: 'STATE_UNUSABLE' },
  { name: 'PID 1', make: put('1\n'), code: 'SERVER_UNHEALTHY' },
  { name: 'a PID beyond all PIDs', make: put('4294967297\n') },
  { name: 'this very process', make: put(`${process.pid}\n`), code: 'SERVER_UNHEALTHY' },
  { name: 'its parent', make: put(`${process.ppid}\n`), code: 'SERVER_UNHEALTHY' },
  { name: 'a thread', make: (here) => put(`${aThread()}\n`)(here) },
  { name: 'a zombie', make: async (here, t) => put(`${await zombie(t)}\n`)(here) },
  { name: 'a dead process', make: (here) => put(`${deadPid()}\n`)(here) },
  {
    name: "another user's process", code: 'SERVER_UNHEALTHY', skip: !isRoot && 'only root can make it',
    make: (here, t) => {
      const child = spawn('sleep', ['600'], { uid: NOBODY, gid: NOBODY, stdio: 'ignore' })
      t.teardown(() => { child.kill('SIGKILL') })
      put(`${child.pid}\n`)(here)
    },
  },
  {
    name: 'a recycled PID', make: (here, t) => {
      put(`${bystander(t)}\n`)(here)
      const before = new Date(Date.now() - 3_600_000)
      utimesSync(here.pidFile, before, before)
    },
  },
  {
    name: 'a living process and a date in the future', code: 'SERVER_UNHEALTHY',
    make: (here, t) => {
      put(`${bystander(t)}\n`)(here)
      const later = new Date(Date.now() + 3_600_000)
      utimesSync(here.pidFile, later, later)
    },
  },
]

t.test('the PID file is', async (t) => {
  t.jobs = 4
  for (const { name, make, code, skip } of PID_FILES) {
    void t.test(name, { skip: skip ?? false }, async (t) => {
      const here = place(t)
      await make(here, t)
      const manager = here.manager('healthy', { startupTimeout: code === 'SERVER_UNHEALTHY' ? 700 : 20_000 })
      if (code === undefined) {
        const { started } = await manager.ensureServerRunning()
        t.equal(started, true)
        t.equal(await manager.stopServer(), true)
        here.nothingLeft(t)
        return
      }
      const before = pictureOf(here.pidFile)
      const error = await failureOf(manager.ensureServerRunning())
      t.equal(error.code, code, error.message)
      t.match(error.message, here.pidFile, 'the message names it')
      t.equal(pictureOf(here.pidFile), before, 'it was not touched')
      t.same(here.alive(), [], 'nothing was started')
      t.not(existsSync(`${here.pidFile}.lock`), true)
      rmSync(here.pidFile, { recursive: true })
      t.match(await here.manager('healthy').ensureServerRunning(), { started: true }, 'the next call works')
    })
  }
})

t.test('a record that is cut short at any byte is nobody’s and never an error of ours', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  await manager.ensureServerRunning()
  const whole = readFileSync(here.pidFile, 'utf8')
  const kinds = new Set<string>()
  for (let length = 0; length < whole.length - 1; length++) kinds.add(parsePidFile(here.pidFile, whole.slice(0, length), 0).kind)
  t.same([...kinds].toSorted(), ['absent', 'bare'])

  for (const length of [1, whole.indexOf('\n') + 1, whole.indexOf('\n') + 5, whole.length - 10]) {
    writeFileSync(here.pidFile, whole.slice(0, length), { mode: 0o600 })
    t.match(await manager.ensureServerRunning(), { started: false }, `cut at ${length}: the claim is the truth`)
    t.equal(readFileSync(here.pidFile, 'utf8'), whole, 'and the PID file is made a copy of it again')
  }
  await manager.stopServer()
})

const ID = '0123456789abcdef'

/** Runs a server once so that the folder of this host is known, and stops it. */
const hostFolder = async (here: Place): Promise<string> => {
  const manager = here.manager('healthy')
  await manager.ensureServerRunning()
  const [host = ''] = readdirSync(`${here.pidFile}.d`)
  await manager.stopServer()
  const folder = join(`${here.pidFile}.d`, host)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

const startOf = (pid: number): string => {
  const look = lookAt(pid)
  return 'start' in look ? look.start : '0'
}

t.test('a claim', async (t) => {
  const cases: { name: string; make: (folder: string, t: Test) => unknown; code?: OneServerErrorCode }[] = [
    { name: 'of a dead process, empty', make: (folder) => writeFileSync(join(folder, `${ID}.${deadPid()}.5.7.claim`), '') },
    { name: 'of a recycled PID', make: (folder, t) => writeFileSync(join(folder, `${ID}.${bystander(t)}.5.7.claim`), '') },
    { name: 'of a zombie', make: async (folder, t) => { const pid = await zombie(t); writeFileSync(join(folder, `${ID}.${pid}.${startOf(pid)}.${pid}.claim`), 'x') } },
    { name: 'of PID 0', make: (folder) => writeFileSync(join(folder, `${ID}.0.0.0.claim`), '') },
    { name: 'with a name that is none', make: (folder) => writeFileSync(join(folder, 'claim.claim'), 'x') },
    { name: 'of a living process, that says nothing', make: (folder, t) => { const pid = bystander(t); writeFileSync(join(folder, `${ID}.${pid}.${startOf(pid)}.${pid}.claim`), '') }, code: 'STATE_UNUSABLE' },
    { name: 'of a living process, that is a symbolic link', make: (folder, t) => { const pid = bystander(t); symlinkSync('/etc/passwd', join(folder, `${ID}.${pid}.${startOf(pid)}.${pid}.claim`)) }, code: 'STATE_UNUSABLE' },
    { name: 'of this process itself, cut short', make: (folder) => writeFileSync(join(folder, `${ID}.${process.pid}.${startOf(process.pid)}.${process.pid}.claim`), '{"format":1,'), code: 'STATE_UNUSABLE' },
    { name: 'of a newer version', make: (folder) => writeFileSync(join(folder, `${ID}.1.5.1.claim2`), ''), code: 'STATE_NEWER' },
  ]
  for (const { name, make, code } of cases) {
    await t.test(name, async (t) => {
      const here = place(t)
      const folder = await hostFolder(here)
      await make(folder, t)
      const before = readdirSync(folder)
      const manager = here.manager('healthy')
      if (code === undefined) {
        t.match(await manager.ensureServerRunning(), { started: true })
        t.equal(await manager.stopServer(), true)
        return
      }
      const error = await failureOf(manager.ensureServerRunning())
      t.equal(error.code, code, error.message)
      t.same(readdirSync(folder), before, 'nothing was deleted')
      t.same(here.alive(), [], 'nothing was started')
      const named = Number(/\.(\d+)\.\d+\.\d+\.claim$/.exec(before[0]!)?.[1] ?? process.pid)
      t.ok(isAlive(named), 'and nobody was signalled')
    })
  }
})

t.test('the lock is', async (t) => {
  const cases: { name: string; make: (here: Place) => unknown; code?: OneServerErrorCode }[] = [
    { name: 'left by a crash', make: (here) => mkdirSync(`${here.pidFile}.lock`) },
    { name: 'left by a crash, and the clock was set back since', make: (here) => {
      mkdirSync(`${here.pidFile}.lock`)
      const later = new Date(Date.now() + 3_600_000)
      utimesSync(`${here.pidFile}.lock`, later, later)
    } },
    { name: 'a file', make: (here) => writeFileSync(`${here.pidFile}.lock`, 'precious'), code: 'STATE_UNUSABLE' },
    { name: 'a folder with something in it', make: (here) => {
      mkdirSync(`${here.pidFile}.lock`)
      writeFileSync(`${here.pidFile}.lock/precious`, '')
    }, code: 'STATE_UNUSABLE' },
    { name: 'a symbolic link', make: (here) => symlinkSync('/etc', `${here.pidFile}.lock`), code: 'STATE_UNUSABLE' },
  ]
  for (const { name, make, code } of cases) {
    await t.test(name, async (t) => {
      const here = place(t)
      make(here)
      const before = pictureOf(`${here.pidFile}.lock`)
      const manager = here.manager('healthy', { startupTimeout: 5000 })
      if (code === undefined) {
        t.match(await manager.ensureServerRunning(), { started: true })
        return
      }
      const error = await failureOf(manager.ensureServerRunning())
      t.equal(error.code, code, error.message)
      t.match(error.message, `${here.pidFile}.lock`)
      t.equal(pictureOf(`${here.pidFile}.lock`), before)
    })
  }
})

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
    mkdirSync(`${here.pidFile}.d`)
    chmodSync(`${here.pidFile}.d`, 0o777)
    const error = await failureOf(here.manager('healthy').ensureServerRunning())
    t.match(error, { code: 'STATE_UNUSABLE', message: /\.d: may be written to by other users/ })
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
    const folder = join(here.folder, `a folder “größer”\t日本 ${'x'.repeat(150)}`)
    const manager = here.manager('healthy', { pidFile: join(folder, 's.pid') })
    t.match(await manager.ensureServerRunning(), { started: true })
    t.equal(await manager.stopServer(), true)
  })

  await t.test('is deleted while the server runs', async (t) => {
    const here = place(t)
    const manager = here.manager('healthy')
    const first = await manager.ensureServerRunning()
    rmSync(`${here.pidFile}.d`, { recursive: true })
    t.match(await manager.ensureServerRunning(), { started: false, pid: first.pid, url: first.url }, 'the PID file still names the server')
    t.equal(here.starts().length, 1)
    t.equal(await manager.stopServer(), true)
    here.nothingLeft(t)
  })

  await t.test('is deleted while the server runs, and whoever asks or stops still means that server', async (t) => {
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
    // That it was stopped stays written for whoever may still wait.
    t.same(here.left().filter((name) => !/\.outcome$|\.d$|\.d\/[^/.]*$/.test(name)), [])
  })

  await t.test('is full', { skip: !isRoot && 'only root can mount a small file system' }, async (t) => {
    const here = place(t)
    const small = join(here.folder, 'small')
    mkdirSync(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', small])
    t.teardown(() => { execFileSync('umount', [small]) })
    const manager = here.manager('healthy', { pidFile: join(small, 's.pid') })
    try {
      writeFileSync(join(small, 'filler'), Buffer.alloc(1024 * 1024))
    } catch {
      // That it does not fit is the point.
    }
    const error = await failureOf(manager.ensureServerRunning())
    t.match(error, { code: 'STATE_UNUSABLE', message: /no space left on the device \(ENOSPC\)/ })
    t.same(here.alive(), [])
    rmSync(join(small, 'filler'))
    t.match(await manager.ensureServerRunning(), { started: true }, 'the next call works')
    await manager.stopServer()
    t.same(readdirSync(small).filter((name) => !/\.log(\.prev)?$/.test(name)), [])
  })
})
