/**
 * Real child processes of a test: each ends with it, by its PID, and none inherits what belongs to the
 * test runner (a coverage hook in NODE_OPTIONS slows a child and keeps waiting for its children).
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** This process's environment without what belongs to the test runner or to a server that runs it. */
export const bareEnv = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(NODE_|_?TAP|ONE_SERVER_|XDG_|PORT$|HOST$)/.test(entry[0])),
  )

/** The path of a fixture. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))

/** The URL of a compiled file of the library, for a child that imports it. */
export const library = (name: string): string => new URL(`../../lib/${name}`, import.meta.url).href

/** Starts a process that is killed when the test ends, if it has not ended by then. */
export const start = (t: Pick<Test, 'teardown'>, program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess => {
  const child = spawn(program, args, { env: bareEnv(), stdio: 'ignore', ...options })
  const gone = new Promise((resolve) => { child.once('exit', resolve).once('error', resolve) })
  t.teardown(async () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await gone
  })
  return child
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a process to its end. */
export const run = async (t: Pick<Test, 'teardown'>, program: string, args: readonly string[], options: SpawnOptions = {}): Promise<Ended> => {
  const child = start(t, program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout, stderr }
}

/** Runs a module's text in a Node of its own. */
export const runModule = (t: Pick<Test, 'teardown'>, text: string, args: readonly string[] = [], options: SpawnOptions = {}): Promise<Ended> =>
  run(t, process.execPath, ['--input-type=module', '--eval', text, ...args], options)

/** Starts a process that is spoken to; `line` reads what it prints, line by line, and rejects at its end. */
export const startSpeaking = (t: Pick<Test, 'teardown'>, program: string, args: readonly string[], options: SpawnOptions = {}) => {
  const child = start(t, program, args, { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin!.on('error', () => {})
  const lines: string[] = []
  let rest = ''
  let wake = (): void => {}
  let over = false
  child.stdout!.setEncoding('utf8').on('data', (data: string) => {
    const parts = (rest + data).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
    wake()
  })
  child.once('close', () => { over = true; wake() })
  const line = async (): Promise<string> => {
    while (lines.length === 0) {
      if (over) throw new Error('it ended without another line')
      await new Promise<void>((resolve) => { wake = resolve })
    }
    return lines.shift()!
  }
  return { child, line }
}

/** Starts a module's text in a Node of its own, to be spoken to. */
export const startModule = (t: Pick<Test, 'teardown'>, text: string, args: readonly string[] = [], options: SpawnOptions = {}) =>
  startSpeaking(t, process.execPath, ['--input-type=module', '--eval', text, ...args], options)
