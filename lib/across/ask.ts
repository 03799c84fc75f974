/** What a client of this host asks the steward of its launch, at its address on the loopback interface. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Context } from '../context.js'
import { baseUrl, endpointOf } from '../health/address.js'
import type { OneServerError, OneServerErrorData } from '../errors.js'
import type { AcrossStatus } from '../server-info.js'
import type { ReadyMark } from '../state/claim.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { clientFor } from '../health/get.js'
import { isUrl } from '../text/is-url.js'
import { startTimer } from '../timer.js'
import { isReached, notAnswering, reachHint } from './errors.js'

/** The header in which a steward says where its server is: URL, host, epoch, PID, and `own` or `other`. */
export const AT_HEADER = 'x-one-server-at'

/** Where a steward says what it knows (known.ts). */
export const STATUS_PATH = '/status'

/** The same, after a look at the hosts that use the server now. */
export const LOOK_PATH = '/look'

export interface UsingHost {
  readonly host: string
  /** ISO 8601. Undefined where a newer one-server wrote it. */
  readonly since?: string
}

/** The document at `/status` and `/look`. */
export interface Told {
  /** Undefined until it is known. */
  readonly role?: 'owner' | 'follower' | undefined
  /** The owner's. */
  readonly host?: string | undefined
  readonly state?: string | undefined
  readonly url?: string | undefined
  readonly epoch?: number | undefined
  readonly pid?: number | undefined
  /** ms after which the owner's claim may be taken. */
  readonly ttl?: number | undefined
  /** The other hosts that use the server. Only its owner looks at them. */
  readonly users?: readonly UsingHost[] | undefined
  /** ms since the owner was last heard of; of an owner itself, since the sending of its last confirmed renewal. */
  readonly silentFor?: number | undefined
  /** In words: `etcd at a:2379, b:2379`. */
  readonly engine: string
  /** The keys of this server begin with it. */
  readonly under: string
  /** ms by which the wall clock of this host was set since the steward began. */
  readonly jumped: number
  /** Why the engine has given no answer, and for how long. */
  readonly trouble?: string | undefined
  /** Why this steward points to no server, as far as something is amiss. */
  readonly why?: string | undefined
}

/** Bytes of what is known: sixty hosts have a tenth of it. */
const LARGEST = 256 * 1024

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Undefined: no answer within `timeout` ms. */
const ask = (url: string, timeout: number): Promise<Answer | undefined> =>
  new Promise((resolve) => {
    const call = clientFor('http:').get(url, { agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece
        if (body.length > LARGEST) end(undefined)
      })
      response.once('end', () => end({ headers: response.headers, body })).once('error', () => end(undefined))
    })
    const end = (answer: Answer | undefined): void => {
      endTimer()
      resolve(answer)
      call.destroy()
    }
    const endTimer = startTimer(timeout, () => end(undefined))
    call.on('error', () => end(undefined))
  })

/** The mark of a launch that is a steward. Undefined: it has no server to point to any more. */
export const markOf = async ({ settings }: Context, { healthTimeout }: LaunchRecord, url: string): Promise<ReadyMark | undefined> => {
  const answer = await ask(url, Math.max(healthTimeout, settings.healthTimeout))
  const [base, host, epoch, pid, whose] = String(answer?.headers[AT_HEADER] ?? '').split(' ')
  if (base === undefined || host === undefined || !isUrl(base)) return undefined
  const at = { address: baseUrl(base), port: endpointOf(base)!.port, host, epoch: Number(epoch), pid: Number(pid) }
  return { url, base: baseUrl(base), at, isElsewhere: whose !== 'own' }
}

const SILENT = 'its steward on this host does not answer'

/** ms in which a steward answers a question that needs no other machine. */
const TELLS = 2000

/** ms in which it answers one for which it asks the engine: a request to each of some endpoints that are away. */
const LOOKS = 5000

/** What the steward of a launch knows. Undefined where it does not answer: it may be frozen, or another program has its port. */
export const toldBy = async (
  { health, launch }: LaunchRecord, { path, timeout } = { path: STATUS_PATH, timeout: TELLS },
): Promise<Told | undefined> => {
  const answer = await ask(new URL(path, health.urls[0]).href, timeout)
  if (answer === undefined || answer.headers['x-one-server-launch'] !== launch) return undefined
  try {
    return JSON.parse(answer.body) as Told
  } catch {
    return undefined
  }
}

/** What a status says of a server that hosts share. */
export const acrossStatus = async (record: LaunchRecord, isReady: boolean): Promise<AcrossStatus> => {
  const { host, role, epoch, users, silentFor, engine, trouble, why }: Partial<Told> =
    (await toldBy(record)) ?? { trouble: SILENT, why: SILENT, engine: `unknown, keys below ${record.identity.coordinator}/` }
  const using = users?.map((user) => ({ host: user.host, since: user.since === undefined ? undefined : new Date(user.since) }))
  return { host, epoch, coordinator: engine, role, users: using, silentFor, trouble: isReady ? trouble : why }
}

/**
 * Whether somebody on another host may use the server. A host that came a moment ago is not among those that the steward knew then, so it
 * looks again for this. A follower does not know, and an owner that could not look neither, so they say yes.
 */
export const isUsedElsewhere = async (record: LaunchRecord): Promise<boolean> => {
  const told = await toldBy(record, { path: LOOK_PATH, timeout: LOOKS })
  return told?.role !== 'owner' || told.trouble !== undefined || told.users?.length !== 0
}

const BOOTS = 'If it needs longer, raise startupTimeout (--timeout). If it answers at another address or path, check port, host and ' +
  'healthPath (--port, --host, --health).'

/** What stands in the way, in words, and what the reader can do about it. `reason`: what the health check says. */
export const whatSteward = async (record: LaunchRecord, reason: string): Promise<{ reason: string; hint: string | undefined }> => {
  const told = await toldBy(record)
  const isElsewhere = told?.role === 'follower' && told.url !== undefined && told.trouble === undefined && !isReached(told.why ?? reason)
  const boots = told?.role === 'owner' && told.state === 'starting'
  return { reason: told?.why ?? reason, hint: isElsewhere ? reachHint(told.host!) : boots ? BOOTS : undefined }
}

/** The error of a server that was ready and does not answer for `waited` ms. */
export const unhealthy = async (
  record: LaunchRecord, mark: ReadyMark | undefined, waited: number, last: string, data: OneServerErrorData,
): Promise<OneServerError> => {
  const { reason, hint } = await whatSteward(record, last)
  return notAnswering(waited, reason, hint, { ...data, ...(mark?.at?.pid === undefined ? {} : { pid: mark.at.pid, port: mark.at.port }) })
}
