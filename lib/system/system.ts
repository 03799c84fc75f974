/**
 * The one seam between the protocol and the machine. State and launch code reach files, processes,
 * sockets and the clock through this object and nothing else, so that a simulation can drive the real
 * code through every order of its steps. Each method is one step: between two of them a client may
 * be killed or frozen, within one it may not (what the kernel does in several is said at the method).
 */
import type { Clock } from '../deadline.js'
import type { Healthy, HealthPlan, Probe } from '../health/plan.js'
import type { Paths } from '../paths.js'

export type { Healthy, HealthPlan, Probe }

/** A process is its PID and its kernel start time: a PID alone is reused. */
export interface ProcessId {
  readonly pid: number
  /** Digits only, so that it can stand in a file name. Linux: clock ticks since boot. */
  readonly start: string
}

/** The server itself, and the process group that it was started in. */
export interface Leader extends ProcessId {
  readonly group: number
}

/** What can be seen of a PID. `hidden`: something has it, and nothing more can be learnt. */
export type ProcessLook =
  | { readonly state: 'gone' | 'hidden' }
  | { readonly state: 'running' | 'stopped' | 'zombie'; readonly start: string; readonly isThread: boolean }

/** A live process that belongs to a launch: by its process group, or by the launch id in its environment. */
export interface Kin extends ProcessId {
  readonly inGroup: boolean
  readonly carriesLaunchId: boolean
}

/** What `read` found. `foreign`: something is there that is not a plain, small file of this user. */
export type Found =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly text: string; readonly modified: number }
  | { readonly kind: 'foreign'; readonly what: string }

/** A socket that listens. What the platform does not tell is undefined. */
export interface Listener {
  /** `127.0.0.1`, `::1`, `0.0.0.0`, `::`, … */
  readonly address: string
  readonly uid: number | undefined
  readonly inode: string | undefined
}

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
  /** Opened for appending and given to the child as stdout and stderr. */
  readonly logFile: string
  /** The child writes a line into it after its gate was opened and before it becomes the server. */
  readonly gateFile: string
}

/** A child that exists, has its final PID, and waits at the gate. */
export interface GatedChild {
  readonly id: ProcessId
  /** Its process group. */
  readonly group: number
  /** Its parent, which knows how it ends, and which is to be killed when that need not be known any more. */
  readonly keeper: ProcessId | undefined
  /** Settles when the child has exited. Never rejects. */
  readonly exited: Promise<Exit>
  /** Lets it run. False when it is gone. */
  open(): Promise<boolean>
  /** Makes it exit without having run, and waits for that. */
  close(): Promise<void>
}

/** What a watch is told; all of it is known before the watch exists. */
export interface WatchdogPlan {
  readonly pidFile: string
  /** The host's folder, in which its own files and those of others are. */
  readonly folder: string
  readonly launchId: string
  readonly lease: string
  /** ms that it waits once it was let go. */
  readonly idleTimeout: number
  /** ms that the server may take to stop. */
  readonly stopTimeout: number
}

/** A process that ends a launch which nobody uses, once this client lets go or dies. */
export interface Watchdog {
  readonly id: ProcessId
  letGo(): void
  /** It need not look any more. */
  dismiss(): void
}

export interface HeldLock {
  release(): Promise<void>
}

export interface FileLock {
  /** The lock, or undefined when another client holds it. */
  try(): Promise<HeldLock | undefined>
}

export interface System extends Clock {
  readonly self: ProcessId
  /** The name of this host's folder: boot and namespaces. Throws STATE_UNUSABLE when it cannot be told. */
  host(): string
  /** 16 hex digits. */
  randomId(): Promise<string>
  /** 0 ≤ x < 1. */
  random(): number
  /** Wall clock, for people only: nothing is decided by it. */
  today(): Date
  /** Resolves after `ms`, or as soon as `wake` settles or `signal` fires. */
  sleep(ms: number, options?: { wake?: Promise<unknown>; signal?: AbortSignal | undefined }): Promise<void>

  realpath(path: string): string | undefined
  /** What a command could name. */
  kindOf(path: string): Promise<'absent' | 'folder' | 'file' | 'executable'>
  /** The file that a package's name means to the script at `from`; undefined when it is not installed there. */
  resolvePackage(name: string, from: string): Promise<string | undefined>
  /** Reads a small file. Never follows a symbolic link, never blocks on a FIFO. */
  read(path: string): Promise<Found>
  /** Throws STATE_UNUSABLE when a folder is another user's, or others may write into it. */
  inspect(folder: string): Promise<void>
  /** Throws STATE_UNUSABLE when something other than a plain file is in the place of a log. */
  inspectLog(path: string): Promise<void>
  /** Names in a folder; none when it is not there. */
  list(folder: string): Promise<string[]>
  /** Creates `path` with its whole body, or not at all; false when it exists. (temp file + link) */
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
  /** Tells a file from another one that gets its name. Undefined where there is none. */
  inodeOf(path: string): Promise<string | undefined>
  /** Calls back whenever something changed in the folder, with its name where that is known; undefined when that cannot be watched. */
  watch(folder: string, onChange: (name: string | undefined) => void): (() => void) | undefined

  look(pid: number): Promise<ProcessLook>
  /** Wall-clock ms at which a process was started, as far as that can be told. */
  startedAt(pid: number): Promise<number | undefined>
  /** The live processes of a launch: those in the process group of its leader, and those that carry its id. */
  kin(leader: Leader, launch: string): Promise<Kin[]>
  /** Signals the process if it is still this very process. False when it is gone. */
  signal(process: ProcessId, signal: NodeJS.Signals): Promise<boolean>
  /** Signals the process group `group` if `member` is still alive and in it. */
  signalGroup(group: number, member: ProcessId, signal: NodeJS.Signals): Promise<boolean>
  /** Undefined when the gate was ended before it stood: nothing has run. */
  spawn(plan: SpawnPlan): Promise<GatedChild | undefined>

  /** Starts a watch. It holds neither this process nor anything of it. */
  watchOver(plan: WatchdogPlan): Promise<Watchdog>

  probe(plan: HealthPlan, timeout: number, signal?: AbortSignal): Promise<Probe>
  /** Loads what `probe` needs. Whoever has to wait anyway does so before. */
  prepareProbe(plan: HealthPlan): void
  /** The sockets that a connection to this address and port would reach. Empty: it is refused. */
  listenersAt(address: string, port: number): Promise<Listener[]>
  /** Which process holds one of the sockets, `likely` being asked first; undefined when that cannot be seen. */
  ownerOf(listeners: readonly Listener[], likely?: number): Promise<{ pid: number; launch: string | undefined } | undefined>
  freePort(): Promise<number>
  /** Waits, with wait-on where it takes longer, until one URL is healthy. Undefined when `over` settled first. */
  waitUntilReady(plan: HealthPlan, interval: number, timeout: number, over: Promise<unknown>): Promise<Healthy | undefined>

  fileLock(paths: Paths): FileLock
}

export type Verdict = 'alive' | 'dead' | 'unknown'

/** Whether this very process lives: a thread that has its PID as an id began at another time. Unknown is never treated as dead, and never as ours. */
export const judge = (process: ProcessId, look: ProcessLook): Verdict => {
  switch (look.state) {
    case 'gone':
    case 'zombie':
      return 'dead'
    case 'hidden':
      return 'unknown'
    default:
      return look.start === process.start ? 'alive' : 'dead'
  }
}
