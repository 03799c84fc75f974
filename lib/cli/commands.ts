/**
 * Every command, once: what it takes, what its help says, and where its code is. The code is loaded
 * for the one that runs; the parser and the help read the rest.
 */
import type { Accepts, Request } from './arguments.js'
import type { FlagName } from './flags.js'
import type { Output } from './output.js'

/** Does the command's work and tells the exit code. Throws what failed. */
export type Run = (request: Request, output: Output, interrupted: AbortSignal) => Promise<number>

export interface Command extends Accepts {
  readonly usage: string
  /** One line of the overview. */
  readonly summary: string
  /** What the reader of its own help should know besides. */
  readonly about: string
  readonly examples: readonly string[]
  readonly load: () => Promise<{ run: Run }>
}

const WHICH: readonly FlagName[] = ['pid-file']
const ADDRESS: readonly FlagName[] = ['port', 'host', 'health']
const LAUNCH: readonly FlagName[] = [
  ...WHICH, 'script', ...ADDRESS, 'timeout', 'interval', 'stop-timeout', 'idle-timeout', 'log-file', 'cwd',
]
const EVERY: readonly FlagName[] = ['json', 'quiet', 'help']

const NAMELESS = 'Without a name and --pid-file, the default server is meant.'

export const COMMANDS = {
  start: {
    word: 'start',
    usage: 'start [name] [options] [-- command ...]',
    summary: 'start the server unless it runs; print its URL once healthy',
    about: `A server that runs already is used as it is, and that is no error. ${NAMELESS} Without --script and a command, the bundled session server is started. A command is run without a shell; {port} and {host} in it are filled in.`,
    examples: ['one-server start', 'one-server start web --port auto -- node server.js --port {port}'],
    flags: [...LAUNCH, ...EVERY],
    named: true,
    server: true,
    load: () => import('./start.js'),
  },
  status: {
    word: 'status',
    usage: 'status [name] [options]',
    summary: 'tell whether it runs, where, and since when',
    about: `Starts nothing. Exits with 3 when no server runs. ${NAMELESS} --port, --host and --health say where to look for a server that one-server did not start.`,
    examples: ['one-server status web', 'one-server status web --json | jq -r .url'],
    flags: [...WHICH, ...ADDRESS, ...EVERY],
    named: true,
    server: false,
    load: () => import('./status.js'),
  },
  stop: {
    word: 'stop',
    usage: 'stop [name] [options]',
    summary: 'stop it and wait until it has exited',
    about: `The whole process group is asked to stop, and killed past --stop-timeout. Nothing to stop is no error. A server that one-server did not start is left running. ${NAMELESS}`,
    examples: ['one-server stop web', 'one-server stop web --stop-timeout 30s'],
    flags: [...WHICH, ...ADDRESS, 'stop-timeout', ...EVERY],
    named: true,
    server: false,
    load: () => import('./stop.js'),
  },
  restart: {
    word: 'restart',
    usage: 'restart [name] [options] [-- command ...]',
    summary: 'stop it, start it again, print its URL',
    about: `Say again how to start the server, as for start: what a PID file tells is never run. ${NAMELESS}`,
    examples: ['one-server restart', 'one-server restart web --port auto -- node server.js --port {port}'],
    flags: [...LAUNCH, ...EVERY],
    named: true,
    server: true,
    load: () => import('./restart.js'),
  },
  logs: {
    word: 'logs',
    usage: 'logs [name] [options]',
    summary: 'print the end of its log',
    about: `Needs no running server. The log of the previous launch is kept beside it as .prev. ${NAMELESS}`,
    examples: ['one-server logs web -n 100', 'one-server logs web -f'],
    flags: ['lines', 'follow', ...WHICH, 'log-file', 'quiet', 'help'],
    named: true,
    server: false,
    load: () => import('./logs.js'),
  },
  list: {
    word: 'list',
    usage: 'list [options]',
    summary: 'one line for each server: name, state, PID, URL',
    about: 'Names live in $ONE_SERVER_STATE_DIR, else $XDG_STATE_HOME/one-server, else ~/.local/state/one-server. A server that was started by --pid-file is not listed.',
    examples: ['one-server list', 'one-server list --json'],
    flags: [...EVERY],
    named: false,
    server: false,
    load: () => import('./list.js'),
  },
} as const satisfies Readonly<Record<string, Command>>

export const commandCalled = (word: string): Command | undefined =>
  Object.hasOwn(COMMANDS, word) ? COMMANDS[word as keyof typeof COMMANDS] : undefined
