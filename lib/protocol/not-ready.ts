/**
 * Why a launch was not ready in time, from what can be seen: what was waited for, the last answer, its log, and where its
 * processes listen instead. A reader who does what the hint says gets on; a guess about a health check that does not exist
 * sends him away. Only a call that fails loads it.
 */
import type { Context } from '../context.js'
import { startTimeout, type OneServerError } from '../errors.js'
import { bareHost, endpointOf, type Endpoint } from '../health/address.js'
import { awaited } from '../health/awaited.js'
import { kindOf } from '../health/kind.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { LOG_LINES } from '../state/outcome.js'

const inUrl = ({ host, port }: Endpoint): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Ports that one message names. */
const NAMED = 3

const WILDCARDS = ['0.0.0.0', '::']

/** Where the processes of the launch listen, if it is not where they are asked. None where the kernel does not tell. */
const listensElsewhere = async (
  { system }: Context, { id, leader }: Pick<Launch, 'id' | 'leader'>, { health }: LaunchRecord,
): Promise<readonly Endpoint[]> => {
  const pids = [leader.pid, ...(await system.kin(leader, id)).map(({ pid }) => pid)]
  const there = (await system.listensAt?.(pids)) ?? []
  const asked = health.urls.flatMap((url) => endpointOf(url) ?? [])
  const isAsked = (at: Endpoint): boolean =>
    asked.some(({ host, port }) => port === at.port && (bareHost(host) === at.host || WILDCARDS.includes(at.host)))
  return there.some(isAsked) ? [] : there.slice(0, NAMED)
}

const LONGER = 'If it needs longer, raise startupTimeout (--timeout).'

/** For a server that listens, and not where it is asked. */
const move = (there: readonly Endpoint[], { port }: LaunchRecord): string => {
  if (there.some((at) => at.port === port)) {
    return 'Give it the address by {host} in its command or by HOST, or ask where it listens: --host.'
  }
  const [first] = there
  const given = `{port} in its command, or PORT in its environment, stands for ${port}`
  return `Give it the port: ${given}; or ask where it listens: --port ${first?.port}.`
}

const UNBUFFERED =
  'A program may keep its lines in a buffer while it writes into a file: PYTHONUNBUFFERED=1 (python -u) or stdbuf -oL sends each ' +
  'line at once.'

const hintFor = (there: readonly Endpoint[], record: LaunchRecord, last: string, logTail: string): string => {
  const kind = kindOf(record.health)
  const hints: string[] = []
  if (there.length > 0) hints.push(move(there, record))
  hints.push(LONGER)
  if (kind === 'log') {
    hints.push(logTail === '' ? UNBUFFERED : 'If the line has other words, correct ready (--ready log:TEXT, or log:/regular expression/).')
  } else if (kind === 'tcp') hints.push('If it listens elsewhere, correct ready and port (--ready, --port).')
  else if (kind === 'socket') hints.push('If its socket is elsewhere, correct ready (--ready socket:PATH).')
  else if (kind === 'command') hints.push('Run that command by hand beside the server to see what it says.')
  else if (/^it answered [1345]/.test(last)) {
    hints.push('If it answers at another path, name that: healthPath (--health).')
    hints.push('If it is well, say so: healthStatus (--health-status).')
  } else if (there.length === 0) {
    hints.push('If it answers at another address, check port, host and healthPath (--port, --host, --health).')
  }
  if (kind === 'http') hints.push(...protocolOf(record.health.urls[0]!, last))
  return hints.join(' ')
}

/** An answer in another protocol than the one that was asked for. */
const protocolOf = (url: string, last: string): string[] => {
  if (url.startsWith('http:') && /Parse Error|closed without an answer|socket hang up/.test(last)) {
    return ['If it speaks https, say so: --health https://localhost:{port}/path.']
  }
  if (url.startsWith('https:') && /SSL|TLS|EPROTO|closed without an answer|socket hang up/i.test(last)) {
    return ['If it speaks plain http, say so: --health http://localhost:{port}/path.']
  }
  return []
}

/** The error of a launch that `ms` were not enough for. `last` is the last answer of its check. */
export const notReady = async (
  context: Context, launch: Pick<Launch, 'id' | 'leader'>, record: LaunchRecord, ms: number, last: string,
): Promise<OneServerError> => {
  const { pid, port, logFile, health } = record
  const logTail = await context.system.tail(logFile, LOG_LINES)
  if (record.identity.coordinator !== undefined) {
    const { reason, hint } = await (await import('../across/ask.js')).whatSteward(record, last)
    return startTimeout(ms, reason, { pid, port, logFile, logTail }, hint ?? LONGER)
  }
  const there = await listensElsewhere(context, launch, record)
  const listens = there.length === 0 ? '' : `. It listens on ${there.map(inUrl).join(', ')}`
  const doing = `waiting for ${awaited(health)}: ${last}${listens}`
  return startTimeout(ms, doing, { pid, port, logFile, logTail }, hintFor(there, record, last, logTail))
}
