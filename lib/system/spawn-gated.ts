/**
 * The gate: a child process that exists, has its final PID and start time, and runs nothing of the
 * server until its claim has won. Promise 1 rests on it: if this client dies or loses before the gate
 * is open, the pipe closes, the child reads end-of-file and exits, and the server of a losing client
 * has never executed an instruction.
 *
 * On POSIX a shell waits in `read` and then becomes the server by `exec`, so that PID and start time
 * stay and no second process remains. On Windows there is no exec: a small Node process waits and
 * then runs the server as its child (untested).
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { closeSync, fchmodSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { commandNotFound, stateUnusable } from '../errors.js'
import { lookAt } from './process-table.js'
import type { Exit, GatedChild, SpawnPlan } from './system.js'

/**
 * An exported function named `read` or an exported TMOUT would open or close the gate by themselves.
 * The line in the gate file tells those who find the child dead whether the server ever ran: when its
 * launcher was killed before it opened the gate, nothing has failed. The server's stdin is /dev/null:
 * the pipe is the gate's alone.
 */
const POSIX_GATE = 'unset -f read echo; TMOUT= read -r one_server_gate && echo >>"$0" && exec "$@" </dev/null'

const WINDOWS_GATE = `
const [gate, program, ...args] = process.argv.slice(1)
process.stdin.once('data', () => {
  process.stdin.destroy()
  require('node:fs').appendFileSync(gate, '\\n')
  const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], windowsHide: true })
  child.on('exit', (code) => process.exit(code ?? 1))
  child.on('error', () => process.exit(127))
})`

/** Changes what the shell of the gate itself does; nothing that a server could want. */
const SHELL_ONLY = ['OPTIND', 'SHELLOPTS', 'BASHOPTS']

const CLOSE_ON_EXEC = 0o2000000

/**
 * Descriptors that this process was itself given and that would go on to the server: a flock among
 * them would be held for as long as the server lives. Node's own are close-on-exec.
 */
const leakingDescriptors = (): number[] => {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => {
    if (fd <= 2) return false
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
      return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
    } catch {
      return false
    }
  })
}

const start = (plan: SpawnPlan, log: number, nothing: number): ChildProcess => {
  const stdio: (number | 'pipe' | 'ignore')[] = ['pipe', log, log]
  for (const fd of leakingDescriptors()) {
    while (stdio.length < fd) stdio.push('ignore')
    stdio[fd] = nothing
  }
  const env = Object.fromEntries(Object.entries(plan.env).filter(([name]) => !SHELL_ONLY.includes(name)))
  const options: SpawnOptions = { cwd: plan.cwd, env, stdio, detached: true, windowsHide: true }
  return process.platform === 'win32'
    ? spawn(process.execPath, ['-e', WINDOWS_GATE, plan.gateFile, plan.program, ...plan.args], options)
    : spawn('/bin/sh', ['-c', POSIX_GATE, plan.gateFile, plan.program, ...plan.args], options)
}

const open = (path: string, flags: string): number => {
  try {
    const file = openSync(path, flags, 0o600)
    // A log may hold what is nobody else's business, whatever the umask.
    if (flags === 'a') fchmodSync(file, 0o600)
    return file
  } catch (error) {
    throw stateUnusable(path, 'the log of the server cannot be written', 'Make its folder writable for this user, or choose another logFile (--log-file).', error)
  }
}

export const spawnGated = async (plan: SpawnPlan): Promise<GatedChild> => {
  const log = open(plan.logFile, 'a')
  let child: ChildProcess
  try {
    const nothing = open(process.platform === 'win32' ? '\\\\.\\NUL' : '/dev/null', 'r+')
    try {
      child = start(plan, log, nothing)
    } finally {
      closeSync(nothing)
    }
  } finally {
    closeSync(log)
  }
  // In the tick of the spawn the PID cannot have been given to anybody else: it has not been waited for.
  const look = child.pid === undefined ? undefined : lookAt(child.pid)
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? { exitCode: code ?? 0 } : { signal }))
  })
  const pipe = child.stdin!
  pipe.on('error', () => {})
  const close = async (): Promise<void> => {
    pipe.destroy()
    // A gate that does not read its end-of-file (it was frozen) must not wait to be thawed.
    const timer = setTimeout(() => child.kill('SIGKILL'), 1000)
    await exited
    clearTimeout(timer)
  }
  if (child.pid === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => { child.once('error', resolve) })
    throw commandNotFound(`The server cannot be started: ${error.message}`, 'Check the working directory (cwd, --cwd) and the limits on processes and open files.', error)
  }
  child.on('error', () => {})
  if (look === undefined || !('start' in look)) {
    child.kill('SIGKILL')
    await close()
    throw stateUnusable(`PID ${child.pid}`, 'the start time of a new process cannot be read', 'one-server must be able to read /proc (Linux) or run ps (macOS).')
  }
  return {
    id: { pid: child.pid, start: look.start },
    exited,
    close,
    open: () => new Promise((resolve) => {
      pipe.write('\n', (error) => {
        pipe.destroy()
        child.unref()
        resolve(error === null || error === undefined)
      })
    }),
  }
}
