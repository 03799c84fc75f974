/**
 * One health check: GET, 2xx is healthy, redirects are not followed. `node:http` rather than fetch,
 * because loading fetch costs a client more than everything else that a warm call does.
 */
import type { Agent, IncomingMessage, RequestOptions } from 'node:http'
import type { Match } from '../options.js'
import type { HealthPlan, Probe } from '../system/system.js'

/** `[::1]` → `::1`. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')

export const isLoopback = (hostname: string): boolean => {
  const host = bareHost(hostname)
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** The literal addresses at which a server that listens on `host` is reached from here. */
export const addressesOf = (host: string): readonly string[] => {
  switch (host) {
    case 'localhost':
      return ['127.0.0.1', '[::1]']
    case '0.0.0.0':
      return ['127.0.0.1']
    case '::':
      return ['[::1]', '127.0.0.1']
    default:
      return [host.includes(':') ? `[${host}]` : host]
  }
}

const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'the connection was refused' : error.code === 'ECONNRESET' ? 'the connection was closed without an answer' : error.message

/** Not with this file: whoever only imports the package need not pay for it. */
const clientFor = (protocol: string) => process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http')

/** Loads what a check of these URLs needs. Whoever has to wait anyway does so before. */
export const prepare = ({ urls, log }: Pick<HealthPlan, 'urls' | 'log'>): void => {
  for (const url of urls) if (log === undefined && url.startsWith('http')) clientFor(new URL(url).protocol)
}

/** ms that a connection is kept for the next check: a burst of calls shares it, and a server that shuts down waits for it no longer. */
const KEPT = 200

let kept: Agent | undefined

/** Idle connections hold no process: node:http unrefs them. */
const keepingAgent = (): Agent => (kept ??= new (process.getBuiltinModule('node:http').Agent)({ keepAlive: true, timeout: KEPT }))

/** The header by which a server says which launch it is; in a JSON body it is `launchId`. */
const LAUNCH_HEADER = 'x-one-server-launch'

/** Of a body that says more than the status this much is read, in bytes, and waited for so long, in ms. */
const BODY = 64 * 1024
const BODY_TAKES = 100

const matches = (body: string, match: Match): boolean => ('text' in match ? body.includes(match.text) : new RegExp(match.source, match.flags).test(body))

const launchIn = (body: string): string | undefined => {
  if (!body.includes('"launchId"')) return undefined
  try {
    const { launchId } = JSON.parse(body) as { launchId?: unknown }
    return typeof launchId === 'string' && launchId !== '' ? launchId : undefined
  } catch {
    return undefined
  }
}

/** What a 2xx answer says: at once by its status and header, or when its body is there. */
const judgeBody = (url: URL, response: IncomingMessage, match: Match | undefined, timeout: number): Promise<Probe> | Probe => {
  const told = response.headers[LAUNCH_HEADER]
  const byHeader = typeof told === 'string' ? { launch: told } : {}
  if (match === undefined && (typeof told === 'string' || !/\bjson\b/i.test(response.headers['content-type'] ?? ''))) {
    return { healthy: true, url: url.href, ...byHeader }
  }
  return new Promise((resolve) => {
    let body = ''
    const done = (): void => {
      clearTimeout(timer)
      if (match !== undefined && !matches(body, match)) return resolve({ healthy: false, reason: 'its body does not match healthMatch' })
      const launch = told ?? launchIn(body)
      resolve({ healthy: true, url: url.href, ...(typeof launch === 'string' ? { launch } : {}) })
    }
    // Without something to match the status is the answer, also of a body that does not end.
    const timer = setTimeout(done, match === undefined ? Math.min(timeout, BODY_TAKES) : timeout)
    response.setEncoding('utf8').on('data', (text: string) => {
      if (body.length < BODY) body += text
      else done()
    }).once('end', done).once('close', done)
  })
}

const probeUrl = (url: URL, plan: HealthPlan, timeout: number, signal: AbortSignal | undefined, isFresh = false): Promise<Probe> => {
  const { headers, match } = plan
  const secure = url.protocol === 'https:'
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    host: bareHost(url.hostname),
    port: url.port,
    path: url.pathname + url.search,
    headers,
    ...(signal === undefined ? {} : { signal }),
    agent: secure || isFresh ? false : keepingAgent(),
    // A development server signs its own certificate; over loopback that proves as much as any other.
    ...(secure && isLoopback(url.hostname) ? { rejectUnauthorized: false } : {}),
  }
  const { request: send } = clientFor(url.protocol)
  return new Promise((resolve) => {
    const call = send(options, (response) => {
      clearTimeout(timer)
      const status = response.statusCode ?? 0
      resolve(status >= 200 && status < 300 ? judgeBody(url, response, match, timeout) : { healthy: false, reason: `it answered ${status}` })
      // The status is the answer; an endless body must neither hold this process nor the connection.
      response.on('error', () => {})
      response.on('end', () => clearTimeout(late))
      const late = setTimeout(() => call.destroy(), timeout)
      late.unref()
      response.socket.unref()
      response.resume()
    })
    const timer = setTimeout(() => {
      resolve({ healthy: false, reason: `it did not answer within ${timeout} ms` })
      call.destroy()
    }, timeout)
    call.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      // The server has closed the connection that was kept, or is another one by now: that says nothing about it.
      if (call.reusedSocket && error.code === 'ECONNRESET') return resolve(probeUrl(url, plan, timeout, signal, true))
      resolve({ healthy: false, reason: reasonOf(error) })
    })
    call.end()
  })
}

/** Whether a connection is accepted, by a port or by a Unix socket. Nothing more can be learnt of a server that does not speak HTTP. */
const connects = (url: URL, timeout: number): Promise<Probe> =>
  new Promise((resolve) => {
    const { connect } = process.getBuiltinModule('node:net')
    const socket = url.protocol === 'socket:' ? connect(decodeURIComponent(url.pathname)) : connect(Number(url.port), bareHost(url.hostname))
    const done = (answer: Probe): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeout, () => done({ healthy: false, reason: `it did not accept a connection within ${timeout} ms` }))
    socket.once('connect', () => done({ healthy: true, url: url.href }))
    socket.once('error', (error) => done({ healthy: false, reason: reasonOf(error) }))
  })

/** What a log says at its beginning; the line is written while the server boots. */
const LOG = 1024 * 1024

const beginningOf = (path: string): string => {
  const { closeSync, openSync, readSync } = process.getBuiltinModule('node:fs')
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(LOG)
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, LOG, 0))
  } finally {
    closeSync(file)
  }
}

/** Ready by a line of the log. Where it is reached is the address that accepts connections, if one does. */
const probeLog = async ({ urls, log }: Required<Pick<HealthPlan, 'urls' | 'log'>>, timeout: number): Promise<Probe> => {
  let text: string
  try {
    text = beginningOf(log.file)
  } catch (error) {
    return { healthy: false, reason: `its log ${log.file} cannot be read: ${(error as Error).message}` }
  }
  if (!matches(text, log.match)) return { healthy: false, reason: 'its log does not say so yet' }
  for (const url of urls) if ((await connects(new URL(url), timeout)).healthy) return { healthy: true, url }
  return { healthy: true, url: urls[0]! }
}

/** The address that callers are given: the origin of a URL of HTTP, any other as it is. */
export const baseUrl = (href: string): string => {
  const { origin } = new URL(href)
  return origin === 'null' ? href : origin
}

/** Asks the URLs in their order; one that answers is enough. The reason is that of the one that said most. */
export const probe = async (plan: HealthPlan, timeout: number, signal?: AbortSignal): Promise<Probe> => {
  const { log } = plan
  if (log !== undefined) return probeLog({ urls: plan.urls, log }, timeout)
  let worst: Probe = { healthy: false, reason: 'there is no URL to ask' }
  for (const url of plan.urls) {
    const parsed = new URL(url)
    const result = await (parsed.protocol.startsWith('http') ? probeUrl(parsed, plan, timeout, signal) : connects(parsed, timeout))
    if (result.healthy) return result
    if (worst.reason === 'there is no URL to ask' || worst.reason === 'the connection was refused') worst = result
  }
  return worst
}
