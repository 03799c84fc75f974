/**
 * What every step of one call shares: the machine, the names on disk, the settings of the caller and
 * the listener for events.
 */
import { reporter, type Report } from './events.js'
import type { Settings } from './options.js'
import { pathsOf, resolvePidFile, type Paths } from './paths.js'
import type { System } from './system/system.js'

export interface Context {
  readonly system: System
  readonly paths: Paths
  readonly settings: Settings
  readonly report: Report
  /** The launch in whose server this process runs, if it runs in one. */
  readonly inside: string | undefined
}

/** Made for each call: the folder of the PID file may have come into being since the last one. */
export const contextOf = (settings: Settings, system: System): Context => {
  const pidFile = resolvePidFile(settings.pidFile, (path) => system.realpath(path))
  return {
    system, settings, paths: pathsOf(pidFile, system.host()),
    report: reporter(settings.onEvent, () => system.now()),
    inside: process.env['ONE_SERVER_LAUNCH_ID'],
  }
}
