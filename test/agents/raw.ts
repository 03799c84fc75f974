/** A host of its own, down to the bytes: what one entry prints on stdout, and how it ends. The SDK's client hides both. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { Home } from './place.js'
import type { Entry } from './recipe.js'

export interface Raw {
  readonly child: ChildProcess
  /** All that it has printed on stdout. */
  stdout(): string
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** The first words of each session. */
export const INITIALIZE = `${JSON.stringify({
  jsonrpc: '2.0', id: 7, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
})}\n`

export const openRaw = (t: Pick<Test, 'teardown'>, home: Home, { command, args, env }: Entry): Raw => {
  const child = spawn(command, args, { cwd: home.folder, env: { ...home.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stdin!.on('error', () => {})
  const ended = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }))
  t.teardown(() => { child.kill('SIGKILL') })
  return { child, stdout: () => stdout, ended }
}
