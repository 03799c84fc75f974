/** Two small means by which the parts of a steward wait for one another. */

/** Something that happens once; the first value counts. */
export class Once<T> {
  value: T | undefined
  readonly happened: Promise<T>
  #resolve!: (value: T) => void

  constructor() {
    this.happened = new Promise((resolve) => { this.#resolve = resolve })
  }

  happens(value: T): void {
    this.value ??= value
    this.#resolve(value)
  }
}

/** A bell that rings again and again: `rung` settles at the next ring. */
export class Bell {
  #next = new Once<true>()

  get rung(): Promise<unknown> {
    return this.#next.happened
  }

  ring(): void {
    this.#next.happens(true)
    this.#next = new Once()
  }
}
