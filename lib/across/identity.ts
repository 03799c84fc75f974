/**
 * Which server a host wants, and whether another host runs that one. The working directory differs between hosts and says nothing. Other
 * hosts' users may read what is in the engine, so it has digests: SHA-256 of the scope and the value.
 */
import { createHash } from 'node:crypto'
import { isNewer } from '../plan/versions.js'
import type { OneServerError } from '../errors.js'
import type { Claim, Identity } from './claim.js'
import { otherServer } from './errors.js'
import type { Terms } from './place.js'

export interface Wanted {
  /** Before `{port}` is filled in; empty for the bundled server. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly version?: string | undefined
}

export const identityOf = ({ command, env, version }: Wanted, scope: string): Identity => {
  const digest = (value: string | undefined): string =>
    value === undefined ? '-' : createHash('sha256').update(`${scope}\0${value}`).digest('base64url').slice(0, 22)
  return {
    command: digest(JSON.stringify(command)), env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, digest(value)])),
    ...(version === undefined ? {} : { version }),
  }
}

const differences = (wanted: Identity, running: Identity): string[] => {
  const found: string[] = []
  if (wanted.version !== undefined && wanted.version !== running.version) {
    found.push(`version: runs ${running.version ?? 'one without a version'}, wanted ${wanted.version}`)
  }
  if (wanted.command !== running.command) found.push('command: runs another one')
  for (const name of new Set([...Object.keys(running.env), ...Object.keys(wanted.env)])) {
    if (running.env[name] === wanted.env[name]) continue
    found.push(`env ${name}: ${name in running.env && name in wanted.env ? 'another value' : 'named on one host alone'}`)
  }
  return found
}

interface Mismatch {
  /** The server is of an older version, and this host wants it replaced. */
  readonly isReplaced: boolean
  readonly error: OneServerError
}

export const mismatchWith = ({ identity, onMismatch, name }: Terms, claim: Claim): Mismatch | undefined => {
  const found = differences(identity, claim.identity)
  if (found.length === 0) return undefined
  return { isReplaced: onMismatch === 'restart' && isNewer(identity, claim.identity), error: otherServer(claim.host, name, found) }
}
