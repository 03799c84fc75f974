/** One long series of the soak: many cases of one kind, and what it found. */
import type { Test } from 'tap'

export interface Outcome {
  readonly cases: number
  /** What broke, with what is needed to see it again. */
  readonly violations: readonly string[]
  /** The slowest recovery, in ms, where the series is about recovering. */
  readonly slowest?: number
  /** What a reader should know about the cases. */
  readonly note?: string
}

export interface Series {
  readonly name: string
  run(rounds: number, progress: (done: number) => void): Promise<Outcome>
  /** Rounds when none are asked for. */
  readonly rounds: number
}

/** One case, with what it has to undo at its end. */
export const round = async <Result>(work: (t: Pick<Test, 'teardown'>) => Promise<Result>): Promise<Result> => {
  const undo: (() => unknown)[] = []
  try {
    return await work({ teardown: (fn: () => unknown) => { undo.unshift(fn) } } as Pick<Test, 'teardown'>)
  } finally {
    for (const fn of undo) await fn()
  }
}
