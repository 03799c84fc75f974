#!/usr/bin/env node
/**
 * The only place that knows the process: it hands its streams to main, turns signals into an abort
 * that the running call can settle, and exits with the code that comes back. Nothing else exits.
 */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import process from 'node:process'
import { main } from './main.js'

const { stdout, stderr, env } = process
const interrupt = new AbortController()

const onSignal = (signal: NodeJS.Signals): void => {
  if (interrupt.signal.aborted) {
    // Asked twice: at once, so nobody is left to take the spinner away and show the cursor again. Past
    // the stream, since a spinner that turns draws itself anew after each write to it.
    if (stderr.isTTY) writeSync(stderr.fd, '\r\u001B[K\u001B[?25h')
    process.exit(128 + constants.signals[signal])
  }
  interrupt.abort(signal)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

void main(process.argv.slice(2), { stdout, stderr, env, signal: interrupt.signal }).then(async (code) => {
  // Where a pipe is written in the background, an exit must not cut off the last words.
  await new Promise((resolve) => stderr.write('', resolve))
  process.exit(code)
})
