/**
 * The bundled server: it runs where no other server is named, so that the library does something useful
 * without any set-up. It keeps the contract that every shared server should keep: it is ready when
 * its health check answers and not earlier, it says who it is, and a signal ends it at once. All clients of
 * a cold start wait for it, so it loads nothing but node:http.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

const HEALTH_PATH = '/api/health'

/** An address that this machine does not have, as opposed to one that another process uses. */
const UNAVAILABLE: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'])

const host = process.env['HOST'] || 'localhost'
const port = process.env['PORT'] || process.env['SESSION_SERVER_PORT'] || '3000'

/**
 * `localhost` means 127.0.0.1 to one client and ::1 to the next, and Node would bind only the one that
 * its resolver names first. A client of the other one would be refused, or meet a stranger, so both are bound.
 */
const addresses = host === 'localhost' ? ['127.0.0.1', '::1'] : [host]

const respond = (response: ServerResponse, status: number, body: object): void => {
  const text = JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' }
  response.writeHead(status, headers)
  response.end(text)
}

const answer = ({ method, url }: IncomingMessage, response: ServerResponse): void => {
  if (url?.split('?', 1)[0] !== HEALTH_PATH) return respond(response, 404, { error: 'not found' })
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return respond(response, 405, { error: 'method not allowed' })
  }
  const launchId = process.env['ONE_SERVER_LAUNCH_ID'] ?? null
  respond(response, 200, { status: 'ok', pid: process.pid, launchId, uptime: process.uptime() })
}

const servers = addresses.map((address) => ({ address, server: createServer(answer) }))

/**
 * Leaves nothing for the event loop, so that what was printed is written before the exit. All connections
 * are closed: Node does not count one that never sent a request as idle, and the kernel already has
 * each answer.
 */
const leave = (exitCode: number): void => {
  process.exitCode = exitCode
  for (const { server } of servers) {
    server.close()
    server.closeAllConnections()
  }
}

let failed = false
const fail = (reason: string): void => {
  if (failed) return
  failed = true
  console.error(`session server: cannot start: ${reason}`)
  leave(1)
}

const bound: string[] = []
let open = servers.length

/** Once every address has been tried. Both are bound before the first request can be read, so readiness is never taken back. */
const settled = (): void => {
  if (failed) return
  if (bound.length === 0) return fail(`no address of ${host} is available on this machine`)
  console.log(`session server: listening on ${bound.join(' and ')} (PID ${process.pid})`)
}

const listen = (number: number): void => {
  for (const { address, server } of servers) {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (servers.length === 1 || !UNAVAILABLE.has(error.code)) return fail(error.message)
      if (--open === 0) settled()
    })
    server.listen({ port: number, host: address }, () => {
      bound.push(`http://${address.includes(':') ? `[${address}]` : address}:${number}`)
      if (--open === 0) settled()
    })
  }
}

process.on('SIGTERM', () => leave(0))
process.on('SIGINT', () => leave(0))

if (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535) listen(Number(port))
else fail(`PORT must be an integer from 1 to 65535, got ${JSON.stringify(port)}`)
