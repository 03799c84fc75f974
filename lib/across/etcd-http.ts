/**
 * Requests to one endpoint of etcd, each an attempt with an end: its time, and a largest answer. It tells for certain where a request was
 * *not* sent: its first byte follows the connection, with TLS the handshake. `node:http` and no client library: the gateway needs no more.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { startTimer } from '../timer.js'
import type { EtcdEndpoint, EtcdPlan } from './etcd-url.js'
import { CUT, CUT_AT_FIRST, judgeFailure, notEtcd, Trouble, type Answer } from './etcd-words.js'

/** Bytes of an answer. Entries are small, and what answers may be anything. */
const LARGEST = 1024 * 1024

/** ms after which an idle connection is closed, before a load balancer forgets it: what is sent on such a one may have arrived or not. */
const IDLE = 30_000

export interface EtcdHttp {
  /** Begins a request. `onConnected` is called before its first byte is sent. Throws where the certificate of this client is none. */
  send(endpoint: EtcdEndpoint, path: string, body: object, token: string, onConnected?: () => void): ClientRequest
  /** One attempt. Rejects with Trouble or Refused. */
  post(endpoint: EtcdEndpoint, path: string, body: object, token: string): Promise<Answer>
  localAddress(): string | undefined
  close(): void
}

export const etcdHttp = ({ secure, ca, cert, key }: EtcdPlan, timeout: number): EtcdHttp => {
  const client = process.getBuiltinModule(secure ? 'node:https' : 'node:http')
  // An agent of our own knows no proxy of the environment. A certificate is checked whatever NODE_TLS_REJECT_UNAUTHORIZED says.
  const agent = new client.Agent({
    keepAlive: true, timeout: IDLE, autoSelectFamilyAttemptTimeout: Math.max(10, Math.ceil(timeout / 2)),
    ...(secure && { ca, cert, key, rejectUnauthorized: true }),
  })
  let localAddress: string | undefined
  let isClosed = false

  const send: EtcdHttp['send'] = ({ host, port }, path, body, token, onConnected = () => {}) => {
    const text = JSON.stringify(body)
    const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const headers = token === '' ? own : { ...own, authorization: token }
    const request = client.request({ agent, host, port, path, method: 'POST', headers })
    request.once('socket', (socket) => {
      if (request.reusedSocket) onConnected()
      else socket.once(secure ? 'secureConnect' : 'connect', onConnected)
    })
    request.end(text)
    return request
  }

  const post: EtcdHttp['post'] = (endpoint, path, body, token) =>
    new Promise((resolve, reject) => {
      // An agent that was destroyed opens new connections all the same.
      if (isClosed) return reject(new Trouble('the client is closed', false))
      let sent = false
      let isOver = false
      let request: ClientRequest | undefined
      const end = (settle: () => void): void => {
        if (isOver) return
        isOver = true
        cancel()
        settle()
      }
      const fail = (error: Error): void => {
        end(() => {
          reject(error)
          request?.destroy()
        })
      }
      const onError = (error: unknown): void => {
        const judged = judgeFailure(error, sent)
        const isFirst = judged.message === CUT && localAddress === undefined
        fail(isFirst ? new Trouble(secure ? CUT_AT_FIRST.tls : CUT_AT_FIRST.plain, sent) : judged)
      }
      const cancel = startTimer(timeout, () => { fail(new Trouble(`no answer within ${timeout} ms`, sent)) })
      try {
        request = send(endpoint, path, body, token, () => { sent = true })
      } catch (error) {
        return onError(error)
      }
      request.on('error', onError).once('close', () => { fail(new Trouble(CUT, sent)) })
      request.once('response', (response: IncomingMessage) => {
        localAddress = response.socket.localAddress ?? localAddress
        const chunks: Buffer[] = []
        let size = 0
        response.on('error', onError).on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > LARGEST) fail(notEtcd(`an answer of more than ${LARGEST} bytes`))
          else chunks.push(chunk)
        })
        response.once('end', () => {
          end(() => { resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }) })
        })
      })
    })

  const close = (): void => {
    isClosed = true
    agent.destroy()
  }

  return { send, post, localAddress: () => localAddress, close }
}
