/**
 * The one seam between the protocol and the machine. The protocol and the state reach files, processes,
 * sockets and the clock through this object and nothing else, so that a simulation can drive the real
 * code through every order of its steps. Each method is one step: a client may be killed or frozen between
 * two of them, and within one it may not. Where the kernel takes several steps, the method says so.
 */
import type { Clock } from '../deadline.js'
import type { Endpoint } from '../health/address.js'
import type { Healthy, HealthPlan, Probe } from '../health/plan.js'
import type { Paths } from '../paths.js'
import type { Described, Kin, Leader, Listener, ProcessId, ProcessLook } from './platform/platform.js'

export type { Described, Kin, Leader, Listener, ProcessId, ProcessLook } from './platform/platform.js'
export type { Healthy, HealthPlan, Probe }

/** Bytes. Our own files have some hundred, and command lines in them may be long; a larger file is none of one-server's. */
export const LARGEST = 1024 * 1024

/** What `read` found. `foreign`: something is there that is not a plain, small file of this user. */
export type Found =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly text: string; readonly modified: number }
  | { readonly kind: 'foreign'; readonly what: string }

/** How a child of ours ended. */
export interface Exit {
  readonly exitCode?: number
  readonly signal?: string
}

export interface SpawnPlan {
  readonly program: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** The child appends its stdout and stderr to it. */
  readonly logFile: string
  /** A line that stands in the log before all that the server prints. */
  readonly note?: string
  /** The child writes a line into it between the opening of its gate and the first instruction of the server. */
  readonly gateFile: string
}

/** A child that exists, has its final PID, and waits at the gate. */
export interface GatedChild {
  readonly id: ProcessId
  /** Its process group. */
  readonly group: number
  /**
   * Its parent, which learns how it ends. Kill it as soon as nobody needs the exit code. Undefined where the gate is
   * the parent itself.
   */
  readonly keeper: ProcessId | undefined
  /**
   * Resolves when the child has exited, or soon after the signal: a process that has launched a server may live for days, and needs no
   * look at it. Never rejects.
   */
  exited(unless: AbortSignal): Promise<Exit>
  /** Lets the child run. False when it is gone. */
  open(): Promise<boolean>
  /** Makes the child exit without having run, and waits for that. */
  close(): Promise<void>
}

/** What a watchdog has to know, all of it before the watchdog exists. */
export interface WatchdogPlan {
  readonly pidFile: string
  /** The host's folder, in which the files of all watchdogs and leases are. */
  readonly folder: string
  readonly launchId: string
  readonly leader: ProcessId
  /** The id of its lease, or what the ids of its leases begin with. */
  readonly lease: string
  /** ms between the end of the lease and the end of the server. */
  readonly idleTimeout: number
  /** ms that the server may take to stop. */
  readonly stopTimeout: number
}

/** A process that ends the launch once this client lets go or dies, unless another lease holds it. */
export interface Watchdog {
  readonly id: ProcessId
  /** As if this client had died: the idle time begins. */
  letGo(): void
  /** Ends the watchdog, and the launch goes on. */
  dismiss(): void
  /** Makes another process the holder, or what this process is about to become. The watchdog then looks whether that one lives. */
  handOver(to: ProcessId): Promise<void>
}

/** A launch whose processes live, as they alone show it. */
export interface FoundLaunch {
  readonly launchId: string
  /** The oldest of its processes: the leader may have gone. */
  readonly leader: Leader
  /** What its claim said, as far as one of them holds the claim open. */
  readonly claim: string | undefined
}

export interface HeldLock {
  release(): Promise<void>
}

/** The processes that may answer a check whatever user they run as: those of a launch. */
export interface Answering {
  readonly id: string
  readonly leader: Leader
}

export interface FileLock {
  /** The lock, or undefined when another client holds it. */
  try(): Promise<HeldLock | undefined>
}

export interface System extends Clock {
  /** This process. Throws STATE_UNUSABLE when its start time cannot be learnt. */
  self(): Promise<ProcessId>
  /** The name of this host's folder: boot and namespaces. Throws STATE_UNUSABLE when they cannot be read. */
  host(): Promise<string>
  /** 16 hex digits. */
  randomId(): Promise<string>
  /** 0 ≤ x < 1. */
  random(): number
  /** Wall clock, for people only: it can be set, so no decision rests on it. */
  today(): Date
  /** Resolves after `ms`, or as soon as `wake` settles or `signal` fires. */
  sleep(ms: number, options?: { wake?: Promise<unknown>; signal?: AbortSignal | undefined }): Promise<void>

  realpath(path: string): string | undefined
  /** What a command could name. */
  kindOf(path: string): Promise<'absent' | 'folder' | 'file' | 'executable'>
  /** The file that a package's name means to the script at `from`. Undefined when it is not installed there. */
  resolvePackage(name: string, from: string): Promise<string | undefined>
  /** Reads a small file. Never follows a symbolic link, never blocks on a FIFO. */
  read(path: string): Promise<Found>
  /** Throws STATE_UNUSABLE when a folder is another user's, or when others may write into it. */
  inspect(folder: string): Promise<void>
  /** Throws STATE_UNUSABLE when something other than a plain file is in the place of a log. */
  inspectLog(path: string): Promise<void>
  /** Names in a folder; none when it is not there. */
  list(folder: string): Promise<string[]>
  /** Creates `path` with its whole body, or not at all. False when it exists. (temp file + link; without hard links, a look + rename) */
  create(path: string, body: string, temp: string): Promise<boolean>
  /** Replaces `path` as a whole. (temp file + rename) */
  replace(path: string, body: string, temp: string): Promise<void>
  /** False when `from` is not there. */
  rename(from: string, to: string): Promise<boolean>
  /** False when it is not there. */
  remove(path: string): Promise<boolean>
  makeFolder(folder: string): Promise<void>
  /** Removes it if it is empty. */
  removeFolder(folder: string): Promise<void>
  /** The last lines of a log. */
  tail(path: string, lines: number): Promise<string>
  /** A number that another file does not have which later gets this name. Undefined when there is no file. */
  inodeOf(path: string): Promise<string | undefined>
  /** Calls back when something changes in the folder, with its name where that is known. Undefined when the folder cannot be watched. */
  watch(folder: string, onChange: (name: string | undefined) => void): (() => void) | undefined

  look(pid: number): Promise<ProcessLook>
  /** Wall-clock ms at which a process was started. Undefined when that cannot be read. */
  startedAt(pid: number): Promise<number | undefined>
  /**
   * The live processes of a launch: those in the process group of its leader, and those that carry its id. With `only`, the answer says
   * no more than whether that process is one of them, and need not contain others.
   */
  kin(leader: Leader, launchId: string, only?: number): Promise<Kin[]>
  /** Signals the process if it is still this very process. False when it is gone. */
  signal(process: ProcessId, signal: NodeJS.Signals): Promise<boolean>
  /** Signals the process group `group` if `member` is still alive and in it. */
  signalGroup(group: number, member: ProcessId, signal: NodeJS.Signals): Promise<boolean>
  /** Undefined when the gate was ended before it stood: nothing has run. */
  spawn(plan: SpawnPlan): Promise<GatedChild | undefined>

  /** Whose a process is, and what it runs. Undefined: there is none. `unknown`: this system does not show it. */
  describe(pid: number): Promise<Described | 'unknown' | undefined>
  /** Starts a watchdog. It keeps neither this process alive nor anything of it. */
  watchOver(plan: WatchdogPlan): Promise<Watchdog>
  /** Kills a process, with what it runs, if it is seen to be a watchdog of this launch. */
  endWatchdog(process: ProcessId, launchId: string): Promise<void>
  /** The watchdogs of a launch whose holder lives or whose idle time runs, by their processes alone. None where those do not show it. */
  watchdogs(launchId: string): Promise<ProcessId[]>
  /** The launches of this PID file that live past their gates, by their processes alone. None where those do not show it. */
  launchesOf(pidFile: string): Promise<FoundLaunch[]>

  /** Asks a server. What is secret in the plan goes to no socket of another user, unless a process of the launch `own` holds it. */
  probe(plan: HealthPlan, timeout: number, signal?: AbortSignal, own?: Answering): Promise<Probe>
  /** Loads what `probe` needs, for a client that has to wait anyway. */
  prepareProbe(plan: HealthPlan): void
  /** The sockets that a connection to this address and port would reach. None: the connection is refused. */
  listenersAt(address: string, port: number): Promise<Listener[]>
  /** The process that holds one of the sockets; `likely` is looked at first. Undefined when that cannot be seen. */
  ownerOf(listeners: readonly Listener[], likely?: number): Promise<{ pid: number; launchId: string | undefined } | undefined>
  /** Where these processes listen, as far as the kernel tells: for the words of a failure alone. */
  listensAt?(pids: readonly number[]): Promise<Endpoint[]>
  freePort(): Promise<number>
  /** Waits, with wait-on where it takes longer, until one URL is healthy. Undefined when `over` settled first. `own`: as for `probe`. */
  waitUntilReady(
    plan: HealthPlan, interval: number, timeout: number, over: Promise<unknown>, own?: Answering,
  ): Promise<Healthy | undefined>

  fileLock(paths: Paths): FileLock
}

export type Verdict = 'alive' | 'dead' | 'unknown'

/**
 * Whether a socket belongs to another user. One user cannot hide who listens from another, so this shows a stranger even where
 * the process does not show. Root could take any port and read any secret, so it is no stranger to anybody.
 */
export const isAnotherUsers = ({ uid }: Listener): boolean =>
  uid !== undefined && uid !== 0 && process.getuid !== undefined && uid !== process.getuid()

/** Whether this very process lives: a thread with its PID as an id began at another time. Unknown is never treated as dead or as ours. */
export const judge = (process: ProcessId, look: ProcessLook): Verdict => {
  switch (look.state) {
    case 'gone':
    case 'zombie':
      return 'dead'
    case 'hidden':
      return 'unknown'
    default:
      return look.start === process.start || look.also?.includes(process.start) === true ? 'alive' : 'dead'
  }
}
