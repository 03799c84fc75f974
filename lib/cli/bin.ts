/**
 * The only place that knows the process: it hands the streams to main, turns a signal into an abort, so that the running
 * call can end in order, or passes the signal to the command that asked for it, and exits with the code that main returns.
 * Nothing else exits.
 */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { commandCalled } from './commands.js'
import { main } from './main.js'
import type { Io } from './output.js'

const argv = process.argv.slice(2)
const interrupt = new AbortController()
let receiver: ((signal: NodeJS.Signals) => void) | undefined

const onSignal = (signal: NodeJS.Signals): void => {
  if (receiver !== undefined) return receiver(signal)
  if (interrupt.signal.aborted) {
    // The second signal ends the process at once, and nobody else removes the spinner and shows the cursor again. Write past
    // the stream: the spinner draws itself again after each write to it.
    if (process.stderr.isTTY) writeSync(2, '\r\u001B[K\u001B[?25h')
    process.exit(128 + constants.signals[signal])
  }
  interrupt.abort(signal)
}
/**
 * Signals that people send on purpose. Each would end a process without a handler, and leave the cursor of a terminal hidden; SIGUSR1
 * would open Node's debugger. To a system that does not know one of them its name is an event like others, which never comes.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const
const takeSignals = (): void => { for (const signal of SIGNALS) process.on(signal, onSignal) }
takeSignals()

/** By which the command of `run` died, where that must show. */
let endsBy: NodeJS.Signals | undefined

const io: Io = {
  get stdin() { return process.stdin },
  // Getters, since `run` replaces some streams before main.
  get stdout() { return process.stdout },
  get stderr() { return process.stderr },
  env: process.env,
  signal: interrupt.signal,
  divert: (to) => { receiver = to },
  endBy: (signal) => { endsBy = signal },
  leaveSignals: (leave) => {
    if (leave) for (const signal of SIGNALS) process.removeAllListeners(signal)
    else takeSignals()
  },
}

const begin = async (): Promise<number> => {
  if (commandCalled(argv[0] ?? '')?.sharesStreams) (await import('./shared-streams.js')).shareStreams()
  return main(argv, io)
}

void begin().then(async (code) => {
  // Node may still write a pipe in the background: an exit must not cut off the last words.
  await new Promise((resolve) => process.stderr.write('', resolve))
  if (endsBy === undefined) process.exit(code)
  process.removeAllListeners(endsBy)
  process.kill(process.pid, endsBy)
})
