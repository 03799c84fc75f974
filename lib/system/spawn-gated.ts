/**
 * The gate: a child process that exists, has its final PID and start time, and runs nothing of the
 * server until its claim has won. Promise 1 rests on it: if this client dies or loses before the gate
 * is open, the pipe closes, the child reads end-of-file and exits, and the server of a losing client
 * has never executed an instruction.
 *
 * On POSIX two shells are started. The inner one waits in `read` and then becomes the server by
 * `exec`, so that PID and start time stay. The outer one, the keeper, is its parent, because only a
 * parent learns an exit code; it is killed once the launch is ready. Then the server is a child of
 * init, and whoever ends the process tree of the launching client by parent PIDs (tree-kill, the stop
 * button of an editor) does not meet it.
 *
 * On Windows there is no exec: a small Node process waits and then runs the server as its child
 * (untested).
 */
import type { ChildProcess } from 'node:child_process'
import { closeSync, fchmodSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { cannotStart, stateUnusable } from '../errors.js'
import { lineWithin, spawnCovered, type Stdio } from './spawn.js'
import { groupOf, identify, lookAt } from './process-table.js'
import type { Exit, GatedChild, ProcessId, SpawnPlan } from './system.js'

/**
 * Not `&`: what a shell runs in the background ignores SIGINT for ever. Two words come on the status
 * pipe, `pid <n>` from the inner shell and `exit <n>` from the keeper, named so that neither is taken
 * for the other when one of the shells is killed.
 */
const KEEPER = 'unset -f echo; one_server_gate=$1; shift; (exec /bin/sh -c "$one_server_gate" "$@" 2>&3); echo "exit $?"'

/**
 * An exported function named `read` or an exported TMOUT would open or close the gate by themselves.
 * The line in the gate file tells those who find the child dead whether the server ever ran: when its
 * launcher was killed before it opened the gate, nothing has failed. The server's stdin is /dev/null,
 * the log is its stdout and stderr, and the pipes are the gate's alone.
 */
const GATE = 'unset -f read echo; echo "pid $$"; TMOUT= read -r one_server_gate && echo >>"$0" && exec "$@" </dev/null >&3 2>&3 3>&-'

const WINDOWS_GATE = `
const [gate, program, ...args] = process.argv.slice(1)
console.log('pid ' + process.pid)
process.stdin.once('data', () => {
  process.stdin.destroy()
  require('node:fs').appendFileSync(gate, '\\n')
  const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 3, 3], windowsHide: true })
  child.on('exit', (code) => { console.log('exit ' + (code ?? 1)); process.exit(code ?? 1) })
  child.on('error', () => process.exit(127))
})`

/** Changes what the shells of the gate themselves do; nothing that a server could want. */
const SHELL_ONLY = ['OPTIND', 'SHELLOPTS', 'BASHOPTS', 'one_server_gate']

/** ms that the inner shell may take to say who it is. */
const GATE_TAKES = 2000

/** ms that a closed gate may take to exit: one that was frozen must not wait to be thawed. */
const CLOSING_TAKES = 1000

/** ms between two looks at a server whose keeper was killed by somebody else. */
const WITHOUT_KEEPER = 50

const start = (plan: SpawnPlan, log: number): ChildProcess => {
  const stdio: Stdio = ['pipe', 'pipe', 'ignore', log]
  const env = Object.fromEntries(Object.entries(plan.env).filter(([name]) => !SHELL_ONLY.includes(name)))
  const options = { cwd: plan.cwd, env, stdio, detached: true, windowsHide: true }
  return process.platform === 'win32'
    ? spawnCovered(process.execPath, ['-e', WINDOWS_GATE, plan.gateFile, plan.program, ...plan.args], options)
    : spawnCovered('/bin/sh', ['-c', KEEPER, 'one-server', GATE, plan.gateFile, plan.program, ...plan.args], options)
}

const openLog = (path: string): number => {
  try {
    const file = openSync(path, 'a', 0o600)
    // A log may hold what is nobody else's business, whatever the umask.
    fchmodSync(file, 0o600)
    return file
  } catch (error) {
    throw stateUnusable(path, 'the log of the server cannot be written', 'Make its folder writable for this user, or choose another logFile (--log-file).', error)
  }
}

const spawnKeeper = (plan: SpawnPlan): ChildProcess => {
  const log = openLog(plan.logFile)
  try {
    return start(plan, log)
  } catch (error) {
    throw cannotStart(error)
  } finally {
    closeSync(log)
  }
}

/** A shell tells a signal as 128 and its number; a program that exits with such a code itself is not told apart. */
const exitOf = (status: number): Exit => {
  const signal = Object.entries(constants.signals).find(([, number]) => status === 128 + number)?.[0]
  return signal === undefined ? { exitCode: status } : { signal }
}

const isGone = ({ pid, start }: ProcessId): boolean => {
  const look = lookAt(pid)
  return look.state === 'gone' || look.state === 'zombie' || ('start' in look && look.start !== start)
}

/** Looks until a process has ended that is nobody's child here. `held`: this process waits for it. */
const untilGone = (id: ProcessId, held: boolean): Promise<void> =>
  new Promise((resolve) => {
    if (isGone(id)) return resolve()
    const timer = setInterval(() => {
      if (!isGone(id)) return
      clearInterval(timer)
      resolve()
    }, WITHOUT_KEEPER)
    if (!held) timer.unref()
  })

/** The number that a line bears, if it begins with this word. */
const numberAfter = (word: string, line: string | undefined): number | undefined => {
  const match = line === undefined ? null : new RegExp(`^${word} (\\d+)$`).exec(line)
  return match === null ? undefined : Number(match[1])
}

/** Undefined when one of its shells was killed or frozen before the gate stood: nothing has run, and another attempt may be made. */
export const spawnGated = async (plan: SpawnPlan): Promise<GatedChild | undefined> => {
  const child = spawnKeeper(plan)
  const group = child.pid
  if (group === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => { child.once('error', resolve) })
    throw cannotStart(error)
  }
  // In the tick of the spawn the PID cannot have been given to anybody else: it has not been waited for.
  const keeper = identify(group)
  child.on('error', () => {})
  const pipe = child.stdin!
  pipe.on('error', () => {})
  child.stdout!.on('error', () => {})
  const closed = new Promise<void>((resolve) => { child.once('exit', () => resolve()) })
  const words = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const pid = numberAfter('pid', await lineWithin(words, GATE_TAKES))
  const named = pid === undefined ? undefined : identify(pid)
  // Only what is in the keeper's group is ours, whatever a line says.
  const id = named !== undefined && (process.platform !== 'linux' || groupOf(named.pid) === group) ? named : undefined

  const close = async (): Promise<void> => {
    pipe.destroy()
    const timer = setTimeout(() => {
      if (id !== undefined && !isGone(id)) process.kill(id.pid, 'SIGKILL')
      child.kill('SIGKILL')
    }, CLOSING_TAKES)
    await Promise.all([closed, id === undefined ? undefined : untilGone(id, true)])
    clearTimeout(timer)
  }
  if (keeper === undefined || id === undefined) {
    // The keeper has not been waited for, so its group is still its own: with it goes an inner shell that is frozen.
    if (child.exitCode === null && child.signalCode === null && process.platform !== 'win32') process.kill(-group, 'SIGKILL')
    await close()
    return undefined
  }
  const exited = words.next().then(async ({ done, value }): Promise<Exit> => {
    const status = numberAfter('exit', done === true ? undefined : value)
    if (status !== undefined) return exitOf(status)
    // Nobody learns the exit code of a server whose keeper was killed; that it has ended can still be seen.
    await untilGone(id, false)
    return {}
  })
  return {
    id, keeper: process.platform === 'win32' ? undefined : keeper, group, exited, close,
    open: () => new Promise((resolve) => {
      pipe.write('\n', (error) => {
        pipe.destroy()
        // Neither the keeper nor what it will say may hold this process.
        child.unref()
        ;(child.stdout as unknown as { unref(): void }).unref()
        resolve((error === null || error === undefined) && !isGone(id))
      })
    }),
  }
}
