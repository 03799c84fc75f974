/**
 * Windows' answers about processes, each by the files that processes hold (windows-identity.ts). Windows has no process groups and no
 * signals: a launch is its gate (windows-launching.ts), and to kill it ends the tree of processes below the gate.
 */
import { setTimeout } from '../../timer.js'
import type { Platform, ProcessLook, Run, Soon, Surroundings } from './platform.js'
import { exists } from './signal.js'
import { FILETIME_PER_MS, heldBy, host, identities, MS_FROM_1601_TO_1970 } from './windows-identity.js'

/** Looks at a file that cannot be opened; each pause is twice as long as the one before, about a second in all. */
const LOOKS = 8

/**
 * A leftover of a power failure is held by nobody, so its number belongs to a stranger: `0` is the start time of a process that is none
 * of one-server's. A process has as many start times as threads and copies of one-server in it.
 */
const look = (pid: number, looks = 1): Soon<ProcessLook> => {
  if (!exists(pid)) return { state: 'gone' }
  const held = heldBy(pid)
  if (held !== undefined) {
    const [start = '0', ...also] = held.map((words) => words[0]!)
    return { state: 'running', start, also, isThread: false }
  }
  if (looks >= LOOKS) return { state: 'hidden' }
  return new Promise((resolve) => { setTimeout(() => resolve(look(pid, looks + 1)), 5 * 2 ** looks) })
}

export const windows = (run: Run): Platform => ({
  look,
  self: async () => (await import('./windows-acts.js')).takeIdentity(identities()),
  kin: ({ pid, start }) =>
    (heldBy(pid) ?? []).some((words) => words[0] === start) ? [{ pid, start, inGroup: true, carriesLaunchId: true }] : [],
  groupOf: (pid) => pid,
  startedAt: (start) => Number(start) / FILETIME_PER_MS - MS_FROM_1601_TO_1970,
  /** The gate itself sees that its launch is marked as ended, and asks its server to end. So only a kill runs a program here. */
  signalGroup: async (group, signal) => signal !== 'SIGKILL' || (await import('./windows-acts.js')).killTree(group, run),
  /** Start times are absolute, and no identity outlives a boot. */
  host,
  stateFolder: (env) => env['LOCALAPPDATA'],
  busy: ['EPERM', 'EACCES', 'EBUSY'],
})

export const windowsSurroundings: Surroundings = {
  isTested: false,
  launches: () => [],
  /** A console signals all its processes, and a signal that Node sends there ends a process without asking it. */
  isInForeground: () => true,
  box: () => undefined,
}
