/**
 * What the watch over an idle launch runs, by itself and without any other file of ours: it is bundled
 * into one text at build time, since an extension that has us in its own bundle has no file to run.
 *
 *     node -e <this> <PID file> <launch id>
 */
import { contextOf } from './context.js'
import { reap } from './protocol/stop.js'
import { nodeSystem } from './node-system.js'
import { settingsFrom } from './options.js'

const [, pidFile = '', launch = ''] = process.argv

// Nobody is there to be told; what it leaves undone the next client does.
reap(contextOf(settingsFrom({ pidFile }), nodeSystem), launch).catch(() => { process.exitCode = 1 })
