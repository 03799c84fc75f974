/**
 * Clients of two versions, for the simulation: the newer ones replace the older one's server, the older ones are told
 * that another version runs. Never are there two, and nobody ends what the newer ones were given.
 */
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import { OneServerError } from '../../lib/errors.js'
import { OPTIONS, type Act, type RunPlan } from './schedule.js'

const NEWEST = '2.0.0'

const versioned = (version: string): Act => async (_, system, world) => {
  try {
    const { launchId } = await new ClientProcessManager({ ...OPTIONS, version, onMismatch: 'restart' }, system).ensureServerRunning()
    if (version === NEWEST) world.hold(launchId!, undefined)
    return launchId
  } catch (error) {
    if (version !== NEWEST && error instanceof OneServerError && error.code === 'CONFIG_MISMATCH') return 'told'
    throw error
  }
}

export const older: Act = versioned('1.9.0')
export const newer: Act = versioned(NEWEST)

/** What comes afterwards wants the newest, too. */
export const replacingPlan = (acts: readonly Act[]): RunPlan => ({ acts, world: { withLock: true }, options: { ...OPTIONS, version: NEWEST, onMismatch: 'restart' } })

/** 2 to 5 clients of either version. */
export const anyVersions = (random: () => number): RunPlan =>
  replacingPlan(Array.from({ length: 2 + Math.floor(random() * 4) }, () => (random() < 0.5 ? older : newer)))
