/**
 * What etcd, its gateway and Node say, and what follows from it: ask another endpoint, log in again, or give up. Pure. Only words of
 * Node, of etcd and of this file reach a message, since what answers may be anything and may repeat what it was sent.
 *
 * Sources: rpctypes/error.go of etcd for the texts, which are the same from 3.4 to 3.7; etcd.io/docs, "gRPC gateway": an error is
 * `{ code, message }`, up to 3.5 with `error` besides, and the status is that of the code.
 */
import { systemReason } from '../text/system-reason.js'
import { onOneLine } from '../text/terminal-text.js'
import { Refused } from './coordinator.js'

/** One endpoint gave no answer that decides anything. Another may. */
export class Trouble extends Error {
  /** Whether the request may have been carried out all the same. */
  readonly sent: boolean

  constructor(reason: string, sent: boolean) {
    super(reason)
    this.sent = sent
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

export type Fields = Readonly<Record<string, unknown>>

/** `login`: the token is old or missing. `lease`: the lease is gone. etcd refuses both before it carries anything out. */
export type Verdict = { readonly fields: Fields } | { readonly again: 'login' | 'lease' } | { readonly noLogin: true }

const NO_ETCD =
  'See that host and port are those of etcd, 3.4 or newer, and that its JSON gateway is on (--enable-grpc-gateway, on by default).'
const WRONG_PASSWORD =
  'Correct ONE_SERVER_COORDINATOR_USER and ONE_SERVER_COORDINATOR_PASSWORD, or user and password in the URL or of etcd().'
const NO_PASSWORD = 'Set ONE_SERVER_COORDINATOR_USER and ONE_SERVER_COORDINATOR_PASSWORD, or give etcd() a user and a password.'
export const FULL =
  'Compact and defragment it, and then: etcdctl alarm disarm. With --auto-compaction-retention=1 it does not fill up again.'
const WRONG_CERTIFICATE =
  'ONE_SERVER_COORDINATOR_CA names what signed the certificate of etcd, _CERT and _KEY what this host shows (ca, cert and key of ' +
  'etcd()). The host in the URL must be one that the certificate names.'
const NO_TLS = 'If that etcd has no TLS, write etcd:// or http://.'

export const notEtcd = (what: string): Refused => new Refused(`what answers is not etcd v3 (${what})`, NO_ETCD)

export const needsLogin = (): Refused => new Refused('it wants a user and a password', NO_PASSWORD)

/** What etcd says, what that means in our words, and what to do about it. */
const refusals = (prefix: string): readonly (readonly [RegExp, string, string])[] => [
  [/authentication failed/, 'user or password is wrong', WRONG_PASSWORD],
  [
    /permission denied/, `the user may not read and write below ${prefix}/`,
    `Grant it to a role of that user: etcdctl role grant-permission ROLE readwrite ${prefix}/ --prefix`,
  ],
  // The very write that fills it is carried out and reported as this (quotaApplierV3), which no writer may take for "not written".
  [/database space exceeded/, 'mvcc: database space exceeded', FULL],
  [/corrupt/, 'its data are corrupt', 'See the log of etcd, and restore the member or the cluster.'],
]

const parsed = (text: string): Fields | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}

/** Of gRPC, 1 is Canceled, 2 Unknown, 4 DeadlineExceeded, 8 ResourceExhausted, 10 Aborted, 13 Internal, 14 Unavailable. */
const TROUBLE = [1, 2, 4, 8, 10, 13, 14]

/** The texts of etcd that are quoted. Any other may repeat what it was sent. */
const QUOTED = new RegExp(`^(?:etcdserver: )?(?:${[
  'no leader', 'not leader', 'leader changed', 'server stopped', 'request timed out[\\w ,]{0,70}', 'unhealthy cluster',
  'too many requests', 'rpc not supported for learner', 'request is too large', 'not capable', 'context deadline exceeded',
].join('|')})$`)

/** What the gateway, a client of its own etcd, says where that fails: `connection closed` (3.4), `connection error: …` (3.5). */
const NO_GATEWAY = /^connection closed$|^connection error|transport|SubConn|use of closed network connection/
const GATEWAY = 'its JSON gateway does not reach etcd itself (with --client-cert-auth its certificate must be good for clientAuth, too)'

const wordsOf = (status: number, message = ''): string => {
  if (QUOTED.test(message)) return message
  return NO_GATEWAY.test(message) ? GATEWAY : `HTTP ${status}`
}

/** What an answer means. Throws Trouble or Refused. */
export const judge = ({ status, text }: Answer, prefix: string): Verdict => {
  const fields = parsed(text)
  if (status === 200) {
    const { header } = fields ?? {}
    // Every answer of etcd has it, and no other service has.
    if (typeof header !== 'object' || header === null || !('cluster_id' in header)) throw notEtcd('no answer of etcd, though HTTP 200')
    return { fields: fields! }
  }
  const { code } = fields ?? {}
  const message = fields?.['message'] ?? fields?.['error']
  const isEtcd = typeof code === 'number' && typeof message === 'string'
  if (isEtcd) {
    if (code === 16 || /invalid auth token|user name is empty|revision of auth store is old/.test(message)) return { again: 'login' }
    if (/requested lease not found/.test(message)) return { again: 'lease' }
    if (/authentication is not enabled/.test(message)) return { noLogin: true }
    const [, why, hint] = refusals(prefix).find(([pattern]) => pattern.test(message)) ?? []
    if (why !== undefined) throw new Refused(why, hint!)
  }
  const words = wordsOf(status, isEtcd ? message : undefined)
  // A load balancer says 502 to 504 for an etcd that is away; it may be back soon.
  if (status >= 500 || status === 408 || status === 429 || (isEtcd && TROUBLE.includes(code))) throw new Trouble(words, true)
  if (!isEtcd) throw notEtcd(words)
  throw new Refused(words, 'See the log of etcd.')
}

export const CUT = 'the connection was cut'

/** etcd hangs up on who speaks TLS to it where it has none, and the other way round. */
export const CUT_AT_FIRST = {
  tls: `${CUT} (if that etcd has no TLS, write etcd://)`,
  plain: `${CUT} (if that etcd has TLS, write etcds://)`,
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: CUT,
  EPIPE: CUT,
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name server gives no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  ETIMEDOUT: 'the connection got no answer',
  HPE_INVALID_EOF_STATE: CUT,
}

/** Errors of the network and of the machine: words in capitals without an underscore, but for those of name servers. */
const OF_NETWORK = /^(?:E[A-Z0-9]+|EAI_[A-Z]+|ERR_STREAM_\w+|ERR_SOCKET_\w+)$/

/** What it means that a request had no answer. */
export const judgeFailure = (error: unknown, sent: boolean): Trouble | Refused => {
  const { code = '', message, reason } = error as NodeJS.ErrnoException & { reason?: unknown }
  const known = REASONS[code]
  if (known !== undefined) return new Trouble(known, sent)
  if (code.startsWith('HPE_')) return notEtcd('it speaks no HTTP')
  if (OF_NETWORK.test(code) && code !== 'EPROTO') return new Trouble(systemReason(error), sent)
  // What OpenSSL says of a failure has a file and a line of OpenSSL around its reason.
  const why = onOneLine(typeof reason === 'string' && reason !== '' ? reason : message)
  if (/wrong version number|packet length too long/.test(why)) return new Refused(`it speaks no TLS (${why})`, NO_TLS)
  return new Refused(`certificate or TLS: ${why}`, WRONG_CERTIFICATE)
}
