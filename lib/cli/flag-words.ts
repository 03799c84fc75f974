/**
 * The words about flags: their lines in the help, and the errors about wrong ones. A warm call has no use for words, so only
 * the help and a wrong call load this file.
 */
import { defaultOf, OPTIONS, type Row } from '../options/table.js'
import { closestMatch } from '../text/did-you-mean.js'
import { FLAGS, flag, type Defaults, type FlagName, type OwnFlag } from './flags.js'

interface Words {
  readonly text: string
  /** How the help calls the value. */
  readonly value?: string
  /** A value that the flag accepts. */
  readonly sample?: string
}

const OWN: Readonly<Record<OwnFlag, Words>> = {
  env: {
    value: 'NAME=VALUE', sample: 'BASE_URL={url}',
    text: "a variable for the client's command; {url}, {port} and {host} in it are the server's. May be given again",
  },
  pid: {
    value: 'PID', sample: '$$',
    text: 'return at once, and use the server until that process of yours ends: a shell, an editor, an agent. Not on Windows',
  },
  linger: {
    value: 'TIME', sample: '10m',
    text: 'with a coordinator, on the host that runs the server: how long to wait at the end for other hosts that use it (default: 1h)',
  },
  watch: { text: 'go on, until Ctrl-C: redraws on a terminal, else a line for each change' },
  named: { text: 'only the default server and those with a name' },
  'if-idle': { text: 'leave the server running while clients use it' },
  lines: { value: 'N', sample: '50', text: 'how many of the last lines (default: 20)' },
  follow: { text: 'go on with what is written, across restarts, until Ctrl-C' },
  prev: { text: 'the log of the run before' },
  json: { text: 'print one JSON document on stdout' },
  quiet: { text: 'no progress on stderr; errors are still printed' },
  help: { text: 'print this help' },
}

const wordsOf = (name: FlagName, defaults: Defaults = {}): Words => {
  const [option, row] = Object.entries<Row>(OPTIONS).find(([, { flag: own }]) => own === name) ?? []
  if (option === undefined || row === undefined) return OWN[name as OwnFlag]
  const standard = row.value === undefined ? undefined : defaults[option] ?? defaultOf(row)
  return { ...row, text: standard === undefined ? row.text : `${row.text} (default: ${standard})` }
}

/** A flag as the help lists it, and what it is for. `defaults`: those of the command. */
export const rowOf = (name: FlagName, defaults?: Defaults): [flag: string, text: string] => {
  const { value, text } = wordsOf(name, defaults)
  const { short } = flag(name)
  return [`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, text]
}

export const needsValue = (name: FlagName, spelled: string): string =>
  `${spelled} needs a value, such as ${spelled} ${wordsOf(name).sample}`

/** `word` is the command that takes `flags`. */
export const unknownFlag = (word: string, name: string, spelled: string, flags: readonly FlagName[]): string => {
  if (Object.hasOwn(FLAGS, name)) return `${spelled} does not apply to ${word}; see one-server ${word} --help`
  const near = closestMatch(spelled, flags.map((known) => `--${known}`))
  const advice = near === undefined ? `see one-server ${word} --help` : `did you mean ${near}?`
  return `unknown option ${spelled} for ${word}; ${advice}`
}
