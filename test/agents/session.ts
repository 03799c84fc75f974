/**
 * One session of an agent: the official SDK's client, which starts the entry of a recipe as its hosts do, and ends it as they do (it closes
 * stdin, and signals what does not end by that). Both names of the SDK are in use, so every second session has the older one.
 */
import { load, type Home } from './place.js'
import type { Entry } from './recipe.js'

interface Answer {
  readonly content: readonly { readonly text?: string }[]
}

interface SdkClient {
  connect(transport: unknown): Promise<void>
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>
  callTool(call: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }): Promise<Answer>
  close(): Promise<void>
}

interface Sdk {
  readonly Client: new (info: { name: string; version: string }, options: { capabilities: Readonly<Record<string, unknown>> }) => SdkClient
  readonly StdioClientTransport: new (how: Readonly<Record<string, unknown>>) => { readonly pid: number | null }
}

const older = (): Sdk => ({
  ...(load('@modelcontextprotocol/sdk/client/index.js') as object), ...(load('@modelcontextprotocol/sdk/client/stdio.js') as object),
}) as Sdk

const newer = (): Sdk => ({
  ...(load('@modelcontextprotocol/client') as object), ...(load('@modelcontextprotocol/client/stdio') as object),
}) as Sdk

export interface Session {
  /** What the host started, and what it would kill. */
  readonly pid: number
  tools(): Promise<string[]>
  call(name: string, args?: Readonly<Record<string, unknown>>): Promise<string>
  close(): Promise<void>
}

/** Starts one session; resolves once the server has answered `initialize`. It says that it has roots, as editors do. */
export const openSession = async (home: Home, entry: Entry, number: number, cwd = home.folder): Promise<Session> => {
  const { Client, StdioClientTransport } = number % 2 === 0 ? older() : newer()
  const env = { ...home.env, SESSION: String(number), ...entry.env }
  const transport = new StdioClientTransport({ command: entry.command, args: [...entry.args], env, cwd, stderr: 'ignore' })
  const client = new Client({ name: `session ${number}`, version: '1' }, { capabilities: { roots: {} } })
  await client.connect(transport)
  return {
    pid: transport.pid!,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })).content.map(({ text }) => text ?? '').join('\n'),
    close: () => client.close(),
  }
}

/** Sessions that begin in the same instant. */
export const openSessions = (home: Home, entry: Entry, count: number, cwd?: string): Promise<Session[]> =>
  Promise.all(Array.from({ length: count }, (_, number) => openSession(home, entry, number, cwd)))
