/**
 * Whether this process is in the foreground of a terminal. If it is, Ctrl-C and Ctrl-\ have been sent by
 * the kernel to its whole process group, its children included, and a client that passes them on makes
 * two of one. A terminal on stdin shows nothing: a job in the background has it, too, and gets no
 * signal, and a job whose streams are redirected gets it all the same.
 *
 * Source: POSIX XBD 11.1.9, Special Characters.
 */
import { surroundings } from '../system/platform/current.js'

/**
 * To be asked when a signal has come. Two looks are needed. The one at that moment may come too late: the parent of
 * this process (xargs) has died of the same Ctrl-C, and the shell has taken its terminal back. The one before may be
 * out of date; what a shell moves while it is stopped, the shell tells by SIGCONT.
 *
 * A signal that somebody sends to this process alone while it is in the foreground is taken for a typed one, as
 * system(3) does. SIGTERM is never typed.
 */
export const watchForeground = (): (() => boolean) => {
  let before = surroundings.isInForeground()
  process.on('SIGCONT', () => { before = surroundings.isInForeground() })
  return () => before || surroundings.isInForeground()
}
