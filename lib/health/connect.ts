/** The check of a server that does not speak HTTP: whether it accepts connections. Nothing more can be learnt of such a server. */
import type { NetConnectOpts } from 'node:net'
import { startTimer } from '../timer.js'
import { bareHost, portOf } from './address.js'
import { reasonOf } from './get.js'
import type { Probe } from './plan.js'

type Answer = 'accepted' | 'silent' | Error

/** Tries a connection. `silent`: it was neither accepted nor refused within `timeout` ms. */
export const connectTo = (to: NetConnectOpts, timeout: number): Promise<Answer> =>
  new Promise((resolve) => {
    const socket = process.getBuiltinModule('node:net').connect(to)
    const done = (answer: Answer): void => {
      endTimer()
      socket.destroy()
      resolve(answer)
    }
    const endTimer = startTimer(timeout, () => done('silent'))
    socket.once('connect', () => done('accepted'))
    socket.once('error', done)
  })

/** Tries a connection to a port or to a Unix socket. */
export const tryConnection = (url: URL, timeout: number): Promise<Answer> => {
  const isSocket = url.protocol === 'socket:'
  return connectTo(isSocket ? { path: decodeURIComponent(url.pathname) } : { port: portOf(url), host: bareHost(url.hostname) }, timeout)
}

/** Healthy is a server that accepts a connection. */
export const connects = async (url: URL, timeout: number): Promise<Probe> => {
  const answer = await tryConnection(url, timeout)
  if (answer === 'accepted') return { healthy: true, url: url.href }
  return { healthy: false, reason: answer === 'silent' ? `it did not accept a connection within ${timeout} ms` : reasonOf(answer) }
}
