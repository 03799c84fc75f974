/**
 * Where Node keeps what it has compiled of the command line: a hook calls `one-server start` again and again, and to compile that costs
 * as much as its health check.
 *
 * What lies there is executed. Another user who could put a file there would run a program as this user (promise 4). So the folder
 * counts only where each folder on the way to it is this user's or root's and nobody else may write there, and where nobody else may
 * enter it: what Node makes in it has the modes that the umask leaves. A home that is read-only, or another user's (sudo with HOME kept),
 * a folder with other modes, and Windows, which shows no owners: then nothing is kept and nothing is said, and the call compiles.
 */
import { lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'

const OTHERS = 0o077
const OTHERS_WRITE = 0o022
/** In a folder with this bit, such as /tmp, nobody replaces what is another user's. */
const STICKY = 0o1000

const isOwn = ({ uid }: Stats): boolean => uid === process.getuid?.()

const isClosed = (stats: Stats): boolean =>
  stats.isDirectory() && (isOwn(stats) || stats.uid === 0) && ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0)

/** Whether nobody but this user and root decides what lies at a path. */
const isGuarded = (path: string): boolean => {
  for (let folder = realpathSync.native(path); ; folder = dirname(folder)) {
    if (!isClosed(lstatSync(folder))) return false
    if (folder === dirname(folder)) return true
  }
}

/** Makes a folder of this user's own, in one that is guarded. */
const makeIn = (parent: string, folder: string): void => {
  if (isGuarded(parent)) mkdirSync(folder, 0o700)
}

/** The folder, as an absolute path without links. `makes`: it is made where it is missing. Undefined: nothing is to be kept. */
export const compiledFolder = (env: NodeJS.ProcessEnv, makes: boolean): string | undefined => {
  const { HOME: home = '', XDG_CACHE_HOME: named = '' } = env
  const base = isAbsolute(named) ? named : join(home, '.cache')
  if (process.getuid === undefined || !isAbsolute(base)) return undefined
  const folder = join(base, 'one-server')
  try {
    if (makes && lstatSync(base, { throwIfNoEntry: false }) === undefined) makeIn(dirname(base), base)
    if (makes && lstatSync(folder, { throwIfNoEntry: false }) === undefined) makeIn(base, folder)
    const stats = lstatSync(folder)
    return isOwn(stats) && (stats.mode & OTHERS) === 0 && isGuarded(folder) ? realpathSync.native(folder) : undefined
  } catch {
    return undefined
  }
}
