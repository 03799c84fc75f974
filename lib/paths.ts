/**
 * Where the state of a server lies. All names derive from the PID file. Two spellings of one folder must not start two
 * servers, so the folder is resolved to its real path. The PID file itself is not: a symbolic link in its place could lead
 * one-server to write somewhere else.
 */
import { basename, dirname, isAbsolute, join } from 'node:path'
import { stateUnusable } from './errors.js'
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
  /** <host>, the name of this host: a record that bears another one is not this host's to judge. */
  readonly hostName: string
}

export const pathsOf = (realPidFile: string, host: string): Paths => ({
  pidFile: realPidFile,
  lock: `${realPidFile}.lock`,
  folder: `${realPidFile}.d`,
  host: join(`${realPidFile}.d`, host),
  hostName: host,
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

/** A relative path would mean another folder, and another server, in each working directory. */
const absolute = (path: string | undefined): string | undefined => (path && isAbsolute(path) ? path : undefined)

/** The user's home: HOME, else USERPROFILE, else what the user database says. cron, `env -i` and some runners give no HOME. */
const home = (env: NodeJS.ProcessEnv): string => {
  const named = absolute(env['HOME']) ?? absolute(env['USERPROFILE'])
  if (named !== undefined) return named
  try {
    const { homedir } = process.getBuiltinModule('node:os').userInfo()
    if (isAbsolute(homedir)) return homedir
  } catch {
    // No entry for this uid, as in many containers.
  }
  throw stateUnusable('HOME', 'is not set, and the user database has no home folder for this user', NO_HOME)
}

const NO_HOME = 'Set HOME, or ONE_SERVER_STATE_DIR for named servers, or name the PID file (pidFile, --pid-file).'

export const defaultPidFile = (env: NodeJS.ProcessEnv): string => join(home(env), '.omega-session-server.pid')

/**
 * The folder of named servers. Never XDG_RUNTIME_DIR or TMPDIR: they differ between a desktop
 * session, cron, sudo and docker exec, and one name must mean one server.
 */
export const stateDir = (env: NodeJS.ProcessEnv, { stateFolder } = platform): string => {
  if (env['ONE_SERVER_STATE_DIR']) return env['ONE_SERVER_STATE_DIR']
  const folder = stateFolder(env) || absolute(env['XDG_STATE_HOME'])
  if (folder) return join(folder, 'one-server')
  return join(home(env), '.local', 'state', 'one-server')
}
