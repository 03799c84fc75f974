/**
 * The help. A flag that the parser takes must not be missing from it, so the lists come from the tables that the parser
 * reads, and the compiler asks for the words of each command. It fits 80 columns, and each page ends with something to
 * copy and run. Loaded when somebody asks.
 */
import { OPTIONS, type Row } from '../options/table.js'
import { wrap } from '../text/wrap.js'
import type { Command, CommandWord } from './commands.js'
import { rowOf } from './flag-words.js'
import { flag, type FlagName } from './flags.js'
import { PAGES as pages, type Page } from './pages.js'

const WIDTH = 80

/** A command without a page does not compile. */
export const PAGES: Readonly<Record<CommandWord, Page>> = pages

const rows = (items: readonly (readonly [string, string])[]): string => {
  const widest = Math.max(...items.map(([left]) => left.length)) + 4
  return items.map(([left, right]) => wrap(right, WIDTH, `  ${left}`.padEnd(widest), ' '.repeat(widest))).join('\n')
}

const EXIT_CODES = [
  ['0', 'done'], ['1', 'failed'], ['2', 'the call is wrong'], ['3', 'not running (status)'], ['4', 'not healthy in time'],
  ['5', 'the server exited while starting'], ['6', 'the port is in use'], ['7', 'another client held the lock'],
  ['8', 'trouble with the coordinator or with another host'],
  ['129, 130, 143', 'ended by SIGHUP, SIGINT, SIGTERM'],
  ['run', 'as its command; 126, 127: it may not be run, or is not found'],
] as const

/** What else may say the same as a flag. */
const surroundings = (flags: readonly FlagName[]): string => {
  const variables = flags.flatMap((name) => flag(name).variable ?? [])
  if (variables.length === 0) return ''
  const text = `An option that is not given is taken from the environment: ${variables.join(', ')}; then from the config file.`
  return `\n${wrap(text, WIDTH, '  ', '  ')}\n`
}

/** What has a meaning only where several hosts share a server. Most readers have one host, and pass over it. */
const ACROSS: readonly FlagName[] = ['coordinator', 'advertise', 'listen', 'no-host', 'ttl', 'linger']

const SECRETS =
  'User, password and certificates of the coordinator are no flags, since every user sees those: ' +
  'ONE_SERVER_COORDINATOR_USER and _PASSWORD, and as paths of PEM files _CA, _CERT and _KEY.'

const acrossHosts = (flags: readonly FlagName[], defaults: Command['defaults']): string => {
  const own = ACROSS.filter((name) => flags.includes(name))
  if (own.length === 0) return ''
  const items = own.map((name): [string, string] => {
    const [left, text] = rowOf(name, defaults)
    return [left, text.replace(/^with a coordinator[:,] /, '')]
  })
  return `\nSeveral hosts:\n${rows(items)}\n\n${wrap(SECRETS, WIDTH, '  ', '  ')}\n`
}

const takesTime = (flags: readonly FlagName[]): boolean =>
  Object.values<Row>(OPTIONS).some((row) => row.value === 'TIME' && flags.some((name) => name === row.flag))

export const overview = (): string => `\
Any number of clients, one server: the first client starts it, everyone waits
until it is healthy, nobody starts a second.

Usage: one-server <command> [name] [options] [-- command ...]

Commands:
${rows(Object.entries(PAGES).map(([word, { summary }]) => [word, summary]))}

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

export const helpFor = ({ word, flags, defaults }: Command): string => {
  const { usage, summary, about, examples } = PAGES[word as CommandWord]
  return `\
Usage: one-server ${usage}

${wrap(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`, WIDTH, '', '')}

${wrap(about, WIDTH, '', '')}

Options:
${rows(flags.filter((name) => !ACROSS.includes(name)).map((name) => rowOf(name, defaults)))}
${acrossHosts(flags, defaults)}${takesTime(flags) ? '\n  TIME is in ms, or with a unit: 500ms, 30s, 2m, 1h.\n' : ''}${surroundings(flags)}
${examples.length > 1 ? 'Examples' : 'Example'}:
${examples.map((line) => `  $ ${line}`).join('\n')}
`
}
