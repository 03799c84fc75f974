/**
 * The check over HTTP: GET, 2xx is healthy unless the plan has other statuses, redirects are not followed. `node:http` rather than
 * fetch, because loading fetch costs a client more than everything else that a warm call does.
 */
import type { Agent, IncomingMessage, RequestOptions } from 'node:http'
import type { NetConnectOpts, Socket } from 'node:net'
import type { Match } from '../options/parse.js'
import { setTimeout, startTimer } from '../timer.js'
import { bareHost, isLoopback } from './address.js'
import { mismatch } from './match.js'
import type { HealthPlan, Probe } from './plan.js'

/** Loaded by the first check and not with this file: a client that only imports the package does not pay for it. */
export const clientFor = (protocol: string) => process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http')

/**
 * ms after which an idle connection is closed, twice as many at most. A burst of calls shares it; a server that shuts down may wait
 * for it.
 */
const KEPT = 100

let kept: Agent | undefined

let checks = 0
let watched = false

/** Closes idle connections once a while has brought no check. A timeout of node:http would set two timers for each check. */
const watchIdle = (agent: Agent): void => {
  if (watched) return
  watched = true
  const seen = checks
  setTimeout(() => {
    watched = false
    if (checks !== seen) return watchIdle(agent)
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
    if (Object.keys(agent.sockets).length > 0) watchIdle(agent)
  }, KEPT).unref()
}

/**
 * Most processes make one call, and a kept connection costs them an agent and its timer: so only the second check opens one. An idle
 * connection does not hold the event loop open: node:http unrefs it.
 */
const agentFor = (): Pick<RequestOptions, 'agent' | 'createConnection'> => {
  if (checks++ === 0) return fresh()
  kept ??= new (process.getBuiltinModule('node:http').Agent)({ keepAlive: true })
  watchIdle(kept)
  return { agent: kept }
}

/** A connection of its own. `agent: false` would make an agent for it, which costs as much again. */
const fresh = (): Pick<RequestOptions, 'createConnection'> =>
  ({ createConnection: (options) => process.getBuiltinModule('node:net').connect(options as NetConnectOpts) })

/** The header by which a server says which launch it is. In a JSON body the field is `launchId`. */
const LAUNCH_HEADER = 'x-one-server-launch'

/** Bytes of a body that are read. */
const BODY = 64 * 1024

/** ms to wait for a body that only may say which launch answers; the status is the answer without it. */
const BODY_TAKES = 100

const launchIn = (body: string): string | undefined => {
  if (!body.includes('"launchId"')) return undefined
  try {
    const { launchId } = JSON.parse(body) as { launchId?: unknown }
    return typeof launchId === 'string' && launchId !== '' ? launchId : undefined
  } catch {
    return undefined
  }
}

/** What a 2xx answer shows: at once by its header, or when its body has arrived. */
const judgeBody = (url: URL, response: IncomingMessage, match: Match | undefined, timeout: number): Promise<Probe> | Probe => {
  // A server that was run by hand has no launch id, and may send the header empty.
  const told = response.headers[LAUNCH_HEADER] || undefined
  const byHeader = typeof told === 'string' ? { launchId: told } : {}
  const mayHoldId = typeof told !== 'string' && /\bjson\b/i.test(response.headers['content-type'] ?? '')
  if (match === undefined && !mayHoldId) {
    return { healthy: true, url: url.href, ...byHeader }
  }
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    let length = 0
    let isJudged = false
    const done = (): void => {
      endTimer()
      // Called again for each piece past the limit and for the end of the body: to search the text each time would cost.
      if (isJudged) return
      isJudged = true
      const body = Buffer.concat(pieces).toString('utf8')
      const reason = match === undefined ? undefined : mismatch(body, match, timeout, 'its body does not match healthMatch')
      if (reason !== undefined) return resolve({ healthy: false, reason })
      const launchId = told ?? launchIn(body)
      resolve({ healthy: true, url: url.href, ...(typeof launchId === 'string' ? { launchId } : {}) })
    }
    // A body may never end. With nothing to match in it, the status is the answer.
    const endTimer = startTimer(match === undefined ? Math.min(timeout, BODY_TAKES) : timeout, done)
    response.on('data', (piece: Buffer) => {
      if (length >= BODY) return done()
      pieces.push(piece)
      length += piece.length
    }).once('end', done).once('close', done)
  })
}

/** Percent-decoded as wait-on does it; a text that cannot be decoded stands for itself. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** User and password of a URL. wait-on sends them, so a check that does not would never again find the server healthy. */
const authOf = ({ username, password }: URL): { auth: string } | undefined =>
  username === '' && password === '' ? undefined : { auth: `${decoded(username)}:${decoded(password)}` }

/** Why there was no answer, in words. */
export const reasonOf = ({ code, message }: NodeJS.ErrnoException): string => {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'the connection was refused'
  return code === 'ECONNRESET' ? 'the connection was closed without an answer' : message
}

/**
 * What every check says of itself. Without `accept`, as no client comes, a server answers otherwise than its clients see it:
 * webpack-dev-server with historyApiFallback says 404. wait-on's own would be an API client's, which gets the 404 as well.
 */
const COMMON = { accept: '*/*', 'user-agent': 'one-server' }

/** The headers of a check. `healthHeaders` go over the common ones: of one name in two cases, node:http sends the last. */
export const headersOf = ({ headers }: HealthPlan): Record<string, string> => ({ ...COMMON, ...headers })

/** Whether a server says by this status that it is well. */
export const isHealthy = ({ status: statuses = [[200, 299]] }: HealthPlan, status: number): boolean =>
  statuses.some(([from, to]) => status >= from && status <= to)

/** Why the server at this address must not get something secret; undefined where it may. */
export type Refuse = (address: string, port: number) => Promise<string | undefined>

/** Whether a check sends what only the server should get: a header, a user and password, or a query, which may hold a token. */
const sendsSecret = ({ headers }: HealthPlan, { username, password, search }: URL): boolean =>
  username !== '' || password !== '' || search !== '' || Object.keys(headers).length > 0

/** As `sendsSecret`, to any of its URLs. */
export const isSecret = (plan: HealthPlan): boolean => plan.urls.some((url) => sendsSecret(plan, new URL(url)))

interface Question {
  readonly url: URL
  readonly headers: HealthPlan['headers']
  readonly options: RequestOptions & { readonly rejectUnauthorized?: boolean }
  readonly isSecret: boolean
  readonly isSecure: boolean
}

let last: Question | undefined

/** What is sent to a URL. A process that calls often asks the same again, so the last one is kept. */
const questionOf = (url: URL, plan: HealthPlan): Question => {
  const { headers } = plan
  if (last?.url === url && last.headers === headers) return last
  const isSecure = url.protocol === 'https:'
  const options = {
    host: bareHost(url.hostname),
    port: url.port,
    path: url.pathname + url.search,
    headers: headersOf(plan),
    ...authOf(url),
    // A development server signs its own certificate. Over loopback nobody else could have sent it.
    ...(isSecure && isLoopback(url.hostname) ? { rejectUnauthorized: false } : {}),
  }
  return last = { url, headers, options, isSecret: sendsSecret(plan, url), isSecure }
}

/**
 * Asks one URL, which may take `timeout` ms, and with a `match` as long again for the body. `isFresh`: over a new connection.
 *
 * Another user could take the port between a look at its owner and the connection. So a check with something secret in it connects
 * first, then looks whose socket accepts there, and sends not a byte before.
 */
export const getUrl = (
  url: URL, plan: HealthPlan, timeout: number, signal: AbortSignal | undefined, isFresh = false, refuse?: Refuse,
): Promise<Probe> => {
  const { match } = plan
  const { options, isSecret, isSecure } = questionOf(url, plan)
  const isGuarded = refuse !== undefined && isSecret
  const asked: RequestOptions = {
    ...options,
    ...(signal === undefined ? {} : { signal }),
    ...(isSecure ? { agent: false } : isFresh || isGuarded ? fresh() : agentFor()),
  }
  const { request: send } = clientFor(url.protocol)
  return new Promise((resolve) => {
    const call = send(asked, (response) => {
      endTimer()
      const status = response.statusCode ?? 0
      resolve(isHealthy(plan, status) ? judgeBody(url, response, match, timeout) : { healthy: false, reason: `it answered ${status}` })
      // A body that never ends must not hold this process or the connection open.
      response.on('error', () => {})
      response.on('end', startTimer(timeout, () => call.destroy(), false))
      response.socket.unref()
      response.resume()
    })
    const wait = (): (() => void) => startTimer(timeout, () => {
      resolve({ healthy: false, reason: `it did not answer within ${timeout} ms` })
      call.destroy()
    })
    let endTimer = wait()
    call.on('error', (error: NodeJS.ErrnoException) => {
      endTimer()
      // The server closed the kept connection, or another server has taken its place. Neither shows whether it is healthy.
      if (call.reusedSocket && error.code === 'ECONNRESET') return resolve(getUrl(url, plan, timeout, signal, true, refuse))
      resolve({ healthy: false, reason: reasonOf(error) })
    })
    const look = async (socket: Socket): Promise<void> => {
      const reason = await refuse?.(socket.remoteAddress ?? '', socket.remotePort ?? 0).catch(String)
      if (reason === undefined) {
        endTimer()
        endTimer = wait()
        call.end()
        return
      }
      endTimer()
      resolve({ healthy: false, reason })
      call.destroy()
    }
    if (isGuarded) call.once('socket', (socket) => socket.once(isSecure ? 'secureConnect' : 'connect', () => void look(socket)))
    else call.end()
  })
}
