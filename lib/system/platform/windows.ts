/**
 * Windows. It has no `exec`, so the gate is a Node that runs the server as its child and stays; it has no process groups,
 * so a launch is the tree of processes below the gate; and it has no signals but the end. Not tested on a real one: the tests run
 * this file over stand-ins.
 */
import { closeSync, constants, mkdirSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { stateUnusable } from '../../errors.js'
import type { Launching, Platform, ProcessId, ProcessLook, Programs, Run, Surroundings } from './platform.js'
import { exists } from './signal.js'

/** FILETIME counts 100 ns since 1601. */
const FILETIME_PER_MS = 10_000
const MS_FROM_1601_TO_1970 = 11_644_473_600_000

/** Not imported: a warm call on other systems does without it. */
const os = (): typeof import('node:os') => process.getBuiltinModule('node:os')

/**
 * The processes of this user that one-server judges, each a file `<pid>.<start>` that its process holds open for itself alone:
 * the kernel refuses every other open as long as the process lives, and deletes the file with it. So a look is one
 * listing and one attempt to open, some µs, and asks no program. PowerShell, which knows creation dates, takes 0.3 to 1 s a question.
 * The folder does not depend on the environment, since two clients with different ones must see the same processes.
 *
 * Source: CreateFileW, dwShareMode and FILE_FLAG_DELETE_ON_CLOSE; UV_FS_O_EXLOCK and UV_FS_O_TEMPORARY in libuv's fs.
 */
const identities = (): string => join(os().userInfo().homedir, 'AppData', 'Local', 'one-server', 'processes')

/** UV_FS_O_EXLOCK: nobody else may open it. UV_FS_O_TEMPORARY: the kernel deletes it with its last handle. */
const EXCLUSIVE = 0x1000_0000
const TEMPORARY = 0x40

/** Whether a process holds the file. Undefined: that cannot be told. */
const isHeld = (path: string): boolean | undefined => {
  try {
    closeSync(openSync(path, 'r'))
    return false
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EBUSY' ? true : code === 'ENOENT' ? false : undefined
  }
}

/** `hidden`: the folder cannot be read. `0` is the start time of a process that is none of one-server's. */
const look = (pid: number): ProcessLook => {
  const folder = identities()
  let names: string[] = []
  try {
    names = readdirSync(folder).filter((name) => name.startsWith(`${pid}.`)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return { state: 'hidden' }
  }
  for (const name of names) {
    const held = isHeld(join(folder, name))
    if (held === undefined) return { state: 'hidden' }
    if (held) return { state: 'running', start: name.slice(name.indexOf('.') + 1), isThread: false }
  }
  return exists(pid) ? { state: 'running', start: '0', isThread: false } : { state: 'gone' }
}

const WRITABLE = 'one-server keeps a file there for each process that it has to recognize. Make the folder writable for this user.'

/**
 * Takes an identity, unless another thread or another copy of one-server has taken one for this process. Two that take one at once
 * both list afterwards, and the first name counts for both.
 */
const self = (): ProcessId => {
  const known = look(process.pid)
  if ('start' in known && known.start !== '0') return { pid: process.pid, start: known.start }
  const { O_CREAT, O_EXCL, O_RDWR } = constants
  const folder = identities()
  // FILETIME counts 100 ns; the last four digits keep apart two that are taken within one ms.
  const start = `${Date.now() + MS_FROM_1601_TO_1970}${String(Math.floor(Math.random() * FILETIME_PER_MS)).padStart(4, '0')}`
  let own: number
  try {
    mkdirSync(folder, { recursive: true })
    own = openSync(join(folder, `${process.pid}.${start}`), O_CREAT | O_EXCL | O_RDWR | EXCLUSIVE | TEMPORARY)
  } catch (error) {
    throw stateUnusable(folder, 'no file can be made there', WRITABLE, error)
  }
  const agreed = look(process.pid)
  if (!('start' in agreed) || agreed.start === start) return { pid: process.pid, start }
  closeSync(own)
  return { pid: process.pid, start: agreed.start }
}

export const windows = (run: Run): Platform => ({
  look,
  self,
  kin: ({ pid, start }) => {
    const seen = look(pid)
    return 'start' in seen && seen.start === start ? [{ pid, start, inGroup: true, carriesLaunchId: true }] : []
  },
  groupOf: (pid) => pid,
  startedAt: (start) => Number(start) / FILETIME_PER_MS - MS_FROM_1601_TO_1970,
  signalGroup: async (group) => {
    try {
      await run('taskkill', ['/pid', String(group), '/T', '/F'])
      return true
    } catch {
      return false
    }
  },
  /** Start times are absolute, and no identity outlives a boot. The name tells machines apart that share a home. */
  host: () => os().hostname().toLowerCase().replace(/[^a-z0-9]/g, '') || 'windows',
  stateFolder: (env) => env['LOCALAPPDATA'],
})

/** As `self`, for a program that is one text. */
const identityText = (): string => `
const identify = (folder) => {
  const { constants: { O_CREAT, O_EXCL, O_RDWR }, mkdirSync, openSync } = require('node:fs')
  mkdirSync(folder, { recursive: true })
  const start = (Date.now() + ${MS_FROM_1601_TO_1970}) + String(Math.floor(Math.random() * ${FILETIME_PER_MS})).padStart(4, '0')
  openSync(require('node:path').join(folder, process.pid + '.' + start), O_CREAT | O_EXCL | O_RDWR | ${EXCLUSIVE} | ${TEMPORARY})
  console.log('pid ' + process.pid)
}`

const gateText = (): string => `${identityText()}
const [processes, gateFile, program, ...args] = process.argv.slice(1)
identify(processes)
process.stdin.once('data', () => {
  process.stdin.destroy()
  require('node:fs').appendFileSync(gateFile, '\\n')
  const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 3, 3], windowsHide: true })
  child.on('exit', (code) => { console.log('exit ' + (code ?? 1)); process.exit(code ?? 1) })
  child.on('error', () => process.exit(127))
})`

/** Its order comes as one word of JSON, in which each thing has its name. */
const watchdogText = (): string => `${identityText()}
const { processes, folder, lease, launchId, pidFile, idle } = JSON.parse(process.argv[1])
identify(processes)
const reap = () => {
  const fs = require('node:fs')
  const own = fs.readdirSync(folder).filter((name) => name.startsWith(lease + '.' + launchId + '.'))
  for (const name of own) fs.rmSync(folder + '/' + name, { force: true })
  process.argv = [process.argv[0], pidFile, launchId]
  eval(process.env.ONE_SERVER_REAPER)
}
const pipe = new (require('node:net').Socket)({ fd: 3 })
pipe.once('data', () => process.exit()).once('end', () => setTimeout(reap, idle * 1000))`

export const windowsLaunching: Launching = {
  nullDevice: '\\\\.\\NUL',
  leakingDescriptors: () => [],
  gate: ({ program, args, env, gateFile }) =>
    ({ program: process.execPath, args: ['-e', gateText(), identities(), gateFile, program, ...args], env }),
  isWatchdog: () => false,
  watchdogs: () => [],
  watchdog: ({ reaper, ...order }) => ({
    program: process.execPath, args: ['-e', watchdogText(), JSON.stringify({ ...order, processes: identities() })],
    env: { ...process.env, ONE_SERVER_REAPER: reaper }, cwd: order.folder,
  }),
}

export const windowsPrograms: Programs = {
  /** Windows calls it `Path`, and in a copy of the environment case counts. */
  pathIn: (env) => Object.entries(env).find(([name]) => name.toUpperCase() === 'PATH')?.[1],
  extensions: ['', '.exe', '.com'],
  onlyInPath: false,
}

export const windowsSurroundings: Surroundings = {
  isTested: false,
  launches: () => [],
  /** A console signals all its processes, and a signal that Node sends there ends a process without asking it. */
  isInForeground: () => true,
  box: () => undefined,
}
