/**
 * `status`: shows the state and changes nothing. The exit code alone answers "is there a server?": 0 for one that runs, in
 * any state, and 3 for none; of several servers, 3 where one of them does not run.
 */
import { ClientProcessManager } from '../client-process-manager.js'
import type { AnyStatus, ServerStatus } from '../server-info.js'
import type { Request } from './arguments.js'
import { ending, hostRows, rows as clients } from './clients.js'
import { formatDuration } from '../text/duration.js'
import { onOneLine } from '../text/terminal-text.js'
import type { Output } from './output.js'
import { nameAmong } from './start.js'

const NOT_RUNNING = 3

export const STATE_COLOURS = { ready: 'green', starting: 'yellow', unhealthy: 'red', stopped: 'dim', unusable: 'red' } as const

const LABEL = 10

/** Of a server that hosts share. */
const across = ({ host, role, epoch, coordinator, silentFor }: AnyStatus): [string, string | undefined][] => {
  const whose = role === undefined ? '' : role === 'owner' ? ', this host' : ', another host'
  return [
    ['host', host === undefined ? undefined : `${host}${whose}, epoch ${epoch}`],
    ['engine', coordinator],
    // The owner's claim, as this host has seen it.
    ['renewed', silentFor === undefined ? undefined : `${formatDuration(silentFor)} ago`],
  ]
}

const rows = (status: AnyStatus, output: Output): [string, string | undefined][] => {
  const { state, url, pid, isHeadless, since, adopted, launchId, launcher, pidFile, logFile, trouble } = status
  const launch = launchId === undefined ? undefined : `${launchId}${launcher === undefined ? '' : ` by PID ${launcher}`}`
  return [
    ['state', output.paint(STATE_COLOURS[state], state)],
    ['url', url],
    ...across(status),
    ['trouble', trouble],
    ['pid', isHeadless ? `${pid}, which the process that was launched left behind` : pid?.toString()],
    // The one ISO-like local format that every ICU has.
    ['since', since && `${since.toLocaleString('sv-SE')} (${formatDuration(Date.now() - since.getTime())})`],
    ['launch', adopted ? 'none: not started by one-server' : launch],
    ...clients(status, output.width - LABEL).map((client): [string, string] => ['client', client]),
    ...hostRows(status).map((row): [string, string] => ['used by', row]),
    ['stops', launchId === undefined ? undefined : ending(status)],
    ['pid file', pidFile],
    ['log', adopted ? undefined : logFile],
  ]
}

const table = (status: ServerStatus, name: string | undefined, output: Output): string => {
  const known = [['name', name] as const, ...rows(status, output)].filter(([, value]) => value !== undefined)
  return known.map(([label, value]) => `${label.padEnd(LABEL)}${onOneLine(value ?? '')}\n`).join('')
}

export const run = async ({ servers, names }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const asked = names.length === 0 ? servers : names.map((name) => servers.find((server) => server.name === name)!)
  const all = await Promise.all(asked.map(({ options }) => new ClientProcessManager(options).status({ signal })))
  const nameOf = (at: number): string | undefined => nameAmong(asked, asked[at]!)
  const several = (): object => ({ servers: all.map((status, at) => ({ name: nameOf(at), ...status })) })
  if (output.json) await output.document(all.length > 1 ? several() : all[0]!)
  else await output.result(all.map((status, at) => table(status, nameOf(at), output)).join('\n'))
  return all.some(({ state }) => state === 'stopped') ? NOT_RUNNING : 0
}
