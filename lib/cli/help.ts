/**
 * The help, composed from the same tables that the parser reads. It fits 80 columns, and each page
 * ends with something that can be copied and run. Loaded when somebody asks.
 */
import { COMMANDS, type Command } from './commands.js'
import { flag, type FlagName } from './flags.js'
import { wrap } from './wrap.js'

const WIDTH = 80

const rows = (items: readonly (readonly [string, string])[]): string => {
  const widest = Math.max(...items.map(([left]) => left.length)) + 4
  return items.map(([left, right]) => wrap(right, WIDTH, `  ${left}`.padEnd(widest), ' '.repeat(widest))).join('\n')
}

const optionRow = (name: FlagName): [string, string] => {
  const { short, value, text } = flag(name)
  return [`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, text]
}

const examples = (lines: readonly string[]): string => lines.map((line) => `  $ ${line}`).join('\n')

const EXIT_CODES = [
  ['0', 'done'], ['1', 'failed'], ['2', 'the call is wrong'], ['3', 'not running (status)'], ['4', 'not healthy in time'],
  ['5', 'the server exited while starting'], ['6', 'the port is in use'], ['7', 'other clients held the lock'], ['129, 130, 143', 'ended by SIGHUP, SIGINT, SIGTERM'],
  ['run', "as its command; 126, 127: it may not be run, or is not found"],
] as const

/** What else says the same as a flag. */
const surroundings = (flags: readonly FlagName[]): string => {
  const variables = flags.flatMap((name) => flag(name).variable ?? [])
  if (variables.length === 0) return ''
  return `\n${wrap(`An option that is not given is taken from the environment: ${variables.join(', ')}; then from the config file.`, WIDTH, '  ', '  ')}\n`
}

export const overview = (): string => `\
Any number of clients, one server: whoever comes first starts it, everyone
waits until it is healthy, nobody starts a second.

Usage: one-server <command> [name] [options] [-- command ...]

Commands:
${rows(Object.values(COMMANDS).map(({ word, summary }) => [word, summary]))}

  one-server <command> --help tells more; one-server --version the version.
  A [name] is one of the nearest one-server.config.json (or "one-server" in
  package.json), found upwards from here, or else a name for all folders.

Examples:
  $ one-server start                    the bundled session server
  $ one-server start web -- npm start   any other, under a name
  $ one-server stop web
  $ one-server run -- npm test          for as long as the tests run

Exit codes:
${rows(EXIT_CODES)}
`

export const helpFor = ({ usage, about, flags, summary, examples: lines }: Command): string => `\
Usage: one-server ${usage}

${wrap(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`, WIDTH, '', '')}

${wrap(about, WIDTH, '', '')}

Options:
${rows(flags.map(optionRow))}
${flags.some((name) => flag(name).value === 'TIME') ? '\n  TIME is in ms, or with a unit: 500ms, 30s, 2m, 1h.\n' : ''}${surroundings(flags)}
${lines.length > 1 ? 'Examples' : 'Example'}:
${examples(lines)}
`
