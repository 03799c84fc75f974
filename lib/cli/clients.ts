/**
 * Who uses a server and until when it lives, in words: one place, so that `status`, `list` and `stop` agree. A client
 * writes its own description, which could hold anything, so a text shows one line of it, cut to the room there is. JSON has
 * all of it.
 */
import type { AnyStatus, LeaseStatus } from '../server-info.js'
import { formatDuration } from '../text/duration.js'
import { onOneLine } from '../text/terminal-text.js'
import type { Output } from './output.js'

/** Control characters would end the line. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu

/** Of a server that does not run, or that one-server did not start, there is nothing. */
type Use = Pick<AnyStatus, 'leases' | 'pinned' | 'stopsAt' | 'isEnding' | 'users' | 'role' | 'host'>

const cut = (text: string, room: number): string => {
  const characters = [...text]
  return characters.length <= room ? text : `${characters.slice(0, Math.max(1, room - 1)).join('')}…`
}

/** `PID 4712 for 3 min 2 s: npm test` */
const named = ({ pid, command, since }: LeaseStatus, room: number): string => {
  const who = `PID ${pid}${since === undefined ? '' : ` for ${formatDuration(Date.now() - since.getTime())}`}`
  return command === undefined ? who : cut(`${who}: ${onOneLine(command.replace(CONTROLS, ' '))}`, room)
}

const counted = (count: number): string => `${count} client${count === 1 ? '' : 's'}`

const otherHosts = (count: number): string => `${count} other host${count === 1 ? '' : 's'}`

const left = (stopsAt: Date): string => formatDuration(stopsAt.getTime() - Date.now())

/** In a word or two, for a column. Undefined where nobody can know. */
export const use = ({ leases = [], pinned, stopsAt, isEnding, users = [] }: Use): string | undefined => {
  if (isEnding) return 'being ended'
  const words = [
    ...(leases.length > 0 ? [counted(leases.length)] : []), ...(users.length > 0 ? [otherHosts(users.length)] : []),
    ...(pinned ? ['pinned'] : []),
  ]
  if (words.length > 0) return words.join(', ')
  return stopsAt === undefined ? undefined : `stops in ${left(stopsAt)}`
}

/** When it will stop, in a line. */
export const ending = ({ leases = [], pinned, stopsAt, isEnding, users = [], role, host }: Use): string => {
  if (isEnding) return 'it is being ended, and has not exited yet'
  if (role === 'follower') return `when ${host} ends it: no host uses it any more, or somebody stops it`
  if (users.length > 0 && !pinned) return 'when no client of any host uses it any more'
  if (pinned) return 'not by itself: pinned, since somebody started it explicitly'
  if (leases.length > 0) return 'when its last client has gone and the idle time is over'
  if (stopsAt !== undefined) return `in ${left(stopsAt)}, unless a client comes`
  // Either its end has begun, or its watchdogs were killed: nothing shows which.
  return 'nobody uses it any more: one-server list stops it if need be'
}

/** A line for each client, the oldest first. */
export const rows = ({ leases = [] }: Pick<Use, 'leases'>, room: number): string[] =>
  leases.toSorted((one, other) => Number(one.since) - Number(other.since)).map((lease) => named(lease, room))

/** A line for each other host that uses it. */
export const hostRows = ({ users = [] }: Pick<Use, 'users'>): string[] =>
  users.map(({ host, since }) => `${host}${since === undefined ? '' : ` for ${formatDuration(Date.now() - since.getTime())}`}`)

/** Notes who uses it. */
export const tellClients = ({ leases = [], users = [] }: Pick<Use, 'leases' | 'users'>, output: Output): void => {
  if (users.length > 0) {
    output.note(`${otherHosts(users.length)} ${users.length === 1 ? 'uses' : 'use'} it:`)
    for (const row of hostRows({ users })) output.note(`  ${onOneLine(row)}`)
  }
  if (leases.length === 0) return
  output.note(`${counted(leases.length)} ${leases.length === 1 ? 'uses' : 'use'} it:`)
  for (const row of rows({ leases }, output.width - 'one-server:   '.length)) output.note(`  ${row}`)
}
