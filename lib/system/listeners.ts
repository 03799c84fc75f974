/**
 * Who listens on a port. A 200 proves that something answers, not that our server does: with two PID files on one
 * port, the loser would report the winner's server as its own. A connection attempt shows that something listens;
 * whose socket it is, only some platforms show.
 */
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { stateUnusable } from '../errors.js'
import { connectTo } from '../health/connect.js'
import { startTimer } from '../timer.js'
import { sockets } from './platform/current.js'
import type { Listener } from './platform/platform.js'
import { kinOf } from './processes.js'
import { isAnotherUsers, type Answering } from './system.js'

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

const LIMITS = 'Check the limits on open files and memory (ulimit -n), and call again.'

/** Failures of this process, which say nothing about the port. */
const OWN_FAILURES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']

/** The IPv4 address within an IPv6 one (`::ffff:127.0.0.1`), which reaches the sockets of IPv4. */
const unmapped = (address: string): string => {
  const words = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address)?.slice(1).map((word) => Number.parseInt(word, 16))
  if (words === undefined) return address.replace(/^::ffff:(?=\d+\.)/i, '')
  return words.flatMap((word) => [word >> 8, word & 255]).join('.')
}

const isOwn = (address: string): boolean =>
  /^127\.|^0\.0\.0\.0$|^::1?$/.test(address) ||
  Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address))

/** The addresses of this machine that a host leads to. A name may lead to several; one that leads elsewhere has no table here. */
const addressesHere = async (host: string): Promise<string[]> => {
  if (isIP(host) !== 0) return [unmapped(host)].filter(isOwn)
  const { lookup } = await import('node:dns')
  const found = await new Promise<readonly LookupAddress[]>((resolve) => {
    // A name server that does not answer would hold the call for longer than a connection may take.
    const endTimer = startTimer(CONNECTING, () => resolve([]))
    lookup(host, { all: true }, (error, all) => {
      endTimer()
      resolve(error === null ? all : [])
    })
  })
  return found.map(({ address }) => unmapped(address)).filter(isOwn)
}

/**
 * The sockets that a connection to this address and port would reach. A connection is tried first: to read its tables the
 * kernel walks through every bucket of its hash of connections, some ms each time, and mostly nothing listens.
 *
 * Something that neither accepts nor refuses may be a busy server, or a firewall before a free port. The kernel's table
 * tells one from the other; only where it is not shown does silence count as a listener.
 */
export const listenersAt = async (address: string, port: number): Promise<Listener[]> => {
  const isLoopback = /^127\.|^::1$|^localhost$/.test(unmapped(address))
  const answer = await connectTo({ host: address, port }, isLoopback ? CONNECTING : sockets.refusalTakes ?? CONNECTING)
  if (answer instanceof Error) {
    if (!OWN_FAILURES.includes((answer as NodeJS.ErrnoException).code)) return []
    throw stateUnusable(`port ${port}`, 'this process cannot see whether something listens', LIMITS, answer)
  }
  const here = await addressesHere(address)
  const shown = await Promise.all(here.map((one) => sockets.reachedAt(one, port)))
  const found = shown.flatMap((listeners) => listeners ?? [])
  const isUnknown = here.length === 0 || shown.includes(undefined) || answer === 'accepted'
  return found.length === 0 && isUnknown ? [{ address, uid: undefined, inode: undefined }] : found
}

export const { ownerOf, listensAt } = sockets

/**
 * Whether a process of the launch holds the sockets. Anybody may carry a launch id, so for another user's only the group and the
 * parents count.
 */
const holds = async (listeners: readonly Listener[], { id, leader }: Answering): Promise<boolean> => {
  const owner = ownerOf(listeners, leader.pid)
  if (owner === undefined || owner.pid === leader.pid) return owner !== undefined
  return (await kinOf(leader, id)).some(({ pid, inGroup, isDescendant }) => (inGroup || isDescendant === true) && pid === owner.pid)
}

/**
 * Why what accepted a connection at this address must not get something secret: another user listens there. A server that
 * root has started may give up its user before it listens, so a socket that a process of the launch is seen to hold is the launch's.
 */
export const whyNotTrusted = async (address: string, port: number, own: Answering | undefined): Promise<string | undefined> => {
  const here = unmapped(address)
  const listeners = isOwn(here) ? await sockets.reachedAt(here, port) : undefined
  if (listeners === undefined) return undefined
  // What accepted the connection a moment ago has closed its socket: nothing shows whose it was.
  if (listeners.length === 0) return 'nothing listens there any more'
  const other = listeners.find(isAnotherUsers)
  if (other === undefined || (own !== undefined && (await holds(listeners, own)))) return undefined
  return `another user (uid ${other.uid}) listens there, and must not get what the check sends`
}
