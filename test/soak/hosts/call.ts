/** One call of the command line, and what it gave. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export interface Info {
  readonly url: string
  readonly host: string
  readonly epoch: number
  readonly pid: number
  readonly started: boolean
  readonly launchId: string
}

/** One call of the command line, run to its end. */
export interface Call {
  readonly host: string
  readonly code: number | null
  readonly info: Info | undefined
  readonly error: { readonly code: string; readonly message: string; readonly exitCode?: number; readonly logTail?: string } | undefined
  /** The document that it printed. */
  readonly said: object | undefined
  readonly stderr: string
  /** ms */
  readonly took: number
}

/** Returns when it has ended. */
export const ended = async (host: string, child: ChildProcess): Promise<Call> => {
  const began = performance.now()
  let [stdout, stderr] = ['', '']
  child.stdin!.end()
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const [code] = (await once(child, 'close')) as [number | null]
  const [line] = stdout.split('\n')
  const said = line === undefined || !line.startsWith('{') ? undefined : (JSON.parse(line) as Info & Pick<Call, 'error'>)
  return { host, code, info: said?.url === undefined ? undefined : said, error: said?.error, said, stderr, took: performance.now() - began }
}
