#!/usr/bin/env node
/**
 * The only place that knows the process: it hands its streams to main, turns signals into an abort
 * that the running call can settle, or passes them to who has asked for them, and exits with the code
 * that comes back. Nothing else exits.
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
    // Asked twice: at once, so nobody is left to take the spinner away and show the cursor again. Past
    // the stream, since a spinner that turns draws itself anew after each write to it.
    if (process.stderr.isTTY) writeSync(2, '\r\u001B[K\u001B[?25h')
    process.exit(128 + constants.signals[signal])
  }
  interrupt.abort(signal)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

/** What else is sent on purpose and ends a process that does not expect it. SIGUSR1 would open Node's debugger. */
const MORE = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const

const io: Io = {
  get stdin() { return process.stdin },
  // Some are replaced before main is called.
  get stdout() { return process.stdout },
  get stderr() { return process.stderr },
  env: process.env,
  signal: interrupt.signal,
  divert: (to) => {
    receiver = to
    // To a system that does not know one of them its name is an event like others, which never comes.
    for (const signal of MORE) process.on(signal, onSignal)
  },
}

const begin = async (): Promise<number> => {
  if (commandCalled(argv[0] ?? '')?.sharesStreams) (await import('./shared-streams.js')).shareStreams()
  return main(argv, io)
}

void begin().then(async (code) => {
  // Where a pipe is written in the background, an exit must not cut off the last words.
  await new Promise((resolve) => process.stderr.write('', resolve))
  process.exit(code)
})
