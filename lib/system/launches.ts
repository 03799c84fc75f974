/**
 * Launches, by their processes alone: what is known of a server when something has deleted its state. What a process holds open may
 * be anything, so it is read through the checks of `files.ts`.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs'
import { contentOf } from './files.js'
import { surroundings } from './platform/current.js'
import type { FoundLaunch } from './system.js'

/** By its name below /proc. A device may act when it is opened, so only what is seen to be a plain file is. */
const textHeldAt = (path: string): string | undefined => {
  try {
    if (!statSync(path).isFile()) return undefined
    const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const found = contentOf(file)
      return found.kind === 'file' ? found.text : undefined
    } finally {
      closeSync(file)
    }
  } catch {
    // The process has ended meanwhile.
    return undefined
  }
}

/** The launches of this PID file that live past their gates. None where processes do not show it. */
export const launchesOf = (pidFile: string): FoundLaunch[] =>
  surroundings.launches().filter((launch) => launch.pidFile === pidFile)
    .map(({ launchId, leader, claim }) => ({ launchId, leader, claim: claim === undefined ? undefined : textHeldAt(claim) }))
