/** A check of a server that does not speak HTTP: whether it accepts connections. */
import type { Probe } from '../system/system.js'
import { bareHost, portOf } from './address.js'

/** Whether a connection is accepted, by a port or by a Unix socket. Nothing more can be learnt of a server that does not speak HTTP. */
export const connects = (url: URL, timeout: number): Promise<Probe> =>
  new Promise((resolve) => {
    const { connect } = process.getBuiltinModule('node:net')
    const socket = url.protocol === 'socket:' ? connect(decodeURIComponent(url.pathname)) : connect(portOf(url), bareHost(url.hostname))
    const done = (answer: Probe): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeout, () => done({ healthy: false, reason: `it did not accept a connection within ${timeout} ms` }))
    socket.once('connect', () => done({ healthy: true, url: url.href }))
    socket.once('error', (error) => done({ healthy: false, reason: reasonOf(error) }))
  })

/** Why there was no answer, in words. */
export const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'the connection was refused' : error.code === 'ECONNRESET' ? 'the connection was closed without an answer' : error.message
