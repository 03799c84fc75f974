/**
 * Which servers a server needs, from the config file. A cycle would wait for itself, and a name that is misspelt would start
 * half of what is needed: so both are errors with file and line, before anything is started.
 */
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

const idleTimeoutOf = (part: Part): number => {
  const { least, default: standard } = RULES.idleTimeout
  try {
    return parseDuration('idleTimeout', (part.isObject ? part.entries().get('idleTimeout')?.value : undefined) ?? standard, least)
  } catch {
    // A mistake in one server must not stop the others.
    return 0
  }
}

/**
 * How long a server lives on after its last lease, in ms: as long as each server that needs it, or a server would lose what it needs.
 * Undefined where its own entry says it. Each client that starts it gives the same, whichever server the client asked for.
 */
export const idleTimeoutWith = (servers: Servers, name: string): number | undefined => {
  const above = new Set([name])
  for (let size = 0; size < above.size;) {
    size = above.size
    for (const [one, part] of servers) if (named(part).some((need) => above.has(need as string))) above.add(one)
  }
  const times = [...above].map((one) => idleTimeoutOf(servers.get(one)!))
  const longest = Math.max(...times)
  return longest > times[0]! ? longest : undefined
}
