/**
 * Every name on disk, in one place. All names derive from the PID file, which is resolved once: the
 * real path of its folder plus its base name, so that two spellings of one folder share one server,
 * while a symbolic link in the place of the PID file itself is not followed anywhere.
 */
import { basename, dirname, join } from 'node:path'
import { platform } from './system/platform/current.js'

export interface Paths {
  /** P: line 1 the PID, line 2 the record. */
  readonly pidFile: string
  /** The directory that proper-lockfile makes. */
  readonly lock: string
  /** P.d: one folder a host. */
  readonly folder: string
  /** P.d/<host>: claims and marks of this host, this boot, these namespaces. */
  readonly host: string
}

export const pathsOf = (realPidFile: string, host: string): Paths => ({
  pidFile: realPidFile,
  lock: `${realPidFile}.lock`,
  folder: `${realPidFile}.d`,
  host: join(`${realPidFile}.d`, host),
})

/** The PID file under the real path of its folder. The folder need not exist yet: what exists of it is resolved. */
export const resolvePidFile = (pidFile: string, realpath: (path: string) => string | undefined): string => {
  const missing = [basename(pidFile)]
  for (let folder = dirname(pidFile); ; folder = dirname(folder)) {
    const real = realpath(folder)
    if (real !== undefined) return join(real, ...missing)
    if (folder === dirname(folder)) return pidFile
    missing.unshift(basename(folder))
  }
}

/** Home of the user as the environment tells it; nothing is looked up, so that one name means one server. */
const home = (env: NodeJS.ProcessEnv): string => env['HOME'] || env['USERPROFILE'] || '.'

export const defaultPidFile = (env: NodeJS.ProcessEnv): string => join(home(env), '.omega-session-server.pid')

/**
 * The folder of named servers. Never XDG_RUNTIME_DIR or TMPDIR: they differ between a desktop
 * session, cron, sudo and docker exec, and one name must mean one server.
 */
export const stateDir = (env: NodeJS.ProcessEnv, { stateFolder } = platform): string => {
  if (env['ONE_SERVER_STATE_DIR']) return env['ONE_SERVER_STATE_DIR']
  const folder = stateFolder(env) || env['XDG_STATE_HOME']
  if (folder) return join(folder, 'one-server')
  return join(home(env), '.local', 'state', 'one-server')
}
