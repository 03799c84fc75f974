/**
 * What all steps of one call share: the machine, the names on disk, the caller's settings and the listener for events. One
 * object instead of five arguments, and no step can take its clock or its paths from elsewhere.
 */
import { reporter, type Report } from './events.js'
import type { Settings } from './options/settings.js'
import { pathsOf, resolvePidFile, type Paths } from './paths.js'
import type { System } from './system/system.js'

export interface Context {
  readonly system: System
  readonly paths: Paths
  readonly settings: Settings
  readonly report: Report
  /** The launch in whose server this process runs, if it runs in one. Such a client would wait for itself. */
  readonly inside: string | undefined
}

/** Made for each call, since the folder of the PID file may have been made after the call before. */
export const contextOf = async (settings: Settings, system: System): Promise<Context> => {
  const pidFile = resolvePidFile(settings.pidFile, (path) => system.realpath(path))
  return {
    system, settings, paths: pathsOf(pidFile, await system.host()),
    report: reporter(settings.onEvent, () => system.now()),
    inside: process.env['ONE_SERVER_LAUNCH_ID'],
  }
}
