/**
 * The watchdog of a launch that lives for its leases: a dead man's switch. It blocks on a pipe from the holder of the lease
 * and costs nothing until it reads end-of-file, which it does however the holder ends. Then it waits out the idle time, and only if
 * no other lease or watchdog holds the launch, it runs the reaper, which looks again and decides. So no
 * process has to agree with another about a clock: an idle time that runs is a watchdog that lives.
 *
 * The watchdog must outlive its holder. A tool that ends a process tree by parent PIDs would end it, and so would a
 * terminal, so it is in a session of its own and not among the holder's descendants. A runner ends what carries the marks of its job,
 * so it has nothing of the holder's environment, and of the holder's descriptors only the pipe.
 */
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { stateUnusable } from '../errors.js'
import { launching } from './platform/current.js'
import { identify } from './processes.js'
import { reaperSource } from './reaper-source.js'
import { lineWithin, spawnCovered, uncovered, withoutShell } from './spawn.js'
import type { Watchdog, WatchdogPlan } from './system.js'

/** Not stdin: Node closes that when its child has ended, and the watchdog is not its child. */
const PIPE = 3

const PATIENCE = {
  /** Seconds in which the watchdog must say its PID. */
  starter: Math.max(5, launching.startTakes / 1000),
  /** Seconds for one run of the reaper, besides those that the server may take to stop. */
  attempt: 60,
  /** Seconds from a run that failed to the next. */
  again: 30,
}

/** As few threads as Node can do with: there may be no room for more. Not as an argument, which an Electron might not know. */
const FEW_THREADS = { NODE_OPTIONS: '--v8-pool-size=0', UV_THREADPOOL_SIZE: '1' }

const LIMITS = 'Check the limits on processes and open files (ulimit -u, ulimit -n), and call again.'

/** Its standard streams, and the pipe. */
const GIVEN = PIPE + 1

const start = ({ idleTimeout, stopTimeout, ...plan }: WatchdogPlan, patience: typeof PATIENCE, remembered: boolean): ChildProcess => {
  const times = { idle: idleTimeout / 1000, attempt: patience.attempt + Math.ceil(stopTimeout / 1000), again: patience.again }
  const { program, args, env, cwd } = launching.watchdog({ ...plan, ...times, reaper: reaperSource })
  // Inside Electron, Node is the editor unless this is set.
  const electron = process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }
  const options = { cwd, env: { ...env, ...FEW_THREADS, ...electron }, detached: true, windowsHide: true }
  return spawnCovered(program, args, { ...options, stdio: ['ignore', 'pipe', 'ignore', 'pipe'] }, remembered)
}

const cannotWatch = ({ folder }: WatchdogPlan, cause?: unknown): Error =>
  stateUnusable(folder, 'no process could be started that ends the server when this lease does', LIMITS, cause)

/** What the watchdog says first, or nothing: when there were no descriptors, its child has no pipes, and an error tells why. */
const firstLine = async ({ stdout }: ChildProcess, failed: Promise<never>, seconds: number): Promise<string | undefined> => {
  if (!stdout) return failed
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return Promise.race([lineWithin(lines, seconds * 1000), failed])
}

/**
 * @param patience Tests have less of it.
 *
 * A look at the descriptors of this process costs the more the more leases it holds, so the first watchdog's look serves the
 * others, and each says which it was given. One that was given what nobody knew of is dismissed, and another is started after a new look.
 */
export const watchOver = async (plan: WatchdogPlan, patience = PATIENCE): Promise<Watchdog> => {
  const { watchdog, given } = await startOne(plan, patience, true)
  if (uncovered(given, GIVEN).length === 0) return watchdog
  watchdog.dismiss()
  return (await startOne(plan, patience, false)).watchdog
}

const startOne = async (
  plan: WatchdogPlan, patience: typeof PATIENCE, remembered: boolean,
): Promise<{ watchdog: Watchdog; given: number[] }> => {
  let child: ChildProcess
  try {
    child = start(plan, patience, remembered)
  } catch (error) {
    throw cannotWatch(plan, error)
  }
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => reject(withoutShell(child.spawnfile, cause) ?? cannotWatch(plan, cause)))
  })
  failed.catch(() => {})
  const pipe = child.stdio?.[PIPE] as Socket | undefined
  pipe?.on('error', () => {})
  child.stdout?.on('error', () => {})
  try {
    const [, pid, fds = ''] = /^pid (\d+)((?: \d+)*)$/.exec((await firstLine(child, failed, patience.starter)) ?? '') ?? []
    const id = pid === undefined ? undefined : await identify(Number(pid))
    if (id === undefined || pipe === undefined) throw cannotWatch(plan)
    pipe.unref()
    const watchdog: Watchdog = {
      id,
      letGo: () => { pipe.destroy() },
      dismiss: () => { pipe.end('dismissed\n') },
      // What closes has written all that it could: a watchdog that has gone reads nothing.
      handOver: (to) => new Promise((resolve) => {
        if (pipe.destroyed) return resolve()
        pipe.once('close', () => resolve()).ref().end(`keep ${to.pid} ${to.start}\n`, () => pipe.destroy())
      }),
    }
    return { watchdog, given: fds.split(' ').filter(Boolean).map(Number) }
  } catch (error) {
    child.kill('SIGKILL')
    pipe?.destroy()
    throw error
  } finally {
    // A lease holds the server, not the process that holds the lease.
    child.unref()
    child.stdout?.destroy()
  }
}
