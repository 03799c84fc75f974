/**
 * Whether this process is in the foreground of a terminal. If it is, Ctrl-C and Ctrl-\ have been sent by
 * the kernel to its whole process group, the children in it included, and whoever passes them on makes
 * two of one. Having a terminal on stdin tells nothing: a job in the background has it, too, and is sent
 * nothing, and one whose streams are redirected is sent all the same.
 *
 * Sources: proc_pid_stat(5), fields 5 and 8 (process group, and the foreground process group of the
 * controlling terminal); POSIX XBD 11.1.9, Special Characters.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Own process group, and the one in the foreground. */
const groups = (): readonly (string | undefined)[] => {
  if (process.platform === 'linux') {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [fields[2], fields[5]]
  }
  return execFileSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split(/\s+/)
}

const inForeground = (): boolean => {
  // A console of Windows tells all its processes, and a signal sent by Node there would end them.
  if (process.platform === 'win32') return true
  try {
    const [own, foreground] = groups()
    return own !== undefined && own === foreground
  } catch {
    // Passed on twice is better than not at all.
    return false
  }
}

/**
 * To be asked when a signal has come. Two looks are needed. The one at that moment may come too late: what
 * we were started by (xargs) has died of the same Ctrl-C, and the shell has taken its terminal back. The
 * one before may be out of date; what a shell moves while it is stopped it tells so by SIGCONT.
 *
 * A signal that somebody sends to us alone while we are in the foreground is taken for a typed one, as it
 * is by system(3). SIGTERM is never typed.
 */
export const watchForeground = (): (() => boolean) => {
  let before = inForeground()
  if (process.platform !== 'win32') process.on('SIGCONT', () => { before = inForeground() })
  return () => before || inForeground()
}
