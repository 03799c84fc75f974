/**
 * Whether this process is in the foreground of a terminal. There the kernel sends Ctrl-C and Ctrl-\ to the whole process
 * group, so a child would receive twice what its parent passes on. A terminal on stdin shows nothing: a job in the
 * background has one and receives no signal; a job in the foreground receives it even if its streams are redirected.
 *
 * Source: POSIX XBD 11.1.9, Special Characters.
 */
import { surroundings } from '../system/platform/current.js'

/**
 * Call the result when a signal has come. It takes two looks. A look at that moment may be too late: our parent (xargs) may
 * have died of the same Ctrl-C, and the shell may have taken its terminal back. An earlier look may be out of date, but a
 * shell that moves a stopped job sends it SIGCONT.
 *
 * A signal that somebody sends to us alone in the foreground counts as a typed one, as in system(3). SIGTERM is never typed.
 */
export const watchForeground = (): (() => Promise<boolean>) => {
  let before = surroundings.isInForeground()
  process.on('SIGCONT', () => { before = surroundings.isInForeground() })
  return async () => (await before) || surroundings.isInForeground()
}
