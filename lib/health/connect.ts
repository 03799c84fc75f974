/** The check of a server that does not speak HTTP: whether it accepts connections. Nothing more can be learnt of such a server. */
import { bareHost, portOf } from './address.js'
import { reasonOf } from './get.js'
import type { Probe } from './plan.js'

/** Tries a connection to a port or to a Unix socket. `silent`: it was neither accepted nor refused within `timeout` ms. */
export const tryConnection = (url: URL, timeout: number): Promise<'accepted' | 'silent' | Error> =>
  new Promise((resolve) => {
    const { connect } = process.getBuiltinModule('node:net')
    const socket = url.protocol === 'socket:' ? connect(decodeURIComponent(url.pathname)) : connect(portOf(url), bareHost(url.hostname))
    const done = (answer: 'accepted' | 'silent' | Error): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeout, () => done('silent'))
    socket.once('connect', () => done('accepted'))
    socket.once('error', done)
  })

/** Healthy is a server that accepts a connection. */
export const connects = async (url: URL, timeout: number): Promise<Probe> => {
  const answer = await tryConnection(url, timeout)
  if (answer === 'accepted') return { healthy: true, url: url.href }
  return { healthy: false, reason: answer === 'silent' ? `it did not accept a connection within ${timeout} ms` : reasonOf(answer) }
}
