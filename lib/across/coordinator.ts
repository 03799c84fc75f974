/**
 * What one-server asks of an engine that several hosts share: a linearizable compare-and-swap on small values, and no clock, lease,
 * lock or election. etcd is the one that is built (etcd.ts); a steward knows no more of it than this file says, so another can follow.
 */

/** One value. A version never comes back: not after a removal, and not for an equal value. */
export interface Entry {
  readonly key: string
  readonly value: string
  readonly version: string
}

export interface Coordinator {
  /** Linearizable: it shows each write that was confirmed before the question was sent. */
  read(key: string): Promise<Entry | undefined>
  /** All entries whose keys begin with `under`, linearizable. */
  list(under: string): Promise<Entry[]>
  /**
   * Writes the value if the entry still has the version `expected`; `undefined` expects that there is none, `'any'` nothing. Returns the
   * new version; undefined: the entry has another version, and nothing was written.
   */
  write(key: string, value: string, expected: string | undefined | 'any'): Promise<string | undefined>
  /** Removes the entry, if it still has the version `expected` where that is given. False: it has not, or there is none. */
  remove(key: string, expected?: string): Promise<boolean>
  /** Calls back soon after something below `under` has changed. Only a hint: it may come late, twice, or never. Returns what ends it. */
  watch?(under: string, onChange: () => void): () => void
  /** The address of this host by which it reaches the engine. Undefined before the first answer. */
  localAddress(): string | undefined
  /** Ends every connection. */
  close(): void
}

/** The engine gave no answer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
  /** Whether the request may have been carried out all the same. */
  readonly sent: boolean

  constructor(message: string, { sent, cause }: { sent: boolean; cause?: unknown }) {
    super(message, { cause })
    this.sent = sent
  }
}

/** The engine answered that it will not: a password, a role, a certificate, no space left. To ask again changes nothing. */
export class Refused extends Error {
  override readonly name = 'Refused'
  /** What the reader can do about it. */
  readonly hint: string

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause })
    this.hint = hint
  }
}
