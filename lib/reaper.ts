/**
 * The reaper: what the watchdog of an idle launch runs. An extension that has one-server in its own bundle has no file
 * to run, so this program is bundled into one text at build time and needs no other file.
 *
 *     node -e <this> <PID file> <launch id>
 */
import { contextOf } from './context.js'
import { reap } from './protocol/stop.js'
import { nodeSystem } from './node-system.js'
import { settingsFrom } from './options/settings.js'

const [, pidFile = '', launchId = ''] = process.argv

// Nobody reads an error here. The exit code makes the watchdog try again, and the next client does what is left undone.
contextOf(settingsFrom({ pidFile }), nodeSystem)
  .then((context) => reap(context, launchId))
  .catch(() => { process.exitCode = 1 })
