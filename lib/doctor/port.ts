/**
 * Who listens where the server is asked. An answer alone does not show that the server of this launch gave it, so the
 * owner of the socket is named wherever the kernel shows it; and where no server lives, who has its port since.
 */
import type { Context } from '../context.js'
import { endpointOf, type Endpoint } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { isAnotherUsers, type Listener } from '../system/system.js'
import { redactUrl } from '../text/redact-url.js'
import { finding, programOf, type Finding } from './finding.js'
import type { Seen } from './recorded.js'

/** Where the check asks, which need not be the port that the server was given. */
const endpointsOf = ({ health }: LaunchRecord): Endpoint[] => health.urls.flatMap((url) => endpointOf(url) ?? [])

const listenersOf = async ({ system }: Context, record: LaunchRecord): Promise<Listener[]> =>
  (await Promise.all(endpointsOf(record).map(({ host, port }) => system.listenersAt(host, port)))).flat()

const ofUser = ({ uid }: Listener): string => (uid === undefined ? '' : ` of uid ${uid}`)

/** A server that is no longer asked once it is ready (by a line of its log) need not listen there at all. */
const nobodyListens = ({ launch }: Seen, record: LaunchRecord, port: number): Finding => {
  const isWrong = launch.ready && traitsOf(record.health).isAskedAgain
  return finding('port', isWrong ? 'problem' : 'note', `nothing listens on port ${port}`, {
    advice: isWrong
      ? 'The server answered there before, so it has closed the port. If it does not open it again: one-server restart'
      : 'Either the server does not listen yet, or it listens elsewhere. PORT and HOST in its environment say where it should.',
    data: { port },
  })
}

/** Who listens on the port of a launch that lives. */
export const ofPort = async (context: Context, seen: Seen): Promise<Finding[]> => {
  const { launch, record } = seen
  if (record === undefined) return []
  const { system } = context
  const port = endpointsOf(record)[0]?.port
  if (port === undefined) {
    return [finding('port', 'ok', `the server is asked at ${record.health.urls.map(redactUrl).join(', ')}, which is no port`)]
  }
  const there = await listenersOf(context, record)
  if (there.length === 0) return [nobodyListens(seen, record, port)]
  const addresses = there.map(({ address }) => address)
  const owner = await system.ownerOf(there, launch.leader.pid)
  const data = { port, addresses, uid: there[0]!.uid, owner }
  const at = `port ${port} (${addresses.join(', ')})`
  const other = there.find(isAnotherUsers)
  if (owner === undefined && other !== undefined) {
    return [finding('port', 'problem', `${at} is a socket of another user (uid ${other.uid})`, {
      advice: 'Another user has taken the port, and the server is not used there. Start the server on another port: --port auto', data,
    })]
  }
  if (owner === undefined) {
    return [finding('port', 'note', `${at} is a socket${ofUser(there[0]!)}, and its process cannot be seen`, {
      advice: 'That process belongs to another namespace, or to root, or this platform does not show who owns a socket.', data,
    })]
  }
  const by = `PID ${owner.pid}${programOf(owner.pid)}`
  const isOurs = owner.launchId === launch.id || owner.pid === launch.leader.pid ||
    (await system.kin(launch.leader, launch.id)).some(({ pid }) => pid === owner.pid)
  if (isOurs) return [finding('port', 'ok', `${at} belongs to ${by}, a process of this launch`, { data })]
  return [finding('port', 'problem', `${at} belongs to ${by}, which is not a process of this launch`, {
    advice: 'Stop that process, or start the server on another port: --port auto', data,
  })]
}

/** Who listens on the port of a recorded server that has ended: the next start on that port will meet it. */
export const ofFormerPort = async (context: Context, record: LaunchRecord): Promise<Finding[]> => {
  const port = endpointsOf(record)[0]?.port
  if (port === undefined) return []
  const there = await listenersOf(context, record)
  if (there.length === 0) {
    return [finding('port', 'ok', `nothing listens on port ${port}, where the recorded server was`, { data: { port } })]
  }
  const owner = await context.system.ownerOf(there)
  const by = owner === undefined ? `a process${ofUser(there[0]!)} that cannot be seen` : `PID ${owner.pid}${programOf(owner.pid)}`
  return [finding('port', 'note', `port ${port}, where the recorded server was, belongs to ${by}`, {
    advice: 'If that process passes the health check, a start on this port uses it; if not, the start fails with PORT_IN_USE. ' +
      'Stop that process, or start with --port auto',
    data: { port, owner },
  })]
}
