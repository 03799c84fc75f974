/**
 * What every step of one call shares: the machine, the names on disk, the settings of the caller and
 * the listener for events.
 */
import type { Report } from '../events.js'
import type { Settings } from '../options.js'
import type { Paths } from '../paths.js'
import type { System } from '../system/system.js'

export interface Context {
  readonly system: System
  readonly paths: Paths
  readonly settings: Settings
  readonly report: Report
  /** The launch in whose server this process runs, if it runs in one. */
  readonly inside: string | undefined
}
