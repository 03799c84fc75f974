/**
 * Every command, once: what it takes, what its help says, and where its code is. The code is loaded
 * for the one that runs; the parser and the help read the rest.
 */
import type { Accepts, Request } from './arguments.js'
import type { FlagName } from './flags.js'
import type { Io, Output } from './output.js'

/** Does the command's work and tells the exit code. Throws what failed. `io` is for what goes past the output. */
export type Run = (request: Request, output: Output, interrupted: AbortSignal, io: Io) => Promise<number>

export interface Command extends Accepts {
  readonly usage: string
  /** One line of the overview. */
  readonly summary: string
  /** What the reader of its own help should know besides. */
  readonly about: string
  readonly examples: readonly string[]
  /** Its result is a JSON document whether --json is given or not. */
  readonly alwaysJson?: true
  /** Its streams are also those of a program that it runs. */
  readonly sharesStreams?: true
  readonly load: () => Promise<{ run: Run }>
}

const WHICH: readonly FlagName[] = ['pid-file']
const ADDRESS: readonly FlagName[] = ['port', 'host', 'health', 'health-match', 'ready', 'no-reuse-existing']
const WHAT: readonly FlagName[] = ['server-version', 'on-mismatch']
const LAUNCH: readonly FlagName[] = [
  ...WHICH, 'script', ...ADDRESS, ...WHAT, 'timeout', 'interval', 'stop-timeout', 'idle-timeout', 'log-file', 'cwd',
]
const EVERY: readonly FlagName[] = ['json', 'quiet', 'help']

const NAMED = 'A name that the nearest one-server.config.json has is that server, with all that the file says of it.'
const NAMELESS = `${NAMED} Without a name and --pid-file, the default server is meant.`
const BUNDLED = 'bundled session server is started.'

export const COMMANDS = {
  start: {
    word: 'start',
    usage: 'start [name] [options] [-- command ...]',
    summary: 'start the server unless it runs; print its URL once healthy',
    about: `A server that runs already is used as it is, and that is no error. It runs until it is stopped, also where run or hold started it. ${NAMELESS} Without --script and a command, the ${BUNDLED} A command is run without a shell; {port} and {host} in it are filled in.`,
    examples: ['one-server start', 'one-server start web --port auto -- node server.js --port {port}'],
    flags: [...LAUNCH, ...EVERY],
    named: true,
    rest: 'server',
    load: () => import('./start.js'),
  },
  status: {
    word: 'status',
    usage: 'status [name] [options]',
    summary: 'tell whether it runs, where, since when, and who uses it',
    about: `Starts nothing. Exits with 3 when no server runs. ${NAMELESS} --port, --host and --health say where to look for a server that one-server did not start.`,
    examples: ['one-server status web', 'one-server status web --json | jq -r .url'],
    flags: [...WHICH, ...ADDRESS, ...EVERY],
    named: true,
    load: () => import('./status.js'),
  },
  stop: {
    word: 'stop',
    usage: 'stop [name] [options]',
    summary: 'stop it and wait until it has exited',
    about: `The whole process group is asked to stop, and killed past --stop-timeout. Clients that use it lose it, and are named. Nothing to stop is no error. A server that one-server did not start is left running. ${NAMELESS}`,
    examples: ['one-server stop web', 'one-server stop web --if-idle'],
    flags: ['if-idle', ...WHICH, ...ADDRESS, 'stop-timeout', ...EVERY],
    named: true,
    load: () => import('./stop.js'),
  },
  restart: {
    word: 'restart',
    usage: 'restart [name] [options] [-- command ...]',
    summary: 'stop it, start it again, print its URL',
    about: `Say again how to start the server, as for start, unless the config file does: what a PID file tells is never run. ${NAMELESS}`,
    examples: ['one-server restart', 'one-server restart web --port auto -- node server.js --port {port}'],
    flags: [...LAUNCH, ...EVERY],
    named: true,
    rest: 'server',
    load: () => import('./restart.js'),
  },
  logs: {
    word: 'logs',
    usage: 'logs [name] [options]',
    summary: 'print the end of its log',
    about: `Needs no running server. The log of the previous launch is kept beside it as .prev, and --prev prints that. ${NAMELESS}`,
    examples: ['one-server logs web -n 100', 'one-server logs web -f', 'one-server logs web --prev'],
    flags: ['lines', 'follow', 'prev', ...WHICH, 'log-file', 'quiet', 'help'],
    named: true,
    load: () => import('./logs.js'),
  },
  list: {
    word: 'list',
    usage: 'list [options]',
    summary: 'one line for each server: name, state, PID, clients, URL',
    about: 'The default server, those with a name, and on Linux every other that runs for you on this host, called by its PID file. Where everyone who used a server was killed, it sees to it that the server goes after all; those without a name are only looked at. Names live in $ONE_SERVER_STATE_DIR, else $XDG_STATE_HOME/one-server, else ~/.local/state/one-server.',
    examples: ['one-server list', 'one-server list --named --json'],
    flags: ['named', ...EVERY],
    named: false,
    load: () => import('./list.js'),
  },
  doctor: {
    word: 'doctor',
    usage: 'doctor [name] [options]',
    summary: 'examine it and its surroundings; say what is wrong',
    about: `Changes nothing. Tells what is recorded, what lives, whose the port and the lock are, and what of the environment matters, each as ok, note (explains something, or heals at the next call) or problem. Exits with 1 when there is a problem. --json is for a bug report: of headers and variables it has the names, and no line of the log. ${NAMELESS}`,
    examples: ['one-server doctor web', 'one-server doctor web --json'],
    flags: [...WHICH, ...EVERY],
    named: true,
    load: () => import('./doctor.js'),
  },
  run: {
    word: 'run',
    usage: 'run [name] [options] -- client\'s command ...',
    summary: 'run a command with the server, which stops after the last one',
    about: `Starts the server unless it runs, then runs the command with ONE_SERVER_URL, BASE_URL and PORT, passes signals on to it, and ends with its exit code: 128 and the number of the signal that ended it, 127 if it was not found, 126 if it cannot be run. The server stops --idle-timeout after the last client, unless it was started by start. ${NAMELESS} Without --server and --script, the ${BUNDLED}`,
    examples: ['one-server run -- npm test', 'one-server run web --port auto --server "node server.js" -- npm test'],
    flags: ['server', ...LAUNCH, 'quiet', 'help'],
    named: true,
    rest: 'client',
    sharesStreams: true,
    load: () => import('./run.js'),
  },
  hold: {
    word: 'hold',
    usage: 'hold [name] [options] [-- command ...]',
    summary: 'use the server until stdin ends; for programs of any language',
    about: `Starts the server unless it runs, prints one line of JSON (the same as start --json), and uses it until its stdin ends or a signal comes. Give it a pipe: it ends with whoever holds the other end, however that dies. What comes through it is ignored. The server stops --idle-timeout after the last client, unless it was started by start. ${NAMELESS} Without --server, --script and a command, the ${BUNDLED}`,
    examples: ['one-server hold web --port auto -- node server.js', 'one-server hold --idle-timeout 1m'],
    flags: ['server', ...LAUNCH, ...EVERY],
    named: true,
    rest: 'server',
    alwaysJson: true,
    load: () => import('./hold.js'),
  },
} as const satisfies Readonly<Record<string, Command>>

export const commandCalled = (word: string): Command | undefined =>
  Object.hasOwn(COMMANDS, word) ? COMMANDS[word as keyof typeof COMMANDS] : undefined
