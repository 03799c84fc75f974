/**
 * Which server a client wants, beyond its PID file: command, arguments, working directory, the variables that it names,
 * and a version. A client that was upgraded, or sits in another checkout, must not get the other checkout's server
 * without a word. A client that does not say how to start the server takes any.
 *
 * This fingerprint is not the identity of a process, which is its PID and start time.
 */
import type { Settings } from '../options/settings.js'
import type { Fingerprint } from '../state/launch-record.js'

const OFFSET = 0xcbf29ce484222325n
const PRIME = 0x100000001b3n

/**
 * FNV-1a, 64 bits (Fowler, Noll, Vo): node:crypto would cost a warm call more than all of this. Not a secret's
 * protection; the file is 0600.
 */
const hash = (value: string | undefined): string => {
  if (value === undefined) return '-'
  let sum = OFFSET
  for (const byte of Buffer.from(value)) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * PRIME)
  return sum.toString(16)
}

const commandOf = ({ command, serverScript }: Settings): readonly string[] => command ?? (serverScript === undefined ? [] : [serverScript])

const hashed = new WeakMap<Settings, Readonly<Record<string, string>>>()

/** Of all variables that the client names. They are frozen with its settings, and a process that calls often hashes them once. */
const hashesOf = (settings: Settings): Readonly<Record<string, string>> => {
  const known = hashed.get(settings) ?? Object.fromEntries(Object.entries(settings.env).map(([name, value]) => [name, hash(value)]))
  hashed.set(settings, known)
  return known
}

/** Of the variables that the client names, or of those that it only passes on from its own environment. */
const hashes = (settings: Settings, ofSpread: boolean): Record<string, string> =>
  Object.fromEntries(Object.entries(hashesOf(settings)).filter(([name]) => settings.spread.has(name) === ofSpread))

/** Hosts with one prefix share a server; the engine may be written in several ways. */
const prefixOf = (coordinator: Settings['coordinator']): string | undefined =>
  typeof coordinator === 'string' ? coordinator.replace(/^.*?\/\/[^/]*\/*|\/$/g, '') || 'one-server' : coordinator?.prefix

export const fingerprintOf = (given: Settings): Fingerprint => {
  const settings = given.asked ?? given
  return {
    command: commandOf(settings), cwd: settings.cwd, env: hashes(settings, false),
    ...(settings.spread.size === 0 ? {} : { spread: hashes(settings, true) }),
    ...(settings.version === undefined ? {} : { version: settings.version }),
    coordinator: prefixOf(settings.coordinator),
  }
}

/**
 * Programs that run what the next words say. A version manager (nvm, Volta) keeps each in a folder of its own, and PATH would lead two
 * clients to two of them as well. A program of a checkout is another one in each checkout, so of any other name the whole path counts.
 */
const RUNNERS = /^(node|nodejs|npm|npx|pnpm|yarn|bun|deno|python[\d.]*|ruby|php|java|sh|bash)(\.exe|\.cmd)?$/

const programOf = (word = ''): string => {
  const name = word.slice(Math.max(word.lastIndexOf('/'), word.lastIndexOf('\\')) + 1)
  return /^(\/|[A-Za-z]:)/.test(word) && RUNNERS.test(name) ? name.replace(/\.(exe|cmd)$/, '') : word
}

const isSameCommand = (one: readonly string[], other: readonly string[]): boolean =>
  JSON.stringify([programOf(one[0]), ...one.slice(1)]) === JSON.stringify([programOf(other[0]), ...other.slice(1)])

/** What of a running server is not as this client wants it: a line each, for people. */
export const differences = (given: Settings, running: Fingerprint): string[] => {
  const settings = given.asked ?? given
  const found: string[] = []
  const differ = (
    what: string, runs: string, wanted: string,
  ): void => { if (runs !== wanted) found.push(`${what}: runs ${runs}, wanted ${wanted}`) }
  if (settings.version !== undefined) differ('version', running.version ?? 'one without a version', settings.version)
  const coordinator = prefixOf(settings.coordinator)
  if (coordinator !== undefined) differ('coordinator', running.coordinator ?? '-', coordinator)
  const command = commandOf(settings)
  if (command.length === 0) return found
  if (!isSameCommand(running.command, command)) differ('command', JSON.stringify(running.command), JSON.stringify(command))
  if (settings.given.has('cwd')) differ('cwd', running.cwd, settings.cwd)
  const env = hashes(settings, false)
  for (const name of new Set([...Object.keys(running.env), ...Object.keys(env)])) {
    const here = settings.spread.has(name) ? hashesOf(settings)[name] : env[name]
    const there = running.env[name] ?? running.spread?.[name]
    if (there === here) continue
    const lacks = there === undefined ? 'not named by who started it' : 'named by who started it, not here'
    found.push(`env ${name}: ${there === undefined || here === undefined ? lacks : 'another value'}`)
  }
  return found
}
