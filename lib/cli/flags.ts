/**
 * Every flag: those of options, which the table of options has, and those that only the command line knows. A value is
 * judged by the library's own rules, under the name that the user typed, be it a variable's. A warm call loads this
 * file, so what a flag is for stands elsewhere (flag-words.ts).
 */
import { invalidCombination, invalidOption } from '../errors.js'
import type { ClientProcessManagerOptions } from '../options/options.js'
import {
  parseDuration, parseHealth, parseHost, parseOnMismatch, parsePath, parsePort, parseReady, parseStatuses, type Kind,
} from '../options/parse.js'
import { logPattern } from '../options/log-pattern.js'
import { RULES, type OptionName, type OPTIONS, type Rule } from '../options/table.js'
import { shellHabitIn } from '../text/shell-habits.js'
import { splitWords } from '../text/shell-words.js'

/** What flags add up to: options of the library, and what only the command line knows. */
export type Choices = ClientProcessManagerOptions &
  { lines?: number; pid?: number; linger?: number; clientEnv?: Readonly<Record<string, string>> }

/** A command's own defaults, in place of the table's. */
export type Defaults = Readonly<Record<string, string>>

export interface Flag {
  readonly short?: string
  /** The environment variable that counts where the flag is not given. */
  readonly variable?: string
  /** What it says by itself, where it takes no value. */
  readonly sets?: Choices
  /** What its variable says, of a flag that takes no value. */
  readonly said?: (spelled: string, value: string) => Choices
  /** What its value says; a flag without this takes none. `spelled` is the spelling that the user chose. */
  readonly read?: (spelled: string, value: string) => Choices
}

const port = (spelled: string, value: string): Choices => {
  const choice = parsePort(spelled, value)
  if (choice.kind === 'fixed') return { port: choice.port }
  return { port: choice.kind === 'list' ? choice.ports : 'auto' }
}

const wordsOf = (spelled: string, value: string): readonly string[] => {
  const split = splitWords(value)
  if ('malformed' in split) throw invalidOption(spelled, `a command in words and quotes as a shell has them (${split.malformed})`, value)
  const habit = shellHabitIn(value)
  if (habit !== undefined) throw invalidCombination(`${spelled}: ${habit}`, 'See one-server --help.')
  if (!split.words[0]) throw invalidOption(spelled, 'a command, such as "node server.js"', value)
  return split.words
}

const ready = (spelled: string, value: string): Choices => {
  const [, words] = /^cmd:(.*)$/s.exec(value) ?? []
  const choice = words !== undefined ? { command: wordsOf(spelled, words) }
    : value.startsWith('log:') ? { log: logPattern(spelled, value.slice('log:'.length)) } : value
  parseReady(spelled, choice)
  return { ready: choice }
}

const lines = (spelled: string, value: string): Choices => {
  if (!/^\d{1,9}$/.test(value)) throw invalidOption(spelled, 'a whole number of lines', value)
  return { lines: Number(value) }
}

const pid = (spelled: string, value: string): Choices => {
  if (!/^[1-9]\d{0,9}$/.test(value)) throw invalidOption(spelled, 'the PID of a process, such as $$ in a shell', value)
  return { pid: Number(value) }
}

/** Given several times, the flag adds up (arguments.ts). */
const clientEnv = (spelled: string, value: string): Choices => {
  const [, name, text] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(value) ?? []
  if (name === undefined || text === undefined) throw invalidOption(spelled, 'NAME=VALUE, such as BASE_URL={url}', value)
  return { clientEnv: { [name]: text } }
}

const yesOrNo = (spelled: string, value: string): boolean => {
  if (!/^(0|1|false|true|no|yes)$/i.test(value)) throw invalidOption(spelled, '0 or 1', value)
  return /^(1|true|yes)$/i.test(value)
}

/** Every user of this host reads the words of a command. */
const coordinator = (spelled: string, value: string): Choices => {
  if (spelled.startsWith('-') && value.includes('@')) {
    const why = 'takes no user and password, which every user of this host would see: set ONE_SERVER_COORDINATOR to that URL'
    throw invalidCombination(`${spelled} ${why}`, 'See one-server --help.')
  }
  return { coordinator: value }
}

const linger = (spelled: string, value: string): Choices => ({ linger: parseDuration(spelled, value) })

/** A value of these kinds is not the word itself. */
const READERS: Partial<Record<Kind, (spelled: string, value: string, option: OptionName, least?: number) => Choices>> = {
  port, ready, coordinator,
  command: (spelled, value) => ({ command: wordsOf(spelled, value) }),
  paths: (spelled, value) => ({ envFile: [parsePath(spelled, value)] }),
  statuses: (spelled, value) => {
    parseStatuses(spelled, value)
    return { healthStatus: value }
  },
  healthPath: parseHealth,
  host: (spelled, value, option) => ({ [option]: parseHost(spelled, value) }),
  mismatch: (spelled, value) => ({ onMismatch: parseOnMismatch(spelled, value) }),
  duration: (spelled, value, option, least) => ({ [option]: parseDuration(spelled, value, least) }),
}

const flagOf = (option: OptionName, { kind, least, variable }: Rule): Flag => {
  // A flag needs no value to say the contrary of a default. A variable does.
  const said = (spelled: string, value: string): Choices => ({ [option]: yesOrNo(spelled, value) })
  if (kind === 'boolean') return { sets: { [option]: false }, ...(variable === undefined ? {} : { variable, said }) }
  const reader = READERS[kind]
  const read: Flag['read'] = (spelled, value) => reader?.(spelled, value, option, least) ?? { [option]: value }
  return variable === undefined ? { read } : { variable, read }
}

const OWN = {
  linger: { read: linger },
  env: { read: clientEnv }, pid: { read: pid }, lines: { short: 'n', read: lines },
  follow: { short: 'f' }, prev: {}, named: {}, watch: {}, 'if-idle': {},
  json: {}, quiet: {}, help: { short: 'h' },
} as const satisfies Readonly<Record<string, Flag>>

export type OwnFlag = keyof typeof OWN
export type FlagName = Extract<(typeof OPTIONS)[OptionName], { readonly flag: string }>['flag'] | OwnFlag

const ofOptions = Object.fromEntries((Object.entries(RULES) as [OptionName, Rule][])
  .flatMap(([option, rule]) => (rule.flag === undefined ? [] : [[rule.flag, flagOf(option, rule)]])))

export const FLAGS: Readonly<Record<string, Flag>> = { ...ofOptions, ...OWN }

/** In the order of the table. */
export const OPTION_FLAGS = Object.keys(ofOptions) as FlagName[]

export const flag = (name: FlagName): Flag => FLAGS[name] as Flag
