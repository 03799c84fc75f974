/**
 * One health check: GET, 2xx is healthy, redirects are not followed. `node:http` rather than fetch,
 * because loading fetch costs a client more than everything else that a warm call does.
 */
import type { Agent, RequestOptions } from 'node:http'
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
  error.code === 'ECONNREFUSED' ? 'the connection was refused' : error.code === 'ECONNRESET' ? 'the connection was closed without an answer' : error.message

/** Not with this file: whoever only imports the package need not pay for it. */
const clientFor = (protocol: string) => process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http')

/** Loads what a check of these URLs needs. Whoever has to wait anyway does so before. */
export const prepare = ({ urls }: Pick<HealthPlan, 'urls'>): void => {
  for (const url of urls) clientFor(new URL(url).protocol)
}

/** ms that a connection is kept for the next check: a burst of calls shares it, and a server that shuts down waits for it no longer. */
const KEPT = 200

let kept: Agent | undefined

/** Idle connections hold no process: node:http unrefs them. */
const keepingAgent = (): Agent => (kept ??= new (process.getBuiltinModule('node:http').Agent)({ keepAlive: true, timeout: KEPT }))

const probeUrl = (url: URL, headers: HealthPlan['headers'], timeout: number, signal: AbortSignal | undefined, isFresh = false): Promise<Probe> => {
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
      resolve(status >= 200 && status < 300 ? { healthy: true, url: url.href } : { healthy: false, reason: `it answered ${status}` })
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
      if (call.reusedSocket && error.code === 'ECONNRESET') return resolve(probeUrl(url, headers, timeout, signal, true))
      resolve({ healthy: false, reason: reasonOf(error) })
    })
    call.end()
  })
}

/** Asks the URLs in their order; one that answers is enough. The reason is that of the one that said most. */
export const probe = async ({ urls, headers }: HealthPlan, timeout: number, signal?: AbortSignal): Promise<Probe> => {
  let worst: Probe = { healthy: false, reason: 'there is no URL to ask' }
  for (const url of urls) {
    const result = await probeUrl(new URL(url), headers, timeout, signal)
    if (result.healthy) return result
    if (worst.reason === 'there is no URL to ask' || worst.reason === 'the connection was refused') worst = result
  }
  return worst
}
