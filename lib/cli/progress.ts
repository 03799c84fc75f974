/**
 * Says what is being waited for, while it is waited for: a spinner for a person at a terminal, plain
 * lines otherwise. A call that need not wait costs nothing: the spinner is loaded only once there has
 * been something to wait for long enough to be seen.
 */
import type { OneServerEvent } from '../events.js'
import type { Output } from './output.js'

/** A shorter wait is over before it could be read. */
const WORTH_SHOWING = 100

/** To be put behind what the PID is of. */
export const withPid = (pid: number | undefined): string => (pid === undefined ? '' : ` (PID ${pid})`)

const describe = (event: OneServerEvent): string | undefined => {
  switch (event.type) {
    case 'waiting':
      if (event.for === 'lock') return 'waiting for another client to release the lock'
      if (event.for === 'launch') return `waiting for the launch of another client${withPid(event.pid)}`
      // Not both: the line would not fit, and the PID has been said when the launch was.
      return `waiting for the health check${event.url === undefined ? withPid(event.pid) : ` of ${event.url}`}`
    case 'claimed':
      return `starting the server on port ${event.port}${withPid(event.pid)}`
    case 'withdrawn':
      return 'another client was first; following its launch'
    case 'stale-removed':
      return `removed what was left behind: ${event.path}`
    // What the command says at its end says these too.
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
  readonly onEvent = (event: OneServerEvent): void => {
    if (event.type === 'stopped') this.#stopped = true
    // Whoever asked for a stop asked for its traces to go as well: nothing was left behind by accident.
    if (event.type === 'stale-removed' && this.#stopped) return
    const text = describe(event)
    if (text !== undefined) this.say(text)
  }

  say(text: string): void {
    if (this.#ended || text === this.#text) return
    this.#text = text
    if (!this.#output.animated) return this.#output.note(text)
    if (this.#spinner !== undefined) this.#spinner.text = this.#fitted()
    else this.#timer ??= setTimeout(() => void this.#spin().catch(() => this.#output.note(this.#text)), WORTH_SHOWING)
  }

  /** Before the last word: leaves a clean line and a visible cursor. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    this.#spinner?.stop()
  }

  async #spin(): Promise<void> {
    const { default: spinner } = await import('yocto-spinner')
    if (this.#ended) return
    // Signals are the bin's: the call must settle before anything exits.
    this.#spinner = spinner({ text: this.#fitted(), stream: this.#output.stderr, handleSignals: false }).start()
  }

  /** A text that wraps would be drawn again a line further down with each frame. */
  #fitted(): string {
    const room = this.#output.width - 3
    return this.#text.length <= room ? this.#text : `${this.#text.slice(0, room - 1)}…`
  }
}
