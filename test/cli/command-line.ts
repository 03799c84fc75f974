/**
 * How the tests of the command line call it: as a real process with a home of its own, so that no
 * server of the machine is seen, or in this process, where only words and exit codes matter.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { main } from '../../lib/cli/main.js'
import { until } from '../support/until.js'

const BIN = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))

/**
 * tap puts its hook into the environment of whatever is spawned. It would double the time of each call
 * and be among the modules that it loads, so it is taken out behind tap's back; `env` keeps the PID.
 */
export const programOf = (node: string): readonly [string, ...string[]] => ['env', '-u', 'NODE_OPTIONS', node, BIN]
export const PROGRAM = programOf(process.execPath)

/** The path of a server in the fixtures. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/${name}.mjs`, import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves once stdout contains the text, or something like it; rejects when the process ends first, or prints it at no look. */
  readonly prints: (text: string | RegExp, stream?: 'stdout' | 'stderr') => Promise<void>
  /** Its stdout so far. */
  readonly printed: () => string
}

export interface Plan {
  readonly env?: NodeJS.ProcessEnv
  /** Away from the terminal that the tests may be run in, and from their process group. */
  readonly detached?: boolean
  /** Where it is called; without it, in the home. */
  readonly cwd?: string
  /** Gives it a pipe for stdin, instead of nothing. */
  readonly stdin?: 'pipe'
}

export interface Home {
  /** A short path: the state of a server is kept below it. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** Begins `one-server ...args`. */
  readonly begin: (args: readonly string[], plan?: Plan) => Running
  /** Runs `one-server ...args` to its end. */
  readonly run: (args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<Ended>
  /** The same within a shell, with what is to stand behind it: a pipe or a redirection. */
  readonly shell: (args: readonly string[], behind: string) => Promise<Ended>
  /** A server of this name is stopped at the end of the test. */
  readonly stopsAtEnd: (name: string) => void
  /** `run`, of a server that is stopped at the end of the test. */
  readonly start: (args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<Ended>
}

const stateFiles = ({ env }: Home, recursive = false): string[] => {
  const state = env['ONE_SERVER_STATE_DIR'] as string
  return existsSync(state) ? (readdirSync(state, { recursive }) as string[]) : []
}

/** What a home has of the files that say who uses a server. */
export const leaseFiles = (home: Home): string[] => stateFiles(home, true).filter((name) => /\.(lease|watch)$/.test(name))

/** Returns when no server is left, nor anybody who is still busy with its end. */
export const allGone = async (home: Home): Promise<void> => {
  await until(() => stateFiles(home).every((name) => /\.log(\.prev)?$/.test(name)), 'the last server and its state to go')
}

export const watched = (child: ChildProcess): Running => {
  const text = { stdout: '', stderr: '' }
  let end: { readonly code: number | null } | undefined
  for (const stream of ['stdout', 'stderr'] as const) child[stream]?.setEncoding('utf8').on('data', (part: string) => { text[stream] += part })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      end = { code }
      resolve({ code, signal, ...text })
    })
  })
  // A process that prints something else, and lives, must not hold the test for ever.
  const prints: Running['prints'] = async (wanted, stream = 'stdout') => {
    const isPrinted = (): boolean => (typeof wanted === 'string' ? text[stream].includes(wanted) : wanted.test(text[stream]))
    const look = (): boolean => {
      if (!isPrinted() && end !== undefined) throw new Error(`ended with ${end.code} before it printed ${String(wanted)}: ${JSON.stringify(text)}`)
      return isPrinted()
    }
    await Promise.race([until(look, `${String(wanted)} to be printed`), ended.then(look)])
  }
  return { child, ended, prints, printed: () => text.stdout }
}

/** The environment without what belongs to the test runner or would change how the CLI prints. */
const bare = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|TAP|_TAP|CI$|NO_COLOR$|FORCE_COLOR$|XDG_|ONE_SERVER_|PORT$|HOST$)/.test(name)))

/** @param program The command line tool, which may run under another Node. */
export const home = (t: Test, program = PROGRAM): Home => {
  const folder = mkdtempSync(join(tmpdir(), 'os-'))
  // As a shell has it that calls from there.
  const env = { ...bare(), PWD: realpathSync(folder), HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), TERM: 'dumb' }
  const toStop = new Map<string, string[]>()
  const begin: Home['begin'] = (args, { env: more, detached = false, stdin, cwd = folder } = {}) => {
    const stdio: StdioOptions = [stdin ?? 'ignore', 'pipe', 'pipe']
    const running = watched(spawn(program[0], [...program.slice(1), ...args], { env: { ...env, PWD: realpathSync(cwd), ...more }, cwd, detached, stdio }))
    t.teardown(() => running.child.kill('SIGKILL'))
    return running
  }
  const run: Home['run'] = (args, more = {}) => begin(args, { env: more }).ended
  const shell: Home['shell'] = (args, behind) =>
    watched(spawn('bash', ['-c', `set -o pipefail; "$0" "$@" ${behind}`, ...program, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })).ended
  const start: Home['start'] = (args, more) => {
    const at = args.indexOf('--pid-file')
    const which = at < 0 ? args.slice(1, 2).filter((word) => !word.startsWith('-')) : args.slice(at, at + 2)
    toStop.set(which.join(' '), which)
    return run(args, more)
  }
  const stopsAtEnd: Home['stopsAtEnd'] = (name) => { toStop.set(name, [name]) }
  t.teardown(async () => {
    for (const which of toStop.values()) {
      const { code, stderr } = await run(['stop', ...which, '--stop-timeout', '300ms'])
      if (code !== 0) throw new Error(`a server of the test was left: ${stderr}`)
    }
    rmSync(folder, { recursive: true, force: true })
  })
  return { folder, env, begin, run, shell, stopsAtEnd, start }
}

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

/** `main` in this process: for calls that end before anything is touched. */
export const call = async (...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const code = await main(argv, { stdin: Readable.from([]), stdout, stderr, env: {}, signal: new AbortController().signal, divert: () => {} })
  return { code, stdout: stdout.text, stderr: stderr.text }
}
