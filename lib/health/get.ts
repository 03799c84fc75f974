/**
 * A check over HTTP: GET, 2xx is healthy, redirects are not followed. `node:http` rather than fetch,
 * because loading fetch costs a client more than everything else that a warm call does.
 */
import type { Agent, IncomingMessage, RequestOptions } from 'node:http'
import type { Match } from '../options.js'
import { bareHost, isLoopback } from './address.js'
import { mismatch } from './match.js'
import type { HealthPlan, Probe } from './plan.js'

/** Not with this file: whoever only imports the package need not pay for it. */
export const clientFor = (protocol: string) => process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http')

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
  // Empty from a server that was run by hand.
  const told = response.headers[LAUNCH_HEADER] || undefined
  const byHeader = typeof told === 'string' ? { launchId: told } : {}
  if (match === undefined && (typeof told === 'string' || !/\bjson\b/i.test(response.headers['content-type'] ?? ''))) {
    return { healthy: true, url: url.href, ...byHeader }
  }
  return new Promise((resolve) => {
    let body = ''
    let isJudged = false
    const done = (): void => {
      clearTimeout(timer)
      // Each further piece of a long body comes here, and its end, too; looking through it is not free.
      if (isJudged) return
      isJudged = true
      const reason = match === undefined ? undefined : mismatch(body, match, timeout, 'its body does not match healthMatch')
      if (reason !== undefined) return resolve({ healthy: false, reason })
      const launchId = told ?? launchIn(body)
      resolve({ healthy: true, url: url.href, ...(typeof launchId === 'string' ? { launchId } : {}) })
    }
    // Without something to match the status is the answer, also of a body that does not end.
    const timer = setTimeout(done, match === undefined ? Math.min(timeout, BODY_TAKES) : timeout)
    response.setEncoding('utf8').on('data', (text: string) => {
      if (body.length < BODY) body += text
      else done()
    }).once('end', done).once('close', done)
  })
}

/** As wait-on reads them. What is no percent-encoding means itself. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** User and password of a URL: wait-on sends them, so a server that asks for them would be ready once and never be healthy again. */
const authOf = ({ username, password }: URL): { auth: string } | undefined =>
  username === '' && password === '' ? undefined : { auth: `${decoded(username)}:${decoded(password)}` }

/** Why there was no answer, in words. */
export const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'the connection was refused' : error.code === 'ECONNRESET' ? 'the connection was closed without an answer' : error.message

/** Asks one URL. */
export const getUrl = (url: URL, plan: HealthPlan, timeout: number, signal: AbortSignal | undefined, isFresh = false): Promise<Probe> => {
  const { headers, match } = plan
  const secure = url.protocol === 'https:'
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    host: bareHost(url.hostname),
    port: url.port,
    path: url.pathname + url.search,
    headers,
    ...authOf(url),
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
      if (call.reusedSocket && error.code === 'ECONNRESET') return resolve(getUrl(url, plan, timeout, signal, true))
      resolve({ healthy: false, reason: reasonOf(error) })
    })
    call.end()
  })
}
