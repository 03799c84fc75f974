/**
 * The words after the command become one frozen request, or one error that names the flag as it was
 * typed. All of it is judged here, by the library's own funnel too, before a command begins: so a
 * mistake in the call can never leave anything half done.
 */
import { existsSync } from 'node:fs'
import type { ParseArgsConfig } from 'node:util'
import { locate } from '../config/locate.js'
import { override } from '../config/override.js'
import { invalidCombination, type OneServerError } from '../errors.js'
import { settingsFrom, type ClientProcessManagerOptions, type Configured, type Settings } from '../options.js'
import { FLAGS, flag, type Choices, type FlagName } from './flags.js'

/** What a command takes. */
export interface Accepts {
  /** The command's own name, for messages. */
  readonly word: string
  readonly flags: readonly FlagName[]
  /** It takes [name]. */
  readonly named: boolean
  /** Whose command it takes after `--`. Absent: none. */
  readonly rest?: 'server' | 'client'
}

export interface Request {
  /** Options of the library, as given by flags, the environment and the config file: none that nobody asked for. */
  readonly options: ClientProcessManagerOptions & Configured
  /** Those that were typed. */
  readonly typed: ClientProcessManagerOptions
  /** The same after the library's funnel, with all defaults. */
  readonly settings: Settings
  readonly help: boolean
  readonly follow: boolean
  /** What the run before has left. */
  readonly prev: boolean
  readonly ifIdle: boolean
  readonly onlyNamed: boolean
  readonly lines: number | undefined
  /** What the user may have meant, where that is in doubt. */
  readonly doubt: string | undefined
  /** What stands after `--` where that is a client's. Never empty there. */
  readonly client: readonly string[]
}

const usage = (message: string): OneServerError => invalidCombination(message, 'See one-server --help.')

const unknownFlag = async (word: string, name: string, rawName: string, flags: readonly FlagName[]): Promise<OneServerError> => {
  if (Object.hasOwn(FLAGS, name)) return usage(`${rawName} does not apply to ${word}; see one-server ${word} --help`)
  const { closestMatch } = await import('../text/did-you-mean.js')
  const near = closestMatch(rawName, flags.map((known) => `--${known}`))
  const advice = near === undefined ? `see one-server ${word} --help` : `did you mean ${near}?`
  return usage(`unknown option ${rawName} for ${word}; ${advice}`)
}

/** Words before and after the first `--`. */
const halves = (argv: readonly string[]): { own: string[]; rest: string[] | undefined } => {
  const at = argv.indexOf('--')
  return at < 0 ? { own: [...argv], rest: undefined } : { own: argv.slice(0, at), rest: argv.slice(at + 1) }
}

/** Whether a flag without a value stands among our own words. For what must be known even when the rest is wrong. */
export const mentions = (argv: readonly string[], name: FlagName): boolean => halves(argv).own.includes(`--${name}`)

const tokensOf = (args: string[]) => {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const name of Object.keys(FLAGS) as FlagName[]) {
    const { short, value } = flag(name)
    options[name] = { type: value === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) }
  }
  // Not before a command that shares its streams has made them its own: since Node 22 node:util opens process.stderr.
  const { parseArgs } = process.getBuiltinModule('node:util')
  // Not strict: its messages speak of parseArgs and run over several lines.
  return parseArgs({ args, options, strict: false, tokens: true, allowPositionals: true }).tokens
}

/** What the environment says of what could be flags. An empty variable says nothing. */
const fromEnvironment = (flags: readonly FlagName[], env: NodeJS.ProcessEnv): ClientProcessManagerOptions => {
  const options: ClientProcessManagerOptions = {}
  for (const name of flags) {
    const { variable, read: apply } = flag(name)
    const value = variable === undefined ? undefined : env[variable]
    if (variable !== undefined && value) Object.assign(options, apply?.(variable, value))
  }
  return options
}

/** Flags before the environment before the nearest config file, if that knows the name. */
const complete = async (typed: ClientProcessManagerOptions, flags: readonly FlagName[], env: NodeJS.ProcessEnv): Promise<Pick<Request, 'options' | 'doubt'>> => {
  const options = override(fromEnvironment(flags, env), typed)
  const { name, ...rest } = options
  const found = name === undefined ? undefined : locate()
  if (name === undefined || found === undefined) return { options, doubt: undefined }
  const { optionsOf, serversOf } = await import('../config/configured.js')
  const servers = serversOf(found)
  const server = servers.get(name)
  if (server !== undefined) return { options: override(optionsOf(found, name, server), rest), doubt: undefined }
  // Whoever says how to start it, or has it already, means this very name.
  if (options.command !== undefined || options.serverScript !== undefined || existsSync(settingsFrom({ name }).pidFile)) return { options, doubt: undefined }
  const { closestMatch } = await import('../text/did-you-mean.js')
  const near = closestMatch(name, [...servers.keys()])
  return { options, doubt: near === undefined ? undefined : `${found.file} has no ${JSON.stringify(name)}; did you mean ${near}?` }
}

export const read = async (argv: readonly string[], accepts: Accepts, env: NodeJS.ProcessEnv = process.env): Promise<Request> => {
  const { word, flags } = accepts
  const { own, rest } = halves(argv)
  const tokens = tokensOf(own)
  const given = new Set<string>()
  const names: string[] = []
  const choices: Choices = {}
  // Whoever asks for help gets it, whatever else is wrong with the call.
  const help = tokens.some((token) => token.kind === 'option' && token.name === 'help')
  for (const token of help ? [] : tokens) {
    if (token.kind === 'positional') names.push(token.value)
    if (token.kind !== 'option') continue
    if (!(flags as readonly string[]).includes(token.name)) throw await unknownFlag(word, token.name, token.rawName, flags)
    const { value: placeholder, sample, sets, read: apply } = flag(token.name as FlagName)
    given.add(token.name)
    if (placeholder === undefined) {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value, got ${JSON.stringify(token.value)}`)
      Object.assign(choices, sets)
      continue
    }
    // `--port --json` is a forgotten value, not a port called --json; `--port=--json` was meant.
    const forgotten = !token.value || (!token.inlineValue && token.value.startsWith('-'))
    if (forgotten) throw usage(`${token.rawName} needs a value, such as ${token.rawName} ${sample}`)
    Object.assign(choices, apply?.(token.rawName, token.value as string))
  }
  const { lines, ...typed } = choices
  if (given.has('prev') && given.has('follow')) throw usage('give --prev or --follow, not both: nothing is written to the log of a run that is over')
  if (!help) place(typed, names, accepts)
  const command = help ? undefined : commandAfter(rest, accepts)
  if (accepts.rest === 'server' && command !== undefined) {
    if (typed.command !== undefined) throw usage('give --server or a command after --, not both')
    typed.command = command
  }
  if (typed.command !== undefined) agree(typed, given.has('server'), accepts)
  const { options, doubt } = help ? { options: {}, doubt: undefined } : await complete(typed, flags, env)
  return Object.freeze({
    options, typed, doubt, settings: settingsFrom(options), help, follow: given.has('follow'), prev: given.has('prev'), ifIdle: given.has('if-idle'), onlyNamed: given.has('named'), lines,
    client: accepts.rest === 'client' ? command ?? [] : [],
  })
}

/** Words that belong to no flag: the name. */
const place = (options: ClientProcessManagerOptions, names: readonly string[], { word, named, rest }: Accepts): void => {
  const [name] = names
  if (name !== undefined && !named) throw usage(`${word} takes no name, got ${JSON.stringify(name)}`)
  if (names.length > 1) {
    const but = rest === undefined ? '' : `; the ${rest}'s command goes after --`
    throw usage(`${word} takes one name, got ${names.map((item) => JSON.stringify(item)).join(' ')}${but}`)
  }
  if (name === undefined) return
  if (options.pidFile !== undefined) throw usage(`give a name or --pid-file, not both: each says which server is meant`)
  options.name = name
}

const EXAMPLES = { server: 'node server.js', client: 'npm test' } as const

/** What stands after `--`, if it may. */
const commandAfter = (command: readonly string[] | undefined, { word, rest }: Accepts): readonly string[] | undefined => {
  if (command === undefined) {
    if (rest === 'client') throw usage(`${word} needs the client's command after --, such as one-server ${word} -- ${EXAMPLES.client}`)
    return undefined
  }
  if (rest === undefined) throw usage(`${word} takes no command after --; see one-server ${word} --help`)
  if (!command[0]) throw usage(`-- must be followed by the ${rest}'s command, such as -- ${EXAMPLES[rest]}`)
  return command
}

/** A command must be the only way that is given to start the server, and others must be able to mean the same one. */
const agree = ({ command, serverScript, name, pidFile }: ClientProcessManagerOptions, byFlag: boolean, { word, rest }: Accepts): void => {
  if (serverScript !== undefined) throw usage(`give --script or ${byFlag ? '--server' : 'a command after --'}, not both`)
  if (name !== undefined || pidFile !== undefined) return
  const after = rest === 'client' ? ` -- ${EXAMPLES.client}` : ''
  throw usage(byFlag
    ? `--server needs a name, such as one-server ${word} web --server ${FLAGS.server.sample}${after}`
    : `a command after -- needs a name, such as one-server ${word} web -- ${command?.[0]}`)
}
