/**
 * What keeps a configuration that is code from holding its caller for ever. Code may ask for its own servers: in the same process two
 * imports would wait for each other, and through other processes each would start the next one, without end. And code may wait for what
 * never comes: then Node has nothing left to do, and would end the process as if all were well.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { delimiter } from 'node:path'

interface InProcess {
  /** The files around what runs now. */
  readonly around: AsyncLocalStorage<ReadonlySet<string>>
  /** How often each file runs now: calls come side by side. */
  readonly times: Map<string, number>
  /** Each ends a wait. */
  readonly waits: Set<() => void>
}

/** A configuration may import another copy of this package than the one that runs it. */
const KEY = Symbol.for('one-server/running-code')

const inProcess = (): InProcess =>
  ((globalThis as { [KEY]?: InProcess })[KEY] ??= { around: new AsyncLocalStorage(), times: new Map(), waits: new Set() })

/** The files that run in this process and in those that have started it, once for each process. */
const MARK = 'ONE_SERVER_CONFIG_RUNS'

/** A process that an editor starts while a configuration runs inherits the mark, too: one is no proof, and two are. */
const DEEPEST = 2

const marked = (): string[] => (process.env[MARK] ?? '').split(delimiter).filter(Boolean)

const mark = (files: readonly string[]): void => {
  if (files.length === 0) delete process.env[MARK]
  else process.env[MARK] = files.join(delimiter)
}

/** No listener of one call stays, and many calls have one together. */
const onIdle = (): void => { for (const end of inProcess().waits) end() }

const untilSettled = async <T>(work: Promise<T>): Promise<T> => {
  const { waits } = inProcess()
  let end: (() => void) | undefined
  const stuck = new Promise<never>((_, reject) => {
    end = () => reject(new Error('it waits for something that never comes (an await that nothing can end)'))
  })
  if (waits.size === 0) process.on('beforeExit', onIdle)
  waits.add(end!)
  try {
    return await Promise.race([work, stuck])
  } finally {
    waits.delete(end!)
    if (waits.size === 0) process.off('beforeExit', onIdle)
  }
}

/** Runs `work`, which runs the code of `file`. */
export const runningCode = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  const { around, times } = inProcess()
  const files = around.getStore() ?? new Set()
  const runsHere = times.get(file) ?? 0
  const outside = marked().filter((one) => one === file).length - Math.min(runsHere, 1)
  if (files.has(file) || outside >= DEEPEST) {
    throw new Error('it asks one-server for a server of its own, which would run it again, without end')
  }
  if (runsHere === 0) mark([...marked(), file])
  times.set(file, runsHere + 1)
  try {
    return await untilSettled(around.run(new Set([...files, file]), work))
  } finally {
    const left = times.get(file)! - 1
    times.set(file, left)
    const now = marked()
    const at = now.lastIndexOf(file)
    if (left === 0 && at >= 0) mark(now.toSpliced(at, 1))
  }
}
