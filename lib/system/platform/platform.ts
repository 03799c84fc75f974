/**
 * What one-server asks of the machine beyond what Node answers on every system. Each platform answers in one
 * file, so a fix for one of them opens that file and no other: `linux.ts`, `macos.ts` (the BSDs, too), `windows.ts`;
 * what all POSIX systems share is in `posix.ts`, and `current.ts` chooses. A new system is a new file.
 *
 * The questions come in groups, by who asks. A bundle then holds only the group that its calls need: a call that
 * finds a ready server loads one small file. These modules keep no state, since each bundle has its own copy.
 */

/** A process is its PID and its kernel start time: the kernel gives a PID to another process later. */
export interface ProcessId {
  readonly pid: number
  /** Digits only, so that it can stand in a file name. Linux: clock ticks since boot. macOS: seconds since 1970. Windows: FILETIME. */
  readonly start: string
}

/** The server itself, and the process group that it was started in. */
export interface Leader extends ProcessId {
  readonly group: number
}

/** What can be seen of a PID. `hidden`: a process has it, and nothing more can be learnt. */
export type ProcessLook =
  | { readonly state: 'gone' | 'hidden' }
  | {
    readonly state: 'running' | 'stopped' | 'zombie'
    readonly start: string
    /** Other start times by which the same process is known. Windows: each thread and each copy of one-server in it has one. */
    readonly also?: readonly string[]
    readonly isThread: boolean
  }

/** A live process that belongs to a launch: by its process group, or by the launch id in its environment. */
export interface Kin extends ProcessId {
  readonly inGroup: boolean
  /** It is shown to be of this launch: by the launch id in its environment, or by the stdin of the launch, which it holds. */
  readonly carriesLaunchId: boolean
  /** Parent PIDs lead from it to the leader, which lives: `su` and `sudo` make another user's process in a session of its own. */
  readonly isDescendant?: boolean
}

/** A socket that listens. What the platform does not show is undefined. */
export interface Listener {
  /** `127.0.0.1`, `::1`, `0.0.0.0`, `::`, … */
  readonly address: string
  readonly uid: number | undefined
  readonly inode: string | undefined
}

/** A launch, as its processes alone show it. */
export interface SeenLaunch {
  readonly launchId: string
  readonly pidFile: string
  /** The oldest of its processes: the leader may have gone. */
  readonly leader: Leader
  /** Where one of them holds its claim open. */
  readonly claim: string | undefined
}

/** How to start a process. */
export interface Invocation {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What is to run behind a gate. */
export interface GatePlan extends Invocation {
  /** The gate appends a line to it when it opens. */
  readonly gateFile: string
}

/** What a watchdog has to know; times are in seconds. */
export interface WatchdogOrder {
  /** The host's folder, in which the claims, leases and watchdogs are. */
  readonly folder: string
  readonly lease: string
  readonly launchId: string
  readonly leader: ProcessId
  readonly pidFile: string
  /** Between the end of the holder and the reaper. */
  readonly idle: number
  /** How long one run of the reaper may take. */
  readonly attempt: number
  /** Between a reaper that failed and the next one. */
  readonly again: number
  /** The program of the reaper, for `node -e`. It gets the PID file and the launch id as arguments. */
  readonly reaper: string
}

/** What a system answers at once, or after it has run a program. A caller awaits both. */
export type Soon<T> = T | Promise<T>

/**
 * Runs a program to its end and gives what it printed. Rejects when it cannot be run or fails. It never blocks the event loop: that
 * is an editor's. Tests put stand-ins in its place.
 */
export type Run = (program: string, args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<string>

/** Processes and places: what every call asks, a call that finds a ready server included. */
export interface Platform {
  /** The process that has this PID now, which is a positive integer. Never guesses: what cannot be read is `hidden`. */
  look(pid: number): Soon<ProcessLook>
  /** This process. Throws STATE_UNUSABLE when its start time cannot be learnt. */
  self(): Soon<ProcessId>
  /**
   * The live processes of a launch, without this one: the group of its leader, and all that carry its id, as far as that can be seen.
   * With `only`, the answer may leave out all but that process.
   */
  kin(leader: Leader, launchId: string, only?: number): Soon<Kin[]>
  /** The process group of a process; where there are no groups, its own PID. Undefined when there is no such process. */
  groupOf(pid: number): Soon<number | undefined>
  /** Wall-clock ms at which a process with this start time was started. */
  startedAt(start: string): number | undefined
  /** Signals each process of a group; where there are no groups, ends the tree of processes below its leader. False: nobody was there. */
  signalGroup(group: number, signal: NodeJS.Signals): Soon<boolean>
  /** A name for the place in which a PID means something: this boot, these namespaces. Throws STATE_UNUSABLE, and never makes one up. */
  host(): Soon<string>
  /** The folder for the state of programs that only this system has, as the environment names it. */
  stateFolder(env: NodeJS.ProcessEnv): string | undefined
  /** The codes by which this system refuses a file for as long as another process has it open: a reader, or a scanner. */
  readonly busy: readonly string[]
}

/** A process in whose name a lease may be. */
export interface Described {
  /** It is this user's, and nobody else's in any respect. */
  readonly isOwn: boolean
  /** Its command line. */
  readonly command: string
}

/** What only the start of a server or of a watchdog asks. */
export interface Launching {
  /** A file that swallows what is written to it and is always at its end. */
  readonly nullDevice: string
  /** Descriptors from `least` on that a child would inherit without being given them; none where they cannot be seen. */
  leakingDescriptors(least: number): number[]
  /** ms that a gate may take to say its PID. */
  readonly startTakes: number
  /** Whether a shell can end the process group of a process that was frozen or killed (across/fuse.ts). */
  readonly hasFuse: boolean
  /**
   * A process that waits at its stdin and then runs the plan: a line opens the gate, end-of-file ends it. It prints `pid <n>`,
   * the server to be, and `exit <n>`, how that one ended; or `failed <why>` in place of the PID. The server's output goes to descriptor 3.
   */
  gate(plan: GatePlan): Invocation
  /**
   * A process that prints `pid <n>`, the watchdog, and after it the descriptors that the process has, where that shows. It reads
   * descriptor 3: a line dismisses it, and `keep <pid> <start>` gives it another holder, whose end it notices by itself. On
   * end-of-file it waits out the idle time, removes the files of its lease, and runs the reaper.
   */
  watchdog(order: WatchdogOrder): Invocation & { readonly cwd: string }
  /** Whose a process is, and what it runs. Undefined: there is none. Absent where no watchdog could see the end of another program. */
  describe?(pid: number): Soon<Described | undefined>
  /** Whether a process is seen to be a watchdog of this launch. False where this system does not show it. */
  isWatchdog(pid: number, launchId: string): Soon<boolean>
  /** The watchdogs of this launch whose holder lives or whose idle time runs. None where this system does not show them. */
  watchdogs(launchId: string): ProcessId[]
}

/** What the check asks whether it was our server that answered. */
export interface Sockets {
  /** The listeners that a connection to this address and port reaches. Empty: none listens. Undefined: this system does not show them. */
  reachedAt(address: string, port: number): Soon<Listener[] | undefined>
  /** The process that holds one of these sockets, and the launch id in its environment. `likely` is looked at first. */
  ownerOf(listeners: readonly Listener[], likely?: number): { pid: number; launchId: string | undefined } | undefined
  /** Where these processes listen. None where this system does not show it. */
  listensAt(pids: readonly number[]): { host: string; port: number }[]
  /** ms within which a connection to another address than loopback is refused, where that takes long. */
  readonly refusalTakes?: number
}

/** A program with its words, as spawn(2) takes them. `verbatim`: they are as the program wants them on its command line. */
export interface Runnable {
  readonly program: string
  readonly args: readonly string[]
  readonly verbatim?: boolean
}

/** How the system finds a program by its name. */
export interface Programs {
  /** The list of folders in an environment. */
  pathIn(env: Readonly<Record<string, string | undefined>>): string | undefined
  /** The files that the name of a program may stand for, in the order in which they are tried. */
  filesOf(program: string, env: Readonly<Record<string, string | undefined>>): string[]
  /** Whether PATH is all that counts, as for execvp(3): then a program that is not there can be refused before it is run. */
  readonly onlyInPath: boolean
  /** How a file that was found is run. */
  invoke(file: string, args: readonly string[]): Runnable
  /** Why a file that is there cannot be run with these words, and what to write instead. */
  whyNot(file: string, args: readonly string[]): { readonly why: string; readonly hint: string } | undefined
}

/** A container or sandbox, as far as it shows from within. */
export interface Box {
  /** The numbers of this process's namespaces; undefined where they cannot be read. */
  readonly namespaces: { readonly pid: number | undefined; readonly net: number | undefined; readonly time: number | undefined }
  /** `a Docker container`, `WSL`, … */
  readonly kinds: readonly string[]
}

/** What only people ask, by the command line and the doctor. */
export interface Surroundings {
  /** Whether one-server has been tested on this system. */
  readonly isTested: boolean
  /** The launches whose processes run here as this user, past their gates; none where processes do not show it. */
  launches(): SeenLaunch[]
  /**
   * Whether this process is in the foreground of a terminal, so that a typed signal reaches its children, too. False when that
   * cannot be seen: a signal that is passed on twice is better than one that is lost.
   */
  isInForeground(): Soon<boolean>
  /** Undefined on a system that has no namespaces. */
  box(env: NodeJS.ProcessEnv): Box | undefined
}
