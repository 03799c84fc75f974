/**
 * Which servers a server needs, from the config file. A cycle would wait for itself, and a name that is misspelt would start
 * half of what is needed: so both are errors with file and line, before anything is started.
 */
import type { ClientProcessManagerOptions } from '../options/options.js'
import { closestMatch } from '../text/did-you-mean.js'
import { parseDuration } from '../options/parse.js'
import { RULES } from '../options/table.js'
import { variableOf } from '../text/fill.js'
import type { Part } from './document.js'

type Servers = ReadonlyMap<string, Part>

/** The names that `needs` has, judged by nobody yet. */
const named = (part: Part): readonly unknown[] => {
  const needs = part.isObject ? part.entries().get('needs')?.value : undefined
  return Array.isArray(needs) ? needs : []
}

/** The servers that a server needs by its own entry. */
export const needsOf = (servers: Servers, name: string): readonly string[] => {
  const part = servers.get(name)
  const needs = part?.isObject === true ? part.entries().get('needs') : undefined
  if (needs === undefined) return []
  if (!Array.isArray(needs.value) || needs.value.some((need) => typeof need !== 'string')) {
    throw needs.wrong('expected a list of names of servers, such as ["db"]')
  }
  for (const need of needs.value as string[]) {
    if (servers.has(need)) continue
    const near = closestMatch(need, [...servers.keys()])
    throw needs.wrong(`there is no server ${JSON.stringify(need)}${near === undefined ? '' : `; did you mean ${near}?`}`)
  }
  return [...new Set(needs.value as string[])]
}

/** These servers and all that they need, each after what it needs. */
export const inOrder = (servers: Servers, names: readonly string[]): readonly string[] => {
  const ordered: string[] = []
  const visit = (name: string, above: readonly string[]): void => {
    if (ordered.includes(name)) return
    if (above.includes(name)) {
      const cycle = [...above.slice(above.indexOf(name)), name].join(' needs ')
      throw servers.get(above.at(-1)!)!.entries().get('needs')!.wrong(`${cycle}: a server cannot wait for itself`)
    }
    for (const need of needsOf(servers, name)) visit(need, [...above, name])
    ordered.push(name)
  }
  for (const name of names) visit(name, [])
  for (const [at, name] of ordered.entries()) {
    const other = ordered.slice(0, at).find((one) => variableOf(one) === variableOf(name))
    const part = servers.get(name)
    if (other !== undefined && part !== undefined) throw part.wrong(`${other} and ${name} would both be ${variableOf(name)}; rename one`)
  }
  return ordered
}

/**
 * Those of these names that a server needs, also through others. It is for commands that stop servers: a mistake in the file, even a
 * cycle, must not keep a server alive, so nothing is judged.
 */
export const needsAmong = (servers: Servers, name: string, names: readonly string[]): readonly string[] => {
  const below = new Set<string>()
  const visit = (one: string): void => {
    const part = servers.get(one)
    for (const need of part === undefined ? [] : named(part)) {
      if (typeof need !== 'string' || below.has(need)) continue
      below.add(need)
      visit(need)
    }
  }
  visit(name)
  return names.filter((one) => one !== name && below.has(one))
}

type Times = Pick<ClientProcessManagerOptions, 'idleTimeout' | 'stopTimeout'>

const msOf = (option: keyof Times, value: unknown): number => {
  const { least, default: standard } = RULES[option]
  try {
    return parseDuration(option, value ?? standard, least)
  } catch {
    // A mistake in one server must not stop the others.
    return 0
  }
}

const timesOf = (part: Part): Readonly<Record<string, unknown>> => {
  const said = part.isObject ? part.entries() : new Map<string, Part>()
  return { idleTimeout: said.get('idleTimeout')?.value, stopTimeout: said.get('stopTimeout')?.value }
}

/**
 * How long a server lives on after its last lease, in ms: until each server that needs it has ended. Leases on all of them end at once,
 * and a server may need the others until its end, which takes its `stopTimeout` at most. Undefined where its own time is long enough.
 */
const longEnough = (
  name: string, times: (name: string) => Readonly<Record<string, unknown>>, needing: (name: string) => readonly string[],
): number | undefined => {
  const known = new Map<string, number>()
  const lives = (one: string): number => {
    const own = msOf('idleTimeout', times(one)['idleTimeout'])
    // A cycle is a mistake, of which others tell; here it must come to an end.
    known.set(one, own)
    const above = needing(one).map((other) => (known.get(other) ?? lives(other)) + msOf('stopTimeout', times(other)['stopTimeout']))
    known.set(one, Math.max(own, ...above))
    return known.get(one)!
  }
  const ms = lives(name)
  return ms > msOf('idleTimeout', times(name)['idleTimeout']) ? ms : undefined
}

/** By what the file says. Each client that starts the server gives the same, whichever server the client asked for. */
export const idleTimeoutWith = (servers: Servers, name: string): number | undefined => {
  const needing = (one: string): readonly string[] => [...servers.keys()].filter((other) => named(servers.get(other)!).includes(one))
  return longEnough(name, (one) => timesOf(servers.get(one)!), needing)
}

/** The same servers, where a call says other times than the file. */
export const outliving = <Needing extends { readonly name: string; readonly needs: readonly string[]; readonly options: Times }>(
  servers: readonly Needing[],
): readonly Needing[] => {
  const find = (name: string): Needing => servers.find((one) => one.name === name)!
  const needing = (name: string): readonly string[] => servers.filter(({ needs }) => needs.includes(name)).map((one) => one.name)
  return servers.map((server) => {
    const idleTimeout = longEnough(server.name, (name) => ({ ...find(name).options }), needing)
    return idleTimeout === undefined ? server : { ...server, options: { ...server.options, idleTimeout } }
  })
}
