/**
 * In whose name a lease is: this process's, or that of another process of this user, which need not know of it. A lease that no end of
 * a process can end would keep a server for ever, so what cannot be watched is refused, and so is a process of the server itself.
 *
 * A process that ends right after this look has a lease that counts for nothing; `handOver` looks once more before it returns.
 */
import type { Context } from '../context.js'
import { invalidOption } from '../errors.js'
import { judge, type Leader, type ProcessId } from '../system/system.js'

export interface Holder {
  readonly process: ProcessId
  /** What it runs, for people. Undefined: the caller knows. */
  readonly command: string | undefined
}

const refused = (why: string, pid: unknown): Error => invalidOption('pid', `the PID of a process of this user that lives (${why})`, pid)

export const ended = (pid: number): Error => refused('there is no such process, or it has ended', pid)

/** The process that has this PID now. Throws INVALID_OPTION where no lease may be in its name. */
export const holderOf = async ({ system }: Context, pid: number): Promise<Holder> => {
  if (!Number.isSafeInteger(pid) || pid <= 0) throw invalidOption('pid', 'a PID, a whole number above 0', pid)
  const own = await system.self()
  if (pid === own.pid) return { process: own, command: undefined }
  const described = await system.describe(pid)
  if (described === 'unknown') throw refused('this system shows the end of no other program: use acquire() or one-server hold there', pid)
  const look = await system.look(pid)
  if (described === undefined || look.state === 'gone' || look.state === 'zombie') throw ended(pid)
  if (!described.isOwn || !('start' in look)) throw refused('this one is of another user, or of the kernel', pid)
  if (look.isThread) throw refused('this is a thread of a process', pid)
  return { process: { pid, start: look.start }, command: described.command }
}

/** A server that held itself would never end. */
export const assertOutside = async ({ system }: Context, { pid }: ProcessId, leader: Leader, launchId: string): Promise<void> => {
  const isInside = pid === leader.pid || (await system.kin(leader, launchId, pid)).some((kin) => kin.pid === pid)
  if (isInside) throw refused('this one belongs to the server itself', pid)
}

/** Throws where the process has ended meanwhile. */
export const assertAlive = async ({ system }: Context, process: ProcessId): Promise<void> => {
  if (judge(process, await system.look(process.pid)) === 'dead') throw ended(process.pid)
}
