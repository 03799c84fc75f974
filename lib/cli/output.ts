/**
 * What one-server prints, and where: stdout carries the result and nothing else, so that `$(one-server start)` is a URL;
 * every other word goes to stderr. A reader that goes away (`| head -1`) has had enough, which is no failure; any other
 * failure to write the result is one. Text for people leaves here without a character that could act on their terminal;
 * documents and bytes are for programs, and keep what they have.
 */
import type { Readable, Writable } from 'node:stream'
import { onOneLine, printable } from '../text/terminal-text.js'

export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }

/** All that a command may touch of its process. */
export interface Io {
  /** A command that only looked at stdin would take from it what the next program should read. Ask for it to read it. */
  readonly stdin: Readable
  readonly stdout: Terminal
  readonly stderr: Terminal
  readonly env: NodeJS.ProcessEnv
  /** Fires when the user interrupts; its reason is the name of the signal. */
  readonly signal: AbortSignal
  /** From now on signals go to `receiver`, even those that would end this process, and no longer interrupt it. */
  readonly divert: (receiver: (signal: NodeJS.Signals) => unknown) => void
  /** This process is to end by the signal, as its command did: a shell loop around it goes on after an exit, and ends after a SIGINT. */
  readonly endBy?: (signal: NodeJS.Signals) => void
  /** From now on signals do to this process what they do to any, or again what they did before. */
  readonly leaveSignals?: (leave: boolean) => void
}

/** What printing needs of it. */
type Streams = Omit<Io, 'stdin' | 'divert' | 'endBy' | 'leaveSignals'>

/** Version of every JSON document; it rises when a field changes its meaning or goes. */
const SCHEMA_VERSION = 1

const COLOURS = { red: 31, green: 32, yellow: 33, dim: 2 } as const

/** Absent is null, so that a document has the same keys whatever the state. */
const explicit = (_: string, value: unknown): unknown => (value === undefined ? null : value)

/** JSON escapes controls below 0x20 only. The others act on a terminal as well, and their escapes mean the same to a program. */
const escaped = (json: string): string =>
  json.replace(/[\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly stderr: Terminal
  readonly #io: Streams
  readonly #closed = new AbortController()
  /** Words with their colours, which leave as they are. */
  readonly #painted = new Map<string, string>()

  constructor(io: Streams, { json, quiet }: { json: boolean; quiet: boolean }) {
    this.#io = io
    this.json = json
    this.quiet = quiet
    this.stderr = io.stderr
    io.stdout.on('error', () => this.#closed.abort())
    // With stderr gone there is nobody left to tell.
    io.stderr.on('error', () => {})
  }

  /** Fires once nobody reads stdout any more. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Columns for text: those of the terminal, and at most those of a classic one, so that it fits both. */
  get width(): number {
    return Math.max(40, Math.min(80, this.#io.stderr.columns || 80))
  }

  /** Whether words on stderr may move: on a terminal that can move them, before a person. */
  get animated(): boolean {
    const { env, stderr } = this.#io
    return stderr.isTTY === true && !this.quiet && env['TERM'] !== 'dumb' && env['CI'] === undefined
  }

  /** Whether a person reads the result. */
  get isTerminal(): boolean {
    return this.#io.stdout.isTTY === true
  }

  /** Rows that a result may have on the terminal. */
  get rows(): number {
    return this.#io.stdout.rows || 24
  }

  /** Prints the result for people. */
  result(text: string): Promise<void> {
    let clean = printable(text)
    for (const [seen, painted] of this.#painted) clean = clean.replaceAll(seen, painted)
    return this.raw(clean)
  }

  /** Prints data, as it is. Resolves once the stream has it, so that an exit cannot cut it short. */
  raw(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed.aborted) return resolve()
      this.#io.stdout.write(data, (error) => {
        if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE' || this.closed.aborted) resolve()
        else reject(error)
      })
    })
  }

  document(content: object): Promise<void> {
    return this.raw(`${escaped(JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...content }, explicit))}\n`)
  }

  /** Says what happens, for people. */
  note(line: string): void {
    if (!this.quiet) this.stderr.write(`one-server: ${onOneLine(line)}\n`)
  }

  /** Says what went wrong, even with `quiet`. */
  complain(text: string): void {
    this.stderr.write(`${printable(text)}\n`)
  }

  /** For {@link result}: a word of our own. */
  paint(colour: keyof typeof COLOURS, text: string): string {
    const { stdout, env } = this.#io
    const plain = stdout.isTTY !== true || env['NO_COLOR'] || env['TERM'] === 'dumb'
    if (plain) return text
    const painted = `\u001B[${COLOURS[colour]}m${text}\u001B[0m`
    this.#painted.set(printable(painted), painted)
    return painted
  }
}
