/**
 * The gate: a child process that exists, has its final PID and start time, and runs nothing of the
 * server until its claim has won. Promise 1 rests on it. If this client dies or loses before the gate
 * is open, the pipe closes, the child reads end-of-file and exits, and the server of a losing client
 * has never executed an instruction.
 *
 * Where a shell can become the server by `exec`, two are started. The inner one waits at the gate and becomes the
 * server. The outer one, the keeper, is its parent, because only a parent learns an exit code; the launcher kills it
 * once the server is ready. Then the server is a child of init, and a tool that ends the process tree of the launching
 * client by parent PIDs (tree-kill, the stop button of an editor) does not find it. Elsewhere one process is both.
 */
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { cannotStart, stateUnusable } from '../errors.js'
import { setTimeout, startTimer } from '../timer.js'
import { hide } from './files.js'
import { launching } from './platform/current.js'
import { send } from './platform/signal.js'
import { groupOf, lookAt, signalGroup } from './processes.js'
import { lineWithin, spawnCovered, withoutShell } from './spawn.js'
import { judge, type Exit, type GatedChild, type ProcessId, type SpawnPlan } from './system.js'

/** ms that a closed gate may take to exit. A frozen one never does, so it is killed. */
const CLOSING_TAKES = 1000

/** ms between two looks at a server whose keeper was killed too early. */
const WITHOUT_KEEPER = 50

const WRITABLE = 'Make its folder writable for this user, or choose another logFile (--log-file).'

const RECOGNIZED = 'Make that folder writable for this user.'
const VISIBLE = 'one-server must see when the processes that it starts were started. Allow that here (a sandbox may forbid it).'

const openLog = ({ logFile: path, note }: SpawnPlan): number => {
  try {
    const file = openSync(path, 'a', 0o600)
    if (note !== undefined) writeSync(file, `one-server: ${note}\n`)
    // A log may hold secrets, whatever the umask.
    hide(file, 0o600)
    return file
  } catch (error) {
    throw stateUnusable(path, 'the log of the server cannot be written', WRITABLE, error)
  }
}

/** The same code tells of a working directory and of the shell, so look which of them it is. */
const cannotSpawn = (plan: SpawnPlan, error: unknown): Error => withoutShell(launching.gate(plan).program, error) ?? cannotStart(error)

const start = (plan: SpawnPlan): ChildProcess => {
  const log = openLog(plan)
  try {
    const { program, args, env } = launching.gate(plan)
    return spawnCovered(program, args, { cwd: plan.cwd, env, stdio: ['pipe', 'pipe', 'ignore', log], detached: true, windowsHide: true })
  } catch (error) {
    throw cannotSpawn(plan, error)
  } finally {
    closeSync(log)
  }
}

/** A shell shows a signal as 128 and its number. A program that exits with such a code itself looks the same. */
const exitOf = (status: number): Exit => {
  const signal = Object.entries(constants.signals).find(([, number]) => status === 128 + number)?.[0]
  return signal === undefined ? { exitCode: status } : { signal }
}

const isGone = async (id: ProcessId): Promise<boolean> => judge(id, await lookAt(id.pid)) === 'dead'

/** An error that a timer throws ends the host. False: a sandbox forbids the signal. */
const tryToKill = async (id: ProcessId): Promise<boolean> => {
  try {
    if (!(await isGone(id))) send(id.pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}

/** Looks until a process has ended that is not a child of this one. `held`: this process stays alive for it. */
const untilGone = async (id: ProcessId, held: boolean, unless?: AbortSignal): Promise<void> => {
  while (!unless?.aborted && !(await isGone(id))) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, WITHOUT_KEEPER)
      if (!held) timer.unref()
    })
  }
}

/** The number in a line that begins with this word. */
const numberAfter = (word: string, line: string | undefined): number | undefined => {
  const match = line === undefined ? null : new RegExp(`^${word} (\\d+)$`).exec(line)
  return match === null ? undefined : Number(match[1])
}

/** Undefined when the gate was killed or frozen before it stood: nothing has run, and another attempt may be made. */
export const spawnGated = async (plan: SpawnPlan): Promise<GatedChild | undefined> => {
  const child = start(plan)
  const group = child.pid
  if (group === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => { child.once('error', resolve) })
    throw cannotSpawn(plan, error)
  }
  child.on('error', () => {})
  const pipe = child.stdin!
  pipe.on('error', () => {})
  child.stdout!.on('error', () => {})
  const closed = new Promise<void>((resolve) => { child.once('exit', () => resolve()) })
  const words = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const first = await lineWithin(words, launching.startTakes)
  const pid = numberAfter('pid', first)
  // Asked at once, since where a program has to be run for that, it then is one program.
  const looks = [lookAt(group), pid === undefined ? undefined : lookAt(pid), pid === undefined ? undefined : groupOf(pid)] as const
  const [outer, inner, innerGroup] = await Promise.all(looks)
  // No other process can have the number of a child that has not been waited for.
  const isOurs = child.exitCode === null && child.signalCode === null
  const keeper = isOurs && 'start' in outer ? { pid: group, start: outer.start } : undefined
  // A line can name any process. Only one in the keeper's group is ours.
  const id = pid !== undefined && innerGroup === group && inner !== undefined && 'start' in inner ? { pid, start: inner.start } : undefined

  const close = async (): Promise<void> => {
    pipe.destroy()
    let endTimer = (): void => {}
    const cannotEnd = new Promise<void>((resolve) => {
      endTimer = startTimer(CLOSING_TAKES, async () => {
        // A gate that cannot be killed has no pipe any more, so it never opens: nobody need wait for it.
        if (id !== undefined && !(await tryToKill(id))) resolve()
        child.kill('SIGKILL')
      })
    })
    await Promise.race([cannotEnd, Promise.all([closed, id === undefined ? undefined : untilGone(id, true)])])
    endTimer()
  }
  if (keeper === undefined || id === undefined) {
    // A frozen inner shell would stay. The keeper has not been waited for, so its group is still its own and can be killed.
    if (child.exitCode === null && child.signalCode === null) await signalGroup(group, 'SIGKILL')
    await close()
    const why = /^failed (.+)$/.exec(first ?? '')?.[1]
    // It fails each time, so another attempt would only take the time of the call.
    if (why !== undefined) throw stateUnusable('the gate of the server', `it cannot be made known to other clients: ${why}`, RECOGNIZED)
    // Another attempt would show no more.
    if (isOurs && outer.state === 'hidden') throw stateUnusable(`PID ${group}`, 'when this child was started cannot be read', VISIBLE)
    return undefined
  }
  const last = words.next()
  const exited = async (unless: AbortSignal): Promise<Exit> => {
    const { done, value } = await last
    const status = numberAfter('exit', done === true ? undefined : value)
    if (status !== undefined) return exitOf(status)
    // Nobody learns the exit code of a server whose keeper was killed; that the server has ended can still be seen.
    await untilGone(id, false, unless)
    return {}
  }
  return {
    id, keeper: keeper.pid === id.pid ? undefined : keeper, group, exited, close,
    open: () => new Promise((resolve) => {
      pipe.write('\n', (error) => {
        pipe.destroy()
        // Neither the keeper nor its last word may hold this process.
        child.unref()
        ;(child.stdout as unknown as { unref(): void }).unref()
        resolve(error === null || error === undefined ? isGone(id).then((gone) => !gone) : false)
      })
    }),
  }
}
