/**
 * Which process is this, is it alive, and who belongs to it. Promise 4 rests on the answers: dead is only what is shown to
 * be dead (no such process, a true zombie, another start time), alive is only PID *and* start time, and what cannot
 * be read is hidden, never guessed. How a system is asked is in `platform/`.
 */
import { platform } from './platform/current.js'
import type { ProcessId, ProcessLook, Soon } from './platform/platform.js'

/** What this process has asked once and what stays the same as long as it lives. */
let own: ProcessId | undefined
let host: string | undefined

/** Looks at one PID. A number that no process of ours could have is gone. */
export const lookAt = (pid: number): Soon<ProcessLook> =>
  Number.isSafeInteger(pid) && pid > 0 && pid < 2 ** 31 ? platform.look(pid) : { state: 'gone' }

/** The process that has this PID now. */
export const identify = async (pid: number): Promise<ProcessId | undefined> => {
  const look = await lookAt(pid)
  return 'start' in look ? { pid, start: look.start } : undefined
}

/**
 * This process. A lease under a name that is not true would count for nothing, for as long as this process lives. So what could
 * not be read (no descriptor was left) fails the call, and is asked again.
 */
export const self = async (): Promise<ProcessId> => (own ??= await platform.self())

/** Wall-clock ms at which a process was started. */
export const startedAt = async (pid: number): Promise<number | undefined> => {
  const id = await identify(pid)
  return id === undefined ? undefined : platform.startedAt(id.start)
}

/** The live processes of a launch, the process group of a process, and a signal to a group: as the platform answers. */
export const { kin: kinOf, groupOf, signalGroup } = platform

/** Codes of a file that another process has open: taken from here, so that a client of a crowd loads no second copy of each platform. */
export const { busy } = platform

/**
 * The name of this host's folder. Each place in which a PID means something has its own, so machines and containers
 * that share a home folder never judge each other's processes, and everything from before a reboot is dead without a look.
 */
export const hostIdentity = async (): Promise<string> => (host ??= await platform.host())
