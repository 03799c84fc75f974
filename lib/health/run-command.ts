/**
 * The check by a command: healthy is a server of which a program says so by exit code 0. Nothing of a check may outlive it, a client that
 * is killed meanwhile included. So the program runs in a process group of its own, below a shell that waits for the end of a pipe
 * beside it: when the client closes the pipe, or dies, the shell kills the group.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { programs } from '../system/platform/current.js'
import { clearTimeout, setTimeout, startTimer } from '../timer.js'
import { connects } from './connect.js'
import { RUN, type HealthPlan, type OwnCommand, type Probe } from './plan.js'

/** The watch has the pipe as descriptor 9, since the shell gives what runs in the background an empty stdin. */
const WATCHED = 'exec 9<&0 </dev/null; (read -r line <&9; kill -9 0) >/dev/null 2>&1 & "$@" 9<&-; exit $?'

/** Bytes of its output that are kept, for the last line. */
const KEPT = 4096

/** ms that the rest of the output of a program may take that has exited, and failed. */
const LAST_WORDS = 100

const start = ({ words: [program = '', ...args], cwd, env }: OwnCommand): ChildProcess => {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const common: SpawnOptions = { cwd, env, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true }
  if (programs.onlyInPath) return spawn('/bin/sh', ['-c', WATCHED, 'sh', program, ...args], { ...common, detached: true })
  const { program: file, args: own, verbatim = false } = programs.invoke(program, args)
  return spawn(file, own, { ...common, windowsVerbatimArguments: verbatim })
}

/** Kills all of it. Windows has no groups, and there the tree below the process stands for one. */
const end = async ({ pid, stdin, exitCode, signalCode }: ChildProcess): Promise<void> => {
  if (pid === undefined || exitCode !== null || signalCode !== null) return void stdin?.destroy()
  if (!programs.onlyInPath) {
    const { inSystem, wholeTree } = await import('../system/platform/windows-acts.js')
    process.getBuiltinModule('node:child_process').execFile(inSystem('taskkill.exe'), wholeTree(pid), () => {})
    return
  }
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended since.
  }
  stdin?.destroy()
}

const lastLine = (output: string): string => {
  const line = output.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? '' : `: ${line}`
}

const run = (own: OwnCommand, url: string, timeout: number, signal: AbortSignal | undefined): Promise<Probe> =>
  new Promise((resolve) => {
    let output = ''
    let why: string | undefined
    const child = start(own)
    const stop = (reason: string): void => {
      why ??= reason
      void end(child)
    }
    const done = (answer: Probe): void => {
      endTimer()
      signal?.removeEventListener('abort', onAbort)
      resolve(answer)
      child.stdin?.destroy()
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    const onAbort = (): void => stop('the check was given up')
    const endTimer = startTimer(timeout, () => stop(`it did not answer within ${timeout} ms`))
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort()
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-KEPT) }).on('error', () => {})
    }
    child.stdin?.on('error', () => {})
    child.once('error', ({ message }) => done({ healthy: false, reason: `it could not be run: ${message}` }))
    child.once('exit', (code, by) => {
      // With its pipe the watch ends, and what the program left behind in its group.
      child.stdin?.destroy()
      if (why !== undefined) return done({ healthy: false, reason: why })
      if (code === 0) return done({ healthy: true, url })
      const failed = (): void =>
        done({ healthy: false, reason: `${by === null ? `it exited with ${code}` : `it was ended by ${by}`}${lastLine(output)}` })
      const patience = setTimeout(failed, LAST_WORDS)
      child.once('close', () => {
        clearTimeout(patience)
        failed()
      })
    })
  })

interface Turn {
  readonly now: Promise<Probe>
  next: Promise<Probe> | undefined
}

/** Each command that this process runs at this moment, by its words, folder and environment. */
const turns = new Map<string, Turn>()

/**
 * A client never runs a command twice at once. A call that comes while it runs waits for the next run, and shares that: the answer of
 * a run that began before the call would be older than the call.
 */
const inTurn = (key: string, begin: () => Promise<Probe>): Promise<Probe> => {
  const running = turns.get(key)
  if (running !== undefined) return (running.next ??= running.now.then(() => inTurn(key, begin)))
  const turn: Turn = { now: begin().finally(() => turns.delete(key)), next: undefined }
  turns.set(key, turn)
  return turn.now
}

/** Runs the command of a plan once. */
export const probeCommand = async (plan: HealthPlan, timeout: number, signal?: AbortSignal): Promise<Probe> => {
  const own = plan[RUN]
  if (own === undefined) return { healthy: false, reason: 'only a call that starts servers, and names the same command, runs it' }
  const answer = await inTurn(JSON.stringify(own), () => run(own, plan.urls[0]!, timeout, signal))
  if (!answer.healthy) return answer
  // The program does not say at which address it asked: it is the first one that accepts connections, else the first.
  for (const url of plan.urls) if ((await connects(new URL(url), timeout)).healthy) return { healthy: true, url }
  return answer
}
