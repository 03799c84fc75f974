/**
 * One engine for one server and for several: each is begun as soon as those that it needs are up, all others at the same time. A client
 * that used half of what it needs would fail later, and in words that name nothing: so the first failure ends all waits, what was
 * begun is let go, and the error says which server it was.
 */
import { invalidCombination, OneServerError } from './errors.js'
import { bareHost } from './health/address.js'
import type { ClientProcessManagerOptions } from './options/options.js'
import type { Configured } from './options/settings.js'
import type { ServerInfo } from './server-info.js'
import { variableOf } from './text/fill.js'

/** A server that a call is about. */
export interface Server {
  /** Undefined for the default server, and for one that its PID file names. */
  readonly name: string | undefined
  readonly options: ClientProcessManagerOptions & Configured
  /** The names of others that must be up before it. */
  readonly needs: readonly string[]
}

/** What a call has of a server that is up. */
export interface Up {
  readonly server: ServerInfo
}

export interface Way<T extends Up> {
  /** Brings up one server; `options` know where those are that it needs. */
  readonly begin: (server: Server, options: Server['options'], signal: AbortSignal) => Promise<T>
  /** Lets go of one that is up, since another is not. */
  readonly letGo: (up: T) => Promise<unknown>
}

/** `${port}` belongs to a shell or to JavaScript, and `%{url}` to curl. */
const PLACEHOLDER = /(?<![$%])\{(url|port|host)(?::([A-Za-z0-9._-]+))?\}/g

/** What a server or a command learns of a server that is up. */
export const factsOf = ({ url, port }: ServerInfo): Readonly<Record<string, string>> =>
  ({ url, port: String(port), host: bareHost(new URL(url).hostname) || 'localhost' })

/**
 * `{url:db}`, `{port:db}` and `{host:db}` in a text; `{url}` and the like where `own` says it, and as they are where it does not. A name
 * that is none of these servers is a mistake, which a program would notice too late.
 */
export const fillIn = (text: string, up: ReadonlyMap<string | undefined, Up>, own?: ServerInfo): string =>
  text.replace(PLACEHOLDER, (whole: string, fact: string, name: string | undefined) => {
    const server = name === undefined ? own : up.get(name)?.server
    if (server !== undefined) return factsOf(server)[fact]!
    if (name === undefined) return whole
    const hint = 'Add it to needs in the config file, or to the names of the call.'
    throw invalidCombination(`${whole} names a server that is not among those needed`, hint)
  })

/** The variables by which a command, or a server that needs these, finds them. */
export const variablesOf = (up: ReadonlyMap<string | undefined, Up>): Record<string, string> =>
  Object.fromEntries([...up].flatMap(([name, { server }]) => (name === undefined ? [] : [[variableOf(name), server.url]])))

const withNeeds = ({ options }: Server, needed: ReadonlyMap<string | undefined, Up>): Server['options'] => {
  const { command, env = {}, ready } = options
  if (needed.size === 0) return options
  const fill = (words: readonly string[]): string[] => words.map((word) => fillIn(word, needed))
  const filled = Object.entries(env).map(([name, value]) => [name, value === undefined ? value : fillIn(value, needed)] as const)
  return {
    ...options, env: { ...variablesOf(needed), ...Object.fromEntries(filled) },
    ...(command === undefined ? {} : { command: fill(command) }),
    ...(typeof ready === 'object' && 'command' in ready ? { ready: { command: fill(ready.command) } } : {}),
  }
}

/** The same error in other words. */
export const restated = (error: OneServerError, message: string, cause?: unknown): OneServerError => {
  const { code, hint, exitCode, signal, logTail, logFile, pid, port } = error
  const data = Object.entries({ exitCode, signal, logTail, logFile, pid, port }).filter(([, value]) => value !== undefined)
  return new OneServerError(code, message, hint, Object.fromEntries(data), cause)
}

/** The same error, which says of which server it is. */
const about = (name: string | undefined, error: unknown): unknown => {
  if (name === undefined || !(error instanceof OneServerError) || error.code === 'ABORTED') return error
  return restated(error, `${name}: ${error.message}`, error)
}

/** Brings up these servers, of which each stands behind those that it needs. What is up, by names, in the same order. */
export const bringUp = async <T extends Up>(
  servers: readonly Server[], { begin, letGo }: Way<T>, signal?: AbortSignal,
): Promise<ReadonlyMap<string | undefined, T>> => {
  const failed = new AbortController()
  const until = AbortSignal.any([failed.signal, ...(signal === undefined ? [] : [signal])])
  const begun = new Map<string | undefined, Promise<T>>()
  let first: { readonly error: unknown } | undefined
  for (const server of servers) {
    const start = async (): Promise<T> => {
      const needed = await Promise.all(server.needs.map(async (name) => [name, await begun.get(name)!] as const))
      try {
        return await begin(server, withNeeds(server, new Map(needed)), until)
      } catch (error) {
        first ??= { error: servers.length === 1 ? error : about(server.name, error) }
        failed.abort()
        throw error
      }
    }
    begun.set(server.name, start())
  }
  const ended = await Promise.allSettled(begun.values())
  const up = new Map([...begun.keys()].flatMap((name, at) => {
    const one = ended[at]!
    return one.status === 'fulfilled' ? [[name, one.value] as const] : []
  }))
  if (first === undefined) return up
  await Promise.allSettled([...up.values()].map(letGo))
  throw first.error
}
