/**
 * The machine as it is: the seam's methods on Node. Most calls find a server that runs, so what such a call
 * needs is imported at once, and what only a launch needs when it is first used.
 */
import type { Refuse } from './health/get.js'
import { prepare, probe } from './health/probe.js'
import {
  create, inodeOf, inspect, inspectLog, kindAt, list, makeFolder, read, realpath, remove, removeFolder, rename, replace, tail, watch,
} from './system/files.js'
import type { PatientCall } from './system/patient-files.js'
import { platform } from './system/platform/current.js'
import { send } from './system/platform/signal.js'
import { groupOf, hostIdentity, kinOf, lookAt, self, signalGroup, startedAt } from './system/processes.js'
import { judge, type Answering, type FileLock, type ProcessId, type System } from './system/system.js'
import { clearImmediate, clearTimeout, clock, setImmediate, setTimeout } from './timer.js'

/** A deadline must mean the same in every process, so this is the monotonic clock of the boot. */
const now = (): number => Number(clock() / 1000n) / 1000

let made = 0n

/**
 * An id that no other call has made, of any process. It is no secret, so Math.random is good enough, and node:crypto would cost each
 * client of a crowd more than all that it writes. A host may have put a seed or a constant in place of Math.random: so process, time and
 * a count make an id unique as well.
 */
const randomId = async (): Promise<string> => {
  const own = (BigInt(process.pid) << 42n) ^ (made++ << 48n) ^ clock()
  const random = (BigInt(Math.floor(Math.random() * 2 ** 32)) << 32n) ^ BigInt(Math.floor(Math.random() * 2 ** 32))
  return BigInt.asUintN(64, own ^ random).toString(16).padStart(16, '0')
}

const resolvePackage = async (name: string, from: string): Promise<string | undefined> => {
  const { createRequire } = await import('node:module')
  try {
    return createRequire(from).resolve(name)
  } catch {
    return undefined
  }
}

/**
 * After its time a sleep lets the event loop read once more: what has long arrived (the end of a server, a signal, a change of the folder)
 * must be seen before whatever a passed deadline decides. It counts on the clock, since other processes count on the same one.
 */
const sleep: System['sleep'] = (ms, { wake, signal } = {}) =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(handle)
      clearImmediate(read)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    let read: NodeJS.Immediate | undefined
    const handle = setTimeout(() => { read = setImmediate(done) }, ms)
    signal?.addEventListener('abort', done)
    wake?.then(done, done)
  })

const isAlive = async (id: ProcessId): Promise<boolean> => judge(id, await lookAt(id.pid)) === 'alive'

/** Looks at the owner of a socket before something secret goes there. Few checks have a secret, so what looks is loaded for those. */
const refusal = (own: Answering | undefined): Refuse => async (address, port) =>
  (await import('./system/listeners.js')).whyNotTrusted(address, port, own)

/** A call on a file. Windows refuses it for as long as another process has the file open, so there it is made again. */
const patient = <Args extends readonly unknown[], Result>(name: PatientCall, call: (...args: Args) => Result) =>
  async (...args: Args): Promise<Result> => {
    try {
      return call(...args)
    } catch (error) {
      if (platform.busy.length === 0) throw error
      return (await import('./system/patient-files.js')).again(name, call, args, error)
    }
  }

export const nodeSystem: System = {
  self,
  now,
  host: hostIdentity,
  randomId,
  random: Math.random,
  today: () => new Date(),
  sleep,

  realpath,
  kindOf: async (path) => kindAt(path),
  resolvePackage,
  read: patient('read', read),
  inspect: patient('inspect', inspect),
  inspectLog: async (path) => inspectLog(path),
  list: patient('list', list),
  create: patient('create', create),
  replace: patient('replace', replace),
  rename: patient('rename', rename),
  remove: patient('remove', remove),
  makeFolder: patient('makeFolder', makeFolder),
  removeFolder: patient('removeFolder', removeFolder),
  inodeOf: async (path) => inodeOf(path),
  tail: async (path, lines) => tail(path, lines),
  watch,

  look: async (pid) => lookAt(pid),
  startedAt,
  kin: async (leader, launchId, only) => kinOf(leader, launchId, only),
  // Another process can get the PID between the check and kill(2). Both are in one tick; Node has no pidfd to close the rest of the gap.
  signal: async (id, signal) => (await isAlive(id)) && send(id.pid, signal),
  signalGroup: async (group, member, signal) => {
    const [lives, itsGroup] = await Promise.all([isAlive(member), groupOf(member.pid)])
    return lives && itsGroup === group && signalGroup(group, signal)
  },
  spawn: async (plan) => (await import('./system/spawn-gated.js')).spawnGated(plan),

  describe: async (pid) => (await import('./system/describe.js')).describe(pid),
  watchOver: async (plan) => (await import('./system/watchdog.js')).watchOver(plan),
  endWatchdog: async (id, launchId) => (await import('./system/end-watchdog.js')).endWatchdog(id, launchId),
  watchdogs: async (launchId) => (await import('./system/end-watchdog.js')).watchdogsOf(launchId),
  launchesOf: async (pidFile) => (await import('./system/launches.js')).launchesOf(pidFile),

  probe: (plan, timeout, signal, own) => probe(plan, timeout, signal, refusal(own)),
  prepareProbe: prepare,
  listenersAt: async (address, port) => (await import('./system/listeners.js')).listenersAt(address, port),
  ownerOf: async (listeners, likely) => (await import('./system/listeners.js')).ownerOf(listeners, likely),
  listensAt: async (pids) => (await import('./system/listeners.js')).listensAt(pids),
  freePort: async () => (await import('get-port')).default(),
  waitUntilReady: async (plan, interval, timeout, over, own) =>
    (await import('./health/wait-until-ready.js')).waitUntilReady(plan, interval, timeout, over, refusal(own)),

  fileLock: (paths): FileLock => {
    let lock: FileLock | undefined
    return {
      try: async () => {
        lock ??= (await import('./system/file-lock.js')).fileLock(paths, await self(), now)
        return lock.try()
      },
    }
  },
}
