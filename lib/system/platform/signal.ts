/**
 * kill(2), as Node has it on every system. Two answers must not be confused: that there is nobody, which is true, and
 * that this user may not, which says nothing about the process.
 */
import { notPermitted } from '../../errors.js'

/** Whether any process has this PID, also another user's, also a zombie. */
export const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Sends a signal to a process or, by a negative number, to a group. False: nobody was there. Throws when it is not permitted. */
export const send = (pid: number, signal: NodeJS.Signals): boolean => {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw notPermitted(Math.abs(pid), error)
  }
}
