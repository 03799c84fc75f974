/** One session of an editor with a language server: requests with ids of its own, framed by Content-Length as the protocol has it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import type { Home } from './place.js'
import type { Entry } from './recipe.js'

export interface Editor {
  kill(): void
  /** What the server says of the word at a place of a file that this editor has open. */
  hover(file: string, line: number, character: number): Promise<string>
  /** Ends as editors do. */
  close(): Promise<void>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
}

const END = '\r\n\r\n'

export const openEditor = async (t: Pick<Test, 'teardown'>, home: Home, { command, args }: Entry, project: string): Promise<Editor> => {
  const child = spawn(command, args, { cwd: project, env: home.env, stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const gone = once(child, 'close')
  child.stdin.on('error', () => {})
  const waiting = new Map<number, (result: unknown) => void>()
  let [rest, last] = [Buffer.alloc(0), 0]
  child.stdout.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    for (let at = rest.indexOf(END); at >= 0; at = rest.indexOf(END)) {
      const end = at + END.length + Number(/Content-Length: (\d+)/i.exec(rest.toString('latin1', 0, at))![1])
      if (rest.length < end) return
      const { id, method, result } = JSON.parse(rest.toString('utf8', at + END.length, end)) as Message
      rest = rest.subarray(end)
      if (id !== undefined && method === undefined) waiting.get(id)?.(result)
    }
  })
  const send = (message: object): void => {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}${END}${text}`)
  }
  const ask = (method: string, params: unknown): Promise<unknown> => {
    const id = ++last
    const asked = new Promise((resolve, reject) => {
      waiting.set(id, resolve)
      void gone.then(() => reject(new Error(`the session ended before ${method} was answered`)))
    })
    send({ id, method, params })
    return asked
  }
  const uriOf = (file: string): string => pathToFileURL(join(project, file)).href
  const rootUri = pathToFileURL(project).href
  await ask('initialize', { processId: process.pid, rootUri, capabilities: {}, workspaceFolders: [{ uri: rootUri, name: 'project' }] })
  send({ method: 'initialized', params: {} })
  return {
    kill: () => { child.kill('SIGKILL') },
    hover: async (file, line, character) => {
      const textDocument = { uri: uriOf(file), languageId: 'go', version: 1, text: readFileSync(join(project, file), 'utf8') }
      send({ method: 'textDocument/didOpen', params: { textDocument } })
      const answer = await ask('textDocument/hover', { textDocument: { uri: textDocument.uri }, position: { line, character } })
      return JSON.stringify(answer)
    },
    close: async () => {
      await ask('shutdown', null)
      send({ method: 'exit' })
      child.stdin.end()
      await gone
    },
  }
}
