/**
 * `status`: shows the state and changes nothing. The exit code alone answers "is there a server?": 0 for one that runs, in
 * any state, and 3 for none.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { ServerStatus } from '../server-info.js'
import type { Request } from './arguments.js'
import { ending, rows as clients } from './clients.js'
import { formatDuration } from '../text/duration.js'
import { onOneLine } from '../text/terminal-text.js'
import type { Output } from './output.js'

const NOT_RUNNING = 3

export const STATE_COLOURS = { ready: 'green', starting: 'yellow', unhealthy: 'red', stopped: 'dim', unusable: 'red' } as const

const LABEL = 10

const rows = (status: ServerStatus, output: Output): [string, string | undefined][] => {
  const { state, url, pid, isHeadless, since, adopted, launchId, launcher, pidFile, logFile } = status
  const launch = launchId === undefined ? undefined : `${launchId}${launcher === undefined ? '' : ` by PID ${launcher}`}`
  return [
    ['state', output.paint(STATE_COLOURS[state], state)],
    ['url', url],
    ['pid', isHeadless ? `${pid}, which the process that was launched left behind` : pid?.toString()],
    // The one ISO-like local format that every ICU has.
    ['since', since && `${since.toLocaleString('sv-SE')} (${formatDuration(Date.now() - since.getTime())})`],
    ['launch', adopted ? 'none: not started by one-server' : launch],
    ...clients(status, output.width - LABEL).map((client): [string, string] => ['client', client]),
    ['stops', launchId === undefined ? undefined : ending(status)],
    ['pid file', pidFile],
    ['log', adopted ? undefined : logFile],
  ]
}

export const run = async ({ options }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const status = await new ClientProcessManager(options).status({ signal })
  if (output.json) await output.document(status)
  else {
    const known = rows(status, output).filter(([, value]) => value !== undefined)
    await output.result(known.map(([label, value]) => `${label.padEnd(LABEL)}${onOneLine(value ?? '')}\n`).join(''))
  }
  return status.state === 'stopped' ? NOT_RUNNING : 0
}
