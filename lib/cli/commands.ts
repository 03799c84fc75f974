/**
 * Every command, once: what it takes, and where its code is. A call loads the code of the one command that runs; what
 * the help says of each stands in help.ts, since a call that runs has no use for it.
 */
import type { Accepts, Request } from './arguments.js'
import { OPTION_FLAGS, type FlagName } from './flags.js'
import type { Io, Output } from './output.js'

/** Does the command's work and returns the exit code. Throws what failed. `io` is for what goes past the output. */
export type Run = (request: Request, output: Output, interrupted: AbortSignal, io: Io) => Promise<number>

export interface Command extends Accepts {
  /** Its result is a JSON document whether --json is given or not. */
  readonly alwaysJson?: true
  /** Its streams are also those of a program that it runs. */
  readonly sharesStreams?: true
  readonly load: () => Promise<{ run: Run }>
}

const WHICH: readonly FlagName[] = ['pid-file']
const ADDRESS: readonly FlagName[] = [
  'port', 'host', 'health', 'health-match', 'health-status', 'health-timeout', 'ready', 'no-reuse-existing',
]
/** A launch depends on every option; --server is only for a command that cannot have the server's own after --. */
const LAUNCH = OPTION_FLAGS.filter((name) => name !== 'server')
/** Of a server that several hosts share: the last of the table. */
const ACROSS = OPTION_FLAGS.slice(-5)
const EVERY: readonly FlagName[] = ['json', 'quiet', 'help']

/** In the order of the help. */
export const COMMANDS = {
  start: { word: 'start', flags: [...LAUNCH, ...EVERY], named: 'several', rest: 'server', load: () => import('./start.js') },
  status: { word: 'status', flags: [...WHICH, ...ADDRESS, ...EVERY], named: 'several', load: () => import('./status.js') },
  wait: {
    word: 'wait', flags: [...WHICH, ...ADDRESS, 'timeout', ...EVERY], named: 'several', defaults: { startupTimeout: '60s' },
    load: () => import('./wait.js'),
  },
  stop: {
    word: 'stop', flags: ['if-idle', ...WHICH, ...ADDRESS, 'stop-timeout', 'coordinator', ...EVERY], named: 'several', load: () => import('./stop.js'),
  },
  restart: { word: 'restart', flags: [...LAUNCH, ...EVERY], named: true, rest: 'server', load: () => import('./restart.js') },
  logs: {
    word: 'logs', flags: ['lines', 'follow', 'prev', ...WHICH, 'log-file', 'quiet', 'help'], named: true,
    load: () => import('./logs.js'),
  },
  list: { word: 'list', flags: ['named', 'watch', ...EVERY], named: false, load: () => import('./list.js') },
  doctor: { word: 'doctor', flags: [...WHICH, ...ACROSS, ...EVERY], named: true, load: () => import('./doctor.js') },
  run: {
    word: 'run', flags: ['env', 'linger', 'server', ...LAUNCH, 'quiet', 'help'], named: 'several', rest: 'client', sharesStreams: true,
    // The tool of a CI, whose machines are busy and where nobody waits in front of them: as long as Playwright's webServer.
    defaults: { startupTimeout: '60s' },
    load: () => import('./run.js'),
  },
  hold: {
    word: 'hold', flags: ['pid', 'linger', 'server', ...LAUNCH, ...EVERY], named: true, rest: 'server', alwaysJson: true,
    load: () => import('./hold.js'),
  },
  completion: {
    word: 'completion', flags: ['help'], named: false, choices: ['bash', 'zsh', 'fish'],
    load: async () => ({ run: (await import('./completion.js')).completing(commandCalled) }),
  },
} as const satisfies Readonly<Record<string, Command>>

export type CommandWord = keyof typeof COMMANDS

export const commandCalled = (word: string): Command | undefined =>
  Object.hasOwn(COMMANDS, word) ? COMMANDS[word as CommandWord] : undefined
