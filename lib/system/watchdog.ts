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
import { lineWithin, spawnCovered } from './spawn.js'
import type { WatchdogPlan, Watchdog } from './system.js'

/** Not stdin: Node closes that when its child has ended, and the watchdog is not its child. */
const PIPE = 3

/** Seconds: until the watchdog has said its PID, for one run of the reaper besides the server's own time to stop, and until the next run. */
const PATIENCE = { starter: 5, attempt: 60, again: 30 }

const start = ({ folder, lease, launchId, idleTimeout, stopTimeout, pidFile }: WatchdogPlan, { attempt, again }: typeof PATIENCE): ChildProcess => {
  const { program, args, env, cwd } = launching.watchdog({
    folder, lease, launchId, pidFile, idle: idleTimeout / 1000, attempt: attempt + Math.ceil(stopTimeout / 1000), again, reaper: reaperSource,
  })
  // Inside Electron, Node is the editor unless this is set.
  const electron = process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }
  // As few threads as Node can do with: there may be no room for more. Not as an argument, which an Electron might not know.
  const threads = { NODE_OPTIONS: '--v8-pool-size=0', UV_THREADPOOL_SIZE: '1' }
  return spawnCovered(program, args, { cwd, env: { ...env, ...threads, ...electron }, stdio: ['ignore', 'pipe', 'ignore', 'pipe'], detached: true, windowsHide: true })
}

const cannotWatch = ({ folder }: WatchdogPlan, cause?: unknown): Error =>
  stateUnusable(folder, 'no process could be started that ends the server when this lease does', 'Check the limits on processes and open files (ulimit -u, ulimit -n), and call again.', cause)

/** @param patience Tests have less of it. */
export const watchOver = async (plan: WatchdogPlan, patience = PATIENCE): Promise<Watchdog> => {
  let child: ChildProcess
  try {
    child = start(plan, patience)
  } catch (error) {
    throw cannotWatch(plan, error)
  }
  const failed = new Promise<never>((_, reject) => { child.once('error', (cause) => reject(cannotWatch(plan, cause))) })
  failed.catch(() => {})
  // A child for which there were no descriptors has none of these.
  const pipe = child.stdio?.[PIPE] as Socket | undefined
  pipe?.on('error', () => {})
  child.stdout?.on('error', () => {})
  try {
    const line = child.stdout && pipe ? await Promise.race([lineWithin(createInterface({ input: child.stdout })[Symbol.asyncIterator](), patience.starter * 1000), failed]) : await failed
    const pid = Number(/^pid (\d+)$/.exec(line ?? '')?.[1])
    const id = Number.isNaN(pid) ? undefined : identify(pid)
    if (id === undefined) throw cannotWatch(plan)
    const own = pipe!
    own.unref()
    return { id, letGo: () => { own.destroy() }, dismiss: () => { own.end('dismissed\n') } }
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
