/**
 * Where the state of a server lies. All names derive from the PID file. Two spellings of one folder must not start two
 * servers, so the folder is resolved to its real path. The PID file itself is not: a symbolic link in its place could lead
 * one-server to write somewhere else.
 */
import { basename, dirname, join } from 'node:path'
import { platform } from './system/platform/current.js'

export interface Paths {
  /** P, the PID file. */
  readonly pidFile: string
  /** P.lock, the directory by which proper-lockfile holds the lock. */
  readonly lock: string
  /** P.d, with one folder for each host. */
  readonly folder: string
  /** P.d/<host>: the claims and marks of this host, boot and namespaces. Elsewhere their PIDs mean nothing. */
  readonly host: string
}

export const pathsOf = (realPidFile: string, host: string): Paths => ({
  pidFile: realPidFile,
  lock: `${realPidFile}.lock`,
  folder: `${realPidFile}.d`,
  host: join(`${realPidFile}.d`, host),
})

/** The PID file below the real path of its folder. Where the folder does not exist yet, its nearest existing ancestor is resolved. */
export const resolvePidFile = (pidFile: string, realpath: (path: string) => string | undefined): string => {
  const missing = [basename(pidFile)]
  for (let folder = dirname(pidFile); ; folder = dirname(folder)) {
    const real = realpath(folder)
    if (real !== undefined) return join(real, ...missing)
    if (folder === dirname(folder)) return pidFile
    missing.unshift(basename(folder))
  }
}

/** The user's home by the environment alone: HOME, else USERPROFILE, else the working directory. */
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
