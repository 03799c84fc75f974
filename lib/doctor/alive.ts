/**
 * What lives of a launch: the leader and whoever else belongs to it, the keeper while it boots, who uses it and
 * what watches for them; and whether it answers, on a port that is its own.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { endpointOf, type Endpoint } from '../health/address.js'
import { traitsOf } from '../health/kind.js'
import type { LeaseEntry } from '../state/directory.js'
import type { Context } from '../context.js'
import { readyUrl } from '../protocol/readiness.js'
import { checkHealth } from '../protocol/reuse.js'
import { formatDuration } from '../text/duration.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge, type Listener } from '../system/system.js'
import { examined, finding, type Finding } from './finding.js'
import { isLiving, type Recorded, type Seen } from './recorded.js'
import { redactUrl } from '../text/redact-url.js'

const listed = (pids: readonly number[]): string => pids.join(', ')

/** What a process runs, in a word: of its command line more than that may be secret. */
const programOf = (pid: number): string => {
  for (const look of [() => basename(readlinkSync(`/proc/${pid}/exe`)), () => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()]) {
    try {
      return ` (${look().replaceAll(/\p{Cc}/gu, '?')})`
    } catch {
      // Another user's, or there is no /proc; the name that it gave itself anybody may read.
    }
  }
  return ''
}

const ofLeader = async ({ system }: Context, { launch, record, verdict }: Seen): Promise<Finding[]> => {
  const { id, leader } = launch
  const kin = await system.kin(leader, id)
  const group = kin.filter(({ inGroup, pid }) => inGroup && pid !== leader.pid).map(({ pid }) => pid)
  const escaped = kin.filter(({ inGroup, pid }) => !inGroup && pid !== leader.pid && pid !== record?.keeper?.pid).map(({ pid }) => pid)
  const data = { launch: id, leader: leader.pid, group, escaped }
  const look = await system.look(leader.pid)
  const found: Finding[] = []
  if (verdict === 'alive' && look.state === 'stopped') found.push(finding('processes', 'problem', `PID ${leader.pid} is stopped, as by SIGSTOP or a debugger`, { advice: `It answers nobody. Let it go on: kill -CONT ${leader.pid}`, data }))
  else if (verdict === 'alive') found.push(finding('processes', 'ok', `the leader, PID ${leader.pid}${programOf(leader.pid)}, runs${group.length === 0 ? '' : `, with ${listed(group)} in its group`}`, { data }))
  else found.push(finding('processes', 'note', `the leader, PID ${leader.pid}, has ended, and ${listed([...group, ...escaped])} of it run`, { advice: 'The next start or stop ends them.', data }))
  if (verdict === 'alive' && escaped.length > 0) found.push(finding('processes', 'note', `${listed(escaped)} left its process group and carr${escaped.length === 1 ? 'ies' : 'y'} its launch id`, { advice: 'A stop ends them, too.' }))
  return found
}

const ofBooting = async ({ system }: Context, { launch, record }: Seen): Promise<Finding[]> => {
  if (record === undefined) return []
  const keeper = record.keeper === undefined ? undefined : judge(record.keeper, await system.look(record.keeper.pid))
  if (launch.ready) {
    return keeper === 'alive' ? [finding('processes', 'note', `the keeper, PID ${record.keeper!.pid}, lives though the server is ready`, { advice: 'It does no harm, and ends with the server.' })] : []
  }
  const launcher = judge(record.launcher, await system.look(record.launcher.pid))
  const left = record.deadline - system.now()
  const when = left > 0 ? `${formatDuration(left)} of its ${formatDuration(record.startupTimeout)} are left` : `its ${formatDuration(record.startupTimeout)} were over ${formatDuration(-left)} ago`
  return [finding('processes', left > 0 ? 'ok' : 'note', `it boots: ${when}; its launcher, PID ${record.launcher.pid}, is ${launcher}${keeper === undefined ? '' : `, its keeper, PID ${record.keeper!.pid}, is ${keeper}`}`, {
    ...(left > 0 ? {} : { advice: 'The next start asks it once more, and ends it if it does not answer.' }), data: { launcher: { pid: record.launcher.pid, state: launcher }, keeper, msLeft: Math.round(left) },
  })]
}

const ofHolds = async ({ system }: Context, { launch }: Seen, all: readonly LeaseEntry[]): Promise<Finding[]> => {
  const of = { lease: { alive: [] as number[], dead: [] as number[] }, watch: { alive: [] as number[], dead: [] as number[] } }
  const stopped: number[] = []
  for (const { kind, process } of all.filter((hold) => hold.launchId === launch.id)) {
    const look = await system.look(process.pid)
    const isDead = judge(process, look) === 'dead'
    of[kind][isDead ? 'dead' : 'alive'].push(process.pid)
    if (!isDead && look.state === 'stopped') stopped.push(process.pid)
  }
  const { lease, watch } = of
  const found: Finding[] = []
  const data = { launch: launch.id, pinned: launch.pinned, leases: lease, watches: watch, stopped }
  const holders = lease.alive.length === 0 ? 'nobody holds a lease' : `held by ${listed(lease.alive)}`
  const watches = launch.pinned ? '' : watch.alive.length === 0 ? '; nothing watches' : `; watched by ${listed(watch.alive)}`
  const isForgotten = !launch.pinned && watch.alive.length === 0 && launch.ready
  found.push(finding('leases', isForgotten ? 'note' : 'ok', `${holders}${watches}${launch.pinned ? '; pinned, so that no lease ends it' : ''}`, {
    ...(isForgotten ? { advice: 'What would have stopped it was killed. The next call sets a new watch; one-server list is enough.' } : {}), data,
  }))
  if (stopped.length > 0) found.push(finding('leases', 'note', `${listed(stopped)} ${stopped.length === 1 ? 'is' : 'are'} stopped, as by SIGSTOP`, { advice: 'A holder that is stopped holds its lease; a watch that is stopped ends nothing.' }))
  return found
}

const ofHealth = async (context: Context, { launch, record }: Seen): Promise<Finding[]> => {
  if (record === undefined) return []
  const first = launch.ready ? (await readyUrl(context, launch.id)) ?? record.health.urls[0]! : undefined
  const urls = first === undefined ? record.health.urls : [first]
  const shown = urls.map(redactUrl).join(' or ')
  const headers = Object.keys(record.health.headers)
  const data = { urls: urls.map(redactUrl), headers }
  // Before it is ready nothing is decided by the answer; afterwards it is judged as every call does.
  const answer = first === undefined ? await context.system.probe(record.health, record.healthTimeout) : await checkHealth(context, record, first)
  if (answer.healthy) return [finding('health', 'ok', `${redactUrl(answer.url)} answers${headers.length === 0 ? '' : ` (asked with ${headers.join(', ')})`}`, { data })]
  if (!launch.ready) return [finding('health', 'note', `${shown} does not answer yet: ${answer.reason}`, { advice: 'one-server logs shows what it printed; check --port, --host and --health if it never does.', data })]
  return [finding('health', 'problem', `${shown} answered once and does not now: ${answer.reason}`, { advice: 'It may be busy, so no call ends it. one-server restart if it hangs.', data })]
}

/** Where the check asks, which need not be the port that the server was told. */
const addressesIn = ({ health }: LaunchRecord): Endpoint[] => health.urls.flatMap((url) => endpointOf(url) ?? [])

const listenersOf = async ({ system }: Context, record: LaunchRecord): Promise<Listener[]> =>
  (await Promise.all(addressesIn(record).map(({ host, port }) => system.listenersAt(host, port)))).flat()

const whose = ({ uid }: Listener): string => (uid === undefined ? '' : ` of uid ${uid}`)

const ofPort = async (context: Context, { launch, record }: Seen): Promise<Finding[]> => {
  if (record === undefined) return []
  const { system } = context
  const port = addressesIn(record)[0]?.port
  if (port === undefined) return [finding('port', 'ok', `it listens at ${record.health.urls.map(redactUrl).join(', ')}, and at no port that is checked`)]
  const there = await listenersOf(context, record)
  const addresses = there.map(({ address }) => address)
  const isWrong = launch.ready && traitsOf(record.health).isAskedAgain
  if (there.length === 0) return [finding('port', isWrong ? 'problem' : 'note', `nothing listens on port ${port}`, { advice: isWrong ? 'The server lives and has closed it. one-server restart' : 'The server boots, or listens elsewhere: PORT and HOST tell it where.', data: { port } })]
  const owner = await system.ownerOf(there, launch.leader.pid)
  const data = { port, addresses, uid: there[0]!.uid, owner }
  if (owner === undefined) return [finding('port', 'note', `port ${port} (${addresses.join(', ')}) is a socket${whose(there[0]!)}, and whose it is cannot be seen`, { advice: 'Its process is another user\'s, in another namespace, or this platform does not tell.', data })]
  const isOurs = owner.launch === launch.id || owner.pid === launch.leader.pid || (await system.kin(launch.leader, launch.id)).some(({ pid }) => pid === owner.pid)
  const by = `PID ${owner.pid}${programOf(owner.pid)}`
  if (isOurs) return [finding('port', 'ok', `port ${port} (${addresses.join(', ')}) is that of ${by}`, { data })]
  return [finding('port', 'problem', `port ${port} (${addresses.join(', ')}) belongs to ${by}, which is not of this launch`, { advice: 'Stop that, or start the server on another port: --port auto', data })]
}

/** The port that a server had which has ended: it may be taken by now, which the next start on it will meet. */
const ofFormerPort = async (context: Context, record: LaunchRecord): Promise<Finding[]> => {
  const port = addressesIn(record)[0]?.port
  if (port === undefined) return []
  const there = await listenersOf(context, record)
  if (there.length === 0) return [finding('port', 'ok', `nothing listens on port ${port}, where the recorded server was`, { data: { port } })]
  const owner = await context.system.ownerOf(there)
  const by = owner === undefined ? `a process${whose(there[0]!)} that cannot be seen` : `PID ${owner.pid}${programOf(owner.pid)}`
  return [finding('port', 'note', `port ${port}, where the recorded server was, belongs to ${by}`, { advice: 'A start on that port fails with PORT_IN_USE, or adopts it if it is healthy. Stop it, or --port auto', data: { port, owner } })]
}

export const alive = async (context: Context, { launches, pidFile, listing }: Recorded): Promise<Finding[]> => {
  const found: Finding[] = []
  for (const seen of launches.filter(({ verdict }) => verdict === 'alive' || verdict === 'headless')) {
    found.push(...(await examined('processes', async () => [...(await ofLeader(context, seen)), ...(await ofBooting(context, seen))])))
    if (!isLiving(seen)) continue
    found.push(...(await examined('leases', () => ofHolds(context, seen, listing?.leases ?? []))))
    found.push(...(await examined('health', () => ofHealth(context, seen))))
    found.push(...(await examined('port', () => ofPort(context, seen))))
  }
  if (found.length > 0) return found
  if (pidFile?.kind === 'record' && pidFile.record.host === context.system.host()) return [...(await examined('port', () => ofFormerPort(context, pidFile.record)))]
  return [finding('processes', 'ok', 'no server runs, and no port is recorded')]
}
