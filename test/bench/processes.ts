/**
 * Whole processes, timed from outside: from just before the spawn to the exit, which is what their caller waits for. CPU time is what
 * the kernel has added up for this process's ended children. Only Linux tells, in steps of 10 ms: one process tells little, and the sum
 * of many rounds is right, since the kernel itself adds up exact times.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bareEnv } from '../support/child.js'

/** ms on the monotonic clock of the boot. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** The path of a program of the bench. */
export const program = (name: string): string => fileURLToPath(new URL(`../../../fixtures/bench/${name}.mjs`, import.meta.url))

/** One process, and when it lived. */
export interface Lived {
  readonly began: number
  readonly ended: number
  readonly output: string
}

export type Environment = Readonly<Record<string, string>>

/** ms of CPU time of all children that have ended and were waited for, or undefined where that cannot be read. */
export const childrenCpu = (): number | undefined => {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ')
    return (Number(fields[13]) + Number(fields[14])) * 10
  } catch {
    return undefined
  }
}

/** Runs a process to its end; one that fails is no measurement. */
export const live = async (command: readonly string[], env: Environment, cwd?: string): Promise<Lived> => {
  const [file, ...args] = command
  const began = now()
  const place = cwd === undefined ? {} : { cwd }
  const child = spawn(file!, args, { env: { ...bareEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'], ...place })
  let [output, errors, ended] = ['', '', 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  child.once('exit', () => { ended = now() })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code ?? signal}: ${errors || output}`)
  return { began, ended, output }
}

export interface Crowd {
  readonly lived: readonly Lived[]
  /** ms from the first spawn to the last exit. */
  readonly wall: number
  /** ms of CPU time of all of them. */
  readonly cpu: number | undefined
}

/** Spawns `count` processes in one go and waits for all. */
export const crowd = async (count: number, command: readonly string[], env: Environment, cwd?: string): Promise<Crowd> => {
  const before = childrenCpu()
  const lived = await Promise.all(Array.from({ length: count }, () => live(command, env, cwd)))
  const after = childrenCpu()
  return {
    lived,
    wall: Math.max(...lived.map(({ ended }) => ended)) - Math.min(...lived.map(({ began }) => began)),
    cpu: before === undefined || after === undefined ? undefined : after - before,
  }
}
