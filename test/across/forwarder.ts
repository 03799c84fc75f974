/**
 * Stands between a client and etcd: counts requests, and takes answers away. A request is carried out before its answer is cut, which is
 * what a client cannot tell from one that never arrived.
 */
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'

export interface Forwarder {
  readonly port: number
  /** Path and status of each request that was answered, in the order of the answers. */
  readonly answered: { readonly path: string; readonly status: number }[]
  /** Paths whose next answers are cut: the connection is reset in their place. */
  readonly cut: string[]
  /** Paths whose next requests wait until the function in it is called. */
  readonly held: Map<string, Promise<void>>
}

export const startForwarder = async (t: Pick<Test, 'teardown'>, to: number): Promise<Forwarder> => {
  const answered: { path: string; status: number }[] = []
  const cut: string[] = []
  const held = new Map<string, Promise<void>>()
  const agent = new Agent({ keepAlive: true })
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url!
    const forward = async (): Promise<void> => {
      await held.get(path)
      const onward = request({ agent, host: '127.0.0.1', port: to, path, method: incoming.method, headers: incoming.headers })
      incoming.pipe(onward)
      onward.once('error', () => { outgoing.destroy() })
      outgoing.once('close', () => { onward.destroy() })
      onward.once('response', (response) => {
        const status = response.statusCode!
        const at = cut.indexOf(path)
        if (at >= 0) {
          cut.splice(at, 1)
          response.resume().once('end', () => { incoming.socket.resetAndDestroy() })
          return
        }
        answered.push({ path, status })
        outgoing.writeHead(status, response.headers)
        response.once('error', () => { outgoing.destroy() }).pipe(outgoing)
      })
    }
    void forward()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
    agent.destroy()
  })
  return { port: (server.address() as AddressInfo).port, answered, cut, held }
}
