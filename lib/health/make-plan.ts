/**
 * How to ask whether a server is ready, from the settings of the client that launches it. The plan
 * goes into the record of the launch, and from then on those settings do not matter.
 */
import { readyBeforeStart, type OneServerError } from '../errors.js'
import type { Settings } from '../options/settings.js'
import { fill } from '../text/fill.js'
import { addressesOf, bareHost } from './address.js'
import { RUN, type HealthPlan, type OwnCommand, type Probe } from './plan.js'

const atPort = ({ host }: Settings, port: number, scheme: 'http' | 'tcp'): string[] =>
  addressesOf(host).map((address) => `${scheme}://${address}:${port}`)

const byHttp = (settings: Settings, port: number): HealthPlan => {
  const { healthPath, healthUrl, healthHeaders: headers, healthMatch: match, healthStatus: status } = settings
  const matching = { ...(status === undefined ? {} : { status }), ...(match === undefined ? {} : { match }) }
  if (healthUrl === undefined) return { urls: atPort(settings, port, 'http').map((url) => url + healthPath), headers, ...matching }
  const url = new URL(healthUrl.replaceAll('{port}', String(port)))
  const at = (address: string): string => {
    const copy = new URL(url)
    copy.hostname = address
    return copy.href
  }
  return { urls: addressesOf(bareHost(url.hostname)).map(at), headers, ...matching }
}

/**
 * How to ask a server on this port. A line of a log or a command does not show which protocol the server speaks; a `healthPath` beside
 * it says HTTP.
 */
export const makePlan = (settings: Settings, port: number): HealthPlan => {
  const { given, host, ready, logFile } = settings
  switch (ready?.kind) {
    case undefined:
      return byHttp(settings, port)
    case 'tcp':
      return { urls: addressesOf(ready.host ?? host).map((address) => `tcp://${address}:${ready.port || port}`), headers: {} }
    case 'socket':
      return { urls: [`socket:${ready.path.split('/').map(encodeURIComponent).join('/')}`], headers: {} }
    case 'log':
    case 'command': {
      const urls = atPort(settings, port, given.has('healthPath') ? 'http' : 'tcp')
      if (ready.kind === 'log') return { urls, headers: {}, log: { file: logFile, match: ready.match } }
      return { urls, headers: {}, command: ready.words.map((word) => fill(word, { host, port })) }
    }
  }
}

/**
 * As `makePlan`, for one launch. Another server may write to a log of the same name and must not make this one look ready,
 * so a plan by log keeps the inode of the launch's own log. `own`: how this client runs the plan's command.
 */
export const makeLaunchPlan = async (
  settings: Settings, port: number, inodeOfLog: () => Promise<string | undefined>, own?: OwnCommand,
): Promise<HealthPlan> => {
  const made = makePlan(settings, port)
  const plan = made.command === undefined || own === undefined ? made : { ...made, [RUN]: own }
  const inode = plan.log === undefined ? undefined : await inodeOfLog()
  return plan.log === undefined || inode === undefined ? plan : { ...plan, log: { ...plan.log, inode } }
}

/**
 * Why a launch must not begin although its port is free: something answers already where the check will ask, and would
 * make the new server look ready. At a port the launch looks for itself, and its log is new.
 */
export const whatIsTaken = async (
  settings: Settings, probe: (plan: HealthPlan, timeout: number) => Promise<Probe>,
): Promise<OneServerError | undefined> => {
  const { ready, healthTimeout } = settings
  if (ready?.kind !== 'socket' || !(await probe(makePlan(settings, 0), healthTimeout)).healthy) return undefined
  return readyBeforeStart(
    `The socket ${ready.path} is in use: it accepts connections`,
    'Stop the server that listens there (Linux: ss -xlp shows it), or choose another socket.',
  )
}
