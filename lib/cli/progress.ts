/**
 * Says what a call waits for, while it waits: with a spinner for a person at a terminal, in plain lines otherwise. A call that
 * need not wait must not pay, so the spinner is loaded only once a wait is long enough to be seen.
 */
import type { OneServerEvent } from '../events.js'
import { onOneLine } from '../text/terminal-text.js'
import type { Output } from './output.js'

/** Nobody could read of a shorter wait. ms. */
const WORTH_SHOWING = 100

/** To stand after the process that has the PID. */
export const withPid = (pid: number | undefined): string => (pid === undefined ? '' : ` (PID ${pid})`)

/** What a line begins with that is about one of several servers. */
export const prefix = (name: string | undefined): string => (name === undefined ? '' : `${name}: `)

const describe = (event: OneServerEvent): string | undefined => {
  switch (event.type) {
    case 'waiting':
      if (event.for === 'lock') return 'waiting for another client to release the lock'
      if (event.for === 'hosts') return `waiting for the host that runs the server${withPid(event.pid)}`
      if (event.for === 'launch') return `waiting for the launch of another client${withPid(event.pid)}`
      // A line with both would not fit, and the line about the launch has said the PID.
      if (event.url?.startsWith('log:')) return `waiting for a line of its log: ${event.url.slice('log:'.length)}`
      if (event.url?.startsWith('cmd:')) return `waiting for ${event.url.slice('cmd:'.length)} to exit with 0`
      if (/^(?:tcp|socket):/.test(event.url ?? '')) return `waiting for a connection to ${event.url}`
      return `waiting for the health check${event.url === undefined ? withPid(event.pid) : ` of ${event.url}`}`
    case 'claimed':
      // Another host may be the one that starts it.
      return event.steward === true ? undefined : `starting the server on port ${event.port}${withPid(event.pid)}`
    case 'withdrawn':
      return 'another client was first; following its launch'
    case 'stale-removed':
      return `removed what was left behind: ${event.path}`
    // What the command says at its end covers these.
    case 'following':
    case 'stopped':
    case 'reused':
    case 'spawned':
    case 'ready':
    case 'exited':
      return undefined
  }
}

export class Progress {
  readonly #output: Output
  #text = ''
  #ended = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #spinner: { text: string; stop(): void } | undefined

  constructor(output: Output) {
    this.#output = output
  }

  /** For `onEvent`. */
  readonly onEvent = (event: OneServerEvent): void => this.#tell(event, '')

  /** For `onEvent` of one of several servers. */
  of(name: string | undefined): (event: OneServerEvent) => void {
    return (event) => this.#tell(event, prefix(name))
  }

  #tell(event: OneServerEvent, before: string): void {
    if (event.type === 'stopped') this.#stopped = true
    // A stop removes the traces of its server on purpose: nothing was left behind by accident.
    if (event.type === 'stale-removed' && this.#stopped) return
    const text = describe(event)
    if (text !== undefined) this.say(`${before}${text}`)
  }

  say(text: string): void {
    const line = onOneLine(text)
    if (this.#ended || line === this.#text) return
    this.#text = line
    if (!this.#output.animated) return this.#output.note(line)
    if (this.#spinner !== undefined) this.#spinner.text = this.#fitted()
    else this.#timer ??= setTimeout(() => void this.#spin().catch(() => this.#output.note(this.#text)), WORTH_SHOWING)
  }

  /** Call it before the last word: it leaves a clean line and a visible cursor. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    this.#spinner?.stop()
  }

  async #spin(): Promise<void> {
    const { default: spinner } = await import('yocto-spinner')
    if (this.#ended) return
    // A spinner that handled signals would exit before the call has ended in order: they are for bin.ts.
    this.#spinner = spinner({ text: this.#fitted(), stream: this.#output.stderr, handleSignals: false }).start()
  }

  /** The spinner would draw a text that wraps one line further down with each frame: cut it. */
  #fitted(): string {
    const room = this.#output.width - 3
    return this.#text.length <= room ? this.#text : `${this.#text.slice(0, room - 1)}…`
  }
}
