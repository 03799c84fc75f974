/** What the steps of one call share, with the real machine behind it and a PID file in a folder of the test's own. */
import { join } from 'node:path'
import type { Test } from 'tap'
import type { OneServerEvent } from '../../lib/events.js'
import type { Context } from '../../lib/context.js'
import { nodeSystem } from '../../lib/node-system.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { settingsFrom } from '../../lib/options/settings.js'
import { pathsOf } from '../../lib/paths.js'
import type { System } from '../../lib/system/system.js'
import { tempFolder } from './temp-folder.js'

export const aContext = async (t: Test, options: ClientProcessManagerOptions = {}, system: System = nodeSystem): Promise<Context & { readonly events: OneServerEvent[] }> => {
  const paths = pathsOf(join(tempFolder(t), 's.pid'), await system.host())
  await system.makeFolder(paths.host)
  const events: OneServerEvent[] = []
  return {
    system, paths, settings: settingsFrom({ ...options, pidFile: paths.pidFile }), inside: undefined, events,
    report: (event) => { events.push({ at: 0, ...event } as OneServerEvent) },
  }
}
