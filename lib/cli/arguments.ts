/**
 * The words after the command become one frozen request, or one error that names the flag as the user typed it. A mistake
 * in a call must not leave anything half done, so all of it is judged here, by the library's own funnel too, before a
 * command begins.
 *
 * The parser is Node's own, util.parseArgs. Commander was tried: bundled it adds 57 kB and 4 ms to a warm `start`, it does
 * not tell `--port=-x` from `--port -x`, and it lets a wrong value hide a --help behind it.
 */
import type { ParseArgsConfig } from 'node:util'
import { invalidCombination, type OneServerError } from '../errors.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import { settingsFrom, type Configured, type Settings } from '../options/settings.js'
import { FLAGS, flag, type Choices, type Defaults, type FlagName } from './flags.js'
import { holdsForAll } from '../options/for-all.js'
import { RULES, type OptionName } from '../options/table.js'
import { shellHabitOf } from '../text/shell-habits.js'
import type { Server } from '../bring-up.js'
import { serversAsked } from './precedence.js'

/** What a command takes. */
export interface Accepts {
  /** The command's own name, for messages. */
  readonly word: string
  readonly flags: readonly FlagName[]
  /** It takes [name]; `several`: also more than one, as `api,web`. */
  readonly named: boolean | 'several'
  /** Whose command it takes after `--`. Absent: none. */
  readonly rest?: 'server' | 'client'
  readonly defaults?: Defaults
  /** The command takes one of these words first, and no flag stands before or after it. */
  readonly choices?: readonly string[]
}

export interface Request {
  /** What the call is about, each after those that it needs. */
  readonly servers: readonly Server[]
  /** The names that the user gave, in that order. None: the default server, or one by its PID file. */
  readonly names: readonly string[]
  /** Of the first server that was asked for: options of the library, as given by flags, the environment and the config file. */
  readonly options: ClientProcessManagerOptions & Configured
  /** Those that the user typed. */
  readonly typed: ClientProcessManagerOptions
  /** The same after the library's funnel, with all defaults. */
  readonly settings: Settings
  readonly help: boolean
  readonly follow: boolean
  /** The log of the run before. */
  readonly prev: boolean
  readonly ifIdle: boolean
  readonly onlyNamed: boolean
  readonly watch: boolean
  readonly lines: number | undefined
  /** In whose name a lease is. Undefined: in that of this process. */
  readonly pid: number | undefined
  /** ms that this host waits at the end for other hosts that use its server. */
  readonly linger: number | undefined
  /** Variables for the client's command, before they are filled in. */
  readonly clientEnv: Readonly<Record<string, string>>
  /** A name of the config file that the user may have misspelt. */
  readonly doubt: string | undefined
  /** All words, of a command that judges them itself. */
  readonly words: readonly string[]
  /** What stands after `--` where that is a client's. Never empty there. */
  readonly client: readonly string[]
}

/** The call is wrong. */
export const usage = (message: string): OneServerError => invalidCombination(message, 'See one-server --help.')

/** Words before and after the first `--`. */
const halves = (argv: readonly string[]): { own: string[]; rest: string[] | undefined } => {
  const at = argv.indexOf('--')
  return at < 0 ? { own: [...argv], rest: undefined } : { own: argv.slice(0, at), rest: argv.slice(at + 1) }
}

/** Whether a flag without a value stands before `--`. An error follows --json and --quiet, whatever else is wrong with the call. */
export const mentions = (argv: readonly string[], name: FlagName): boolean => halves(argv).own.includes(`--${name}`)

const tokensOf = (args: string[]) => {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { short, read: reads }] of Object.entries(FLAGS)) {
    options[name] = { type: reads === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) }
  }
  // Since Node 22 node:util opens process.stderr: a command that shares its streams must have made them its own before.
  const { parseArgs } = process.getBuiltinModule('node:util')
  // Not strict: its messages speak of parseArgs and run over several lines.
  return parseArgs({ args, options, strict: false, tokens: true, allowPositionals: true }).tokens
}

interface Collected {
  readonly given: ReadonlySet<string>
  readonly names: readonly string[]
  readonly choices: Choices
}

/** What the tokens say; of a flag that is given twice the last one counts, and of --env all. */
const collect = async (tokens: ReturnType<typeof tokensOf>, { word, flags }: Accepts): Promise<Collected> => {
  const given = new Set<string>()
  const names: string[] = []
  const choices: Choices = {}
  for (const token of tokens) {
    if (token.kind === 'positional') names.push(token.value)
    if (token.kind !== 'option') continue
    const name = flags.find((known) => known === token.name)
    if (name === undefined) throw usage((await import('./flag-words.js')).unknownFlag(word, token.name, token.rawName, flags))
    const { sets, read: reads } = flag(name)
    given.add(name)
    if (reads === undefined) {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value, got ${JSON.stringify(token.value)}`)
      Object.assign(choices, sets)
      continue
    }
    // `--port --json` is a forgotten value, not a port called --json; `--port=--json` is one.
    const forgotten = !token.value || (!token.inlineValue && token.value.startsWith('-'))
    if (forgotten) throw usage((await import('./flag-words.js')).needsValue(name, token.rawName))
    const { clientEnv: variable, envFile, ...rest } = reads(token.rawName, token.value as string)
    Object.assign(choices, rest)
    if (envFile !== undefined) choices.envFile = [choices.envFile ?? [], envFile].flat()
    if (variable !== undefined) choices.clientEnv = { ...choices.clientEnv, ...variable }
  }
  return { given, names, choices }
}

export const read = async (argv: readonly string[], accepts: Accepts, env: NodeJS.ProcessEnv = process.env): Promise<Request> => {
  const words = accepts.choices !== undefined && !argv[0]?.startsWith('-') ? argv : []
  const { own, rest } = halves(words.length > 0 ? [] : argv)
  const tokens = tokensOf(own)
  // A user who asks for help gets it, whatever else is wrong with the call.
  const help = tokens.some((token) => token.kind === 'option' && token.name === 'help')
  const { given, names, choices: { lines, pid, linger, clientEnv = {}, ...typed } } = await collect(help ? [] : tokens, accepts)
  if (given.has('prev') && given.has('follow')) {
    throw usage('give --prev or --follow, not both: nothing more is written to the log of the run before')
  }
  const asked = help ? [] : place(typed, names, accepts)
  const command = help ? undefined : commandAfter(rest, accepts)
  if (accepts.rest === 'server' && command !== undefined) {
    if (typed.command !== undefined) throw usage('give --server or a command after --, not both')
    typed.command = command
  }
  if (typed.command !== undefined && asked.length > 1) throw usage(`a command is about one server, got ${asked.join(', ')}`)
  if (typed.command !== undefined) assertShareable(typed, given.has('server'), accepts)
  const starts = accepts.rest !== undefined
  if (typed.envFile !== undefined) {
    // What stands on the command line comes before all that a file says, its env included.
    const { variablesIn } = await import('../options/env-file.js')
    typed.env = variablesIn('--server-env-file', [typed.envFile].flat() as string[])
    delete typed.envFile
  }
  const completed = help ? { servers: [], doubt: undefined } : await serversAsked(typed, asked, { flags: accepts.flags, env, starts })
  const { doubt } = completed
  const servers = completed.servers.map((server) => ({ ...server, options: { ...accepts.defaults, ...server.options } }))
  const options = servers.find(({ name }) => name === asked[0])?.options ?? {}
  // All are judged before anything begins.
  for (const server of servers) settingsFrom(server.options)
  return Object.freeze({
    servers, names: asked, options, typed, doubt, settings: settingsFrom(options), help, lines, pid, linger, clientEnv,
    follow: given.has('follow'), prev: given.has('prev'), ifIdle: given.has('if-idle'),
    onlyNamed: given.has('named'), watch: given.has('watch'), words,
    client: accepts.rest === 'client' ? command ?? [] : [],
  })
}

/** Words that belong to no flag: the name, or several of them between commas. */
const place = (options: ClientProcessManagerOptions, names: readonly string[], accepts: Accepts): readonly string[] => {
  const { word, named, rest } = accepts
  const [name] = names
  if (name !== undefined && !named) throw usage(`${word} takes no name, got ${JSON.stringify(name)}`)
  if (names.length > 1) {
    const but = rest === undefined ? '' : `; the ${rest}'s command goes after --`
    throw usage(`${word} takes one name, got ${names.map((item) => JSON.stringify(item)).join(' ')}${but}`)
  }
  if (name === undefined) return []
  if (options.pidFile !== undefined) throw usage('give a name or --pid-file, not both: each names the server')
  const all = [...new Set(named === 'several' ? name.split(',') : [name])]
  if (all.includes('')) throw usage(`a name is missing in ${JSON.stringify(name)}`)
  if (all.length > 1) assertForAll(options, all, accepts)
  options.name = all[0]!
  return all
}

/** Of several servers each has its own command, port and so on: so only times and what is about this host can hold for all. */
const assertForAll = (options: ClientProcessManagerOptions, names: readonly string[], { flags }: Accepts): void => {
  const one = (Object.keys(options) as OptionName[]).find((option) => !holdsForAll(option))
  if (one === undefined) return
  const spelled = RULES[one].flag ?? flags.find((name) => name === RULES.healthPath.flag)
  throw usage(`--${spelled} is about one server, got ${names.join(', ')}: write it into the config file, where each has its own`)
}

const EXAMPLES = { server: 'node server.js', client: 'npm test' } as const

/** What stands after `--`, if it may. */
const commandAfter = (command: readonly string[] | undefined, { word, rest }: Accepts): readonly string[] | undefined => {
  if (command === undefined) {
    if (rest === 'client') throw usage(`${word} needs the client's command after --, such as one-server ${word} -- ${EXAMPLES.client}`)
    return undefined
  }
  if (rest === undefined) throw usage(`${word} takes no command after --; see one-server ${word} --help`)
  const habit = shellHabitOf(command, rest === 'client')
  if (habit !== undefined) throw usage(`the command after --: ${habit}`)
  if (!command[0]) throw usage(`-- must be followed by the ${rest}'s command, such as -- ${EXAMPLES[rest]}`)
  return command
}

/** A command must be the only way to start the server, and the server must have a name by which others can share it. */
const assertShareable = (
  { command, serverScript, name, pidFile }: ClientProcessManagerOptions, byFlag: boolean, { word, rest }: Accepts,
): void => {
  if (serverScript !== undefined) throw usage(`give --script or ${byFlag ? '--server' : 'a command after --'}, not both`)
  if (name !== undefined || pidFile !== undefined) return
  const after = rest === 'client' ? ` -- ${EXAMPLES.client}` : ''
  throw usage(byFlag
    ? `--server needs a name, such as one-server ${word} web --server "${EXAMPLES.server}"${after}`
    : `a command after -- needs a name, such as one-server ${word} web -- ${command?.[0]}`)
}
