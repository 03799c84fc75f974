/**
 * A call on a file again, after Windows has refused it: there a file cannot be replaced, renamed or removed as long as another process
 * has it open, a client that reads or a virus scanner, and one that is being deleted can be neither opened nor made. Each of these
 * lasts for moments, so the call is made again after 5, 10, 20 … ms, about a second in all, and then fails as it did.
 *
 * A client that dies between two attempts leaves what it leaves before the first. Loaded by the first refusal.
 */
import { lstatSync } from 'node:fs'
import { setTimeout } from '../timer.js'
import { remove } from './files.js'
import { busy } from './processes.js'

/** ms before each attempt. */
const PAUSES = [5, 10, 20, 40, 80, 160, 320, 320]

export type PatientCall = 'create' | 'inspect' | 'list' | 'makeFolder' | 'read' | 'remove' | 'removeFolder' | 'rename' | 'replace'

const causeOf = (error: unknown): NodeJS.ErrnoException => ((error as Error).cause ?? error) as NodeJS.ErrnoException

const isBusy = (error: unknown): boolean => busy.includes(causeOf(error).code ?? '')

/** Whether nothing can be seen there: what is being deleted is listed, and shows nothing else of itself. */
const isGoing = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return true
  }
}

/** Whether two names are one file. */
const isSame = (one: string, other: string): boolean => {
  const [first, second] = [one, other].map((path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }))
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev
}

const attempt = async (name: PatientCall, act: () => unknown, path: string, temp: string, refusal: unknown): Promise<unknown> => {
  let error = refusal
  for (const pause of PAUSES) {
    if (!isBusy(error)) throw error
    // The temp file has stayed. If the file was made, a second attempt would take it for another client's.
    if (name === 'create' && causeOf(error).syscall === 'unlink') {
      const made = isSame(path, temp)
      await again('remove', remove, [temp], error)
      if (made || !isGoing(path)) return made
    }
    await new Promise((resolve) => { setTimeout(resolve, pause) })
    try {
      if (name === 'replace') remove(temp)
      return act()
    } catch (next) {
      error = next
    }
  }
  if (!isBusy(error)) throw error
  if (name === 'removeFolder') return undefined
  if (name === 'read' && isGoing(path)) return { kind: 'absent' }
  if (name === 'list' && isGoing(path)) return []
  throw error
}

/** Makes a call again that was refused with `refusal`. */
export const again = async <Args extends readonly unknown[], Result>(
  name: PatientCall, call: (...args: Args) => Result, args: Args, refusal: unknown,
): Promise<Result> => {
  const [path, , temp = ''] = args as unknown as [string, string?, string?]
  return (await attempt(name, () => call(...args), path, temp, refusal)) as Result
}
