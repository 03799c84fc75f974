/**
 * The failures that only servers of several hosts have, with their words. Apart from the others (errors.ts), since a call on one host
 * loads those.
 */
import { OneServerError, type OneServerErrorData } from '../errors.js'

/** `engine`: in words, without secrets: `etcd at a:2379, b:2379`. */
export const coordinatorUnreachable = (engine: string, why: string, cause?: unknown): OneServerError =>
  new OneServerError(
    'COORDINATOR_UNREACHABLE',
    `${engine} cannot be reached: ${why}.`,
    'See that it runs, and that this host reaches it. ' +
      "Without a coordinator (ONE_SERVER_COORDINATOR) the server is this host's alone.",
    {},
    cause,
  )

export const coordinatorRefused = (engine: string, why: string, hint: string, cause?: unknown): OneServerError =>
  new OneServerError('COORDINATOR_REFUSED', `${engine} refuses: ${why}.`, hint, {}, cause)

/** `host` is another one, whose server does not answer here. */
export const reachHint = (host: string): string =>
  `Give ${host} an address that this host reaches: advertise (--advertise HOST[:PORT]), ` +
  'with listen (--listen) where it listens at another one.'

/** Whether the reason of a check says that there was an answer: then another address would change nothing. */
export const isReached = (why: string): boolean => /(?:^|: )it answered \d/.test(why)

/** What a server does whose check brought this reason, in words that go on with `this host`. */
export const doesNot = (why: string): string => (isReached(why) ? 'fails its health check from' : 'does not answer')

export const hostUnreachable = (host: string, url: string, why: string): OneServerError =>
  new OneServerError(
    'HOST_UNREACHABLE',
    `The server is ready on ${host}, and ${doesNot(why)} this host at ${url}: ${why}.`,
    isReached(why)
      ? 'See that the health check of this host (--health) is one that the server answers to other hosts, and that nothing between the ' +
        'hosts answers in its place.'
      : reachHint(host),
  )

/** It was ready. `hint`: where the reason is another host. */
export const notAnswering = (waited: number, reason: string, hint: string | undefined, data: OneServerErrorData): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY',
    `The server was ready, and has not answered for ${waited} ms: ${reason}.`,
    hint ?? 'A busy server can fail the check, so it was left alone. one-server status tells more; if it hangs: one-server restart.',
    data,
  )

export const noHost = (host: string, name: string): OneServerError =>
  new OneServerError(
    'NO_HOST',
    `No host runs the server ${name}, and ${host} may not (mayHost is false).`,
    'Start it on a host that may run it, or allow this one: leave out mayHost: false (--no-host, ONE_SERVER_MAY_HOST=0).',
  )

/** The address at which the server is to be reached by other hosts is not to be had. */
export const cannotListen = (at: string, why: string, option: 'advertise' | 'listen'): OneServerError =>
  new OneServerError(
    why.includes('EADDRINUSE') ? 'PORT_IN_USE' : 'INVALID_OPTION',
    `The server cannot be offered to other hosts at ${at}: ${why}.`,
    option === 'listen'
      ? 'Give an address of this host: --listen HOST.'
      : 'Give an address of this host (--advertise HOST[:PORT]), or, behind a NAT, besides the one at which it listens (--listen HOST).',
  )

/** The running server of another host is another one than this call wants. */
export const otherServer = (host: string, name: string, differences: readonly string[]): OneServerError =>
  new OneServerError(
    'CONFIG_MISMATCH',
    [`The server ${name} that runs on ${host} is not the one that this call asks for:`, ...differences].join('\n  '),
    'Call with the options that it was started with, stop it first (one-server stop), choose another name or prefix, ' +
      "or use it as it is: onMismatch: 'reuse' (--on-mismatch reuse).",
  )
