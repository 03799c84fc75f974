/**
 * What lives of a launch: the leader and the other processes, the keeper while the server boots, the clients that use
 * the server and the watchdogs that stop it once none does; and whether the server answers, on a port of its own.
 */
import type { Context } from '../context.js'
import { readyMark } from '../state/claim.js'
import { probeLaunch } from '../protocol/readiness.js'
import { checkAgain, looking } from '../protocol/check-again.js'
import { isLeader } from '../protocol/ending-rule.js'
import type { LeaseEntry } from '../state/directory.js'
import { judge } from '../system/system.js'
import { formatDuration } from '../text/duration.js'
import { redactUrl } from '../text/redact-url.js'
import { examined, finding, programOf, type Finding } from './finding.js'
import { ofFormerPort, ofPort } from './port.js'
import { isLiving, type Recorded, type Seen } from './recorded.js'

const listed = (pids: readonly number[]): string => `PID ${pids.join(', ')}`

const ofLeader = async ({ system }: Context, { launch, record, verdict }: Seen): Promise<Finding[]> => {
  const { id, leader: { pid: leader } } = launch
  const kin = (await system.kin(launch.leader, id)).filter(({ pid }) => pid !== leader)
  const group = kin.filter(({ inGroup }) => inGroup).map(({ pid }) => pid)
  const escaped = kin.filter(({ inGroup, pid }) => !inGroup && pid !== record?.keeper?.pid).map(({ pid }) => pid)
  const data = { launch: id, leader, group, escaped }
  if (verdict !== 'alive') {
    const live = listed([...group, ...escaped])
    return [finding('processes', 'note', `the leader, PID ${leader}, has ended, and ${live} of its launch run on`, {
      advice: 'A stop ends them.', data,
    })]
  }
  const isStopped = (await system.look(leader)).state === 'stopped'
  const others = group.length === 0 ? '' : `, with ${listed(group)} in its process group`
  const found = isStopped
    ? finding('processes', 'problem', `PID ${leader} is stopped, as by SIGSTOP or a debugger`, {
      advice: `A stopped process answers nobody. To let it go on: kill -CONT ${leader}`, data,
    })
    : finding('processes', 'ok', `the leader, PID ${leader}${programOf(leader)}, runs${others}`, { data })
  if (escaped.length === 0) return [found]
  const carry = escaped.length === 1 ? 'carries' : 'carry'
  return [found, finding('processes', 'note', `${listed(escaped)} left the process group of the leader and ${carry} its launch id`, {
    advice: `A stop ends ${escaped.length === 1 ? 'that process' : 'those processes'} as well.`,
  })]
}

const ofBooting = async ({ system }: Context, { launch, record }: Seen): Promise<Finding[]> => {
  if (record === undefined) return []
  const keeper = record.keeper === undefined ? undefined : judge(record.keeper, await system.look(record.keeper.pid))
  if (launch.ready) {
    if (keeper !== 'alive') return []
    return [finding('processes', 'note', `the keeper, PID ${record.keeper!.pid}, the server's parent while it boots, still lives`, {
      advice: 'It does no harm, and ends with the server.',
    })]
  }
  const launcher = judge(record.launcher, await system.look(record.launcher.pid))
  const left = record.deadline - system.now()
  const total = formatDuration(record.startupTimeout)
  const when = left > 0 ? `${formatDuration(left)} of its ${total} are left` : `its ${total} ended ${formatDuration(-left)} ago`
  const kept = keeper === undefined ? '' : `, its keeper, PID ${record.keeper!.pid}, is ${keeper}`
  const text = `the server boots: ${when}; its launcher, PID ${record.launcher.pid}, is ${launcher}${kept}`
  const data = { launcher: { pid: record.launcher.pid, state: launcher }, keeper, msLeft: Math.round(left) }
  if (left > 0) return [finding('processes', 'ok', text, { data })]
  return [finding('processes', 'note', text, {
    advice: 'The next start checks its health once more, and ends the launch if it does not pass.', data,
  })]
}

const ofHolds = async ({ system }: Context, { launch, record }: Seen, all: readonly LeaseEntry[]): Promise<Finding[]> => {
  const { id, leader, pinned, ready } = launch
  const of = { lease: { alive: [] as number[], dead: [] as number[] }, watch: { alive: [] as number[], dead: [] as number[] } }
  const stopped: number[] = []
  for (const { kind, process } of all.filter(({ launchId, process: holder }) => launchId === id && !isLeader(holder, leader))) {
    const look = await system.look(process.pid)
    const isDead = judge(process, look) === 'dead'
    of[kind][isDead ? 'dead' : 'alive'].push(process.pid)
    if (!isDead && look.state === 'stopped') stopped.push(process.pid)
  }
  const { lease, watch } = of
  const data = { launch: id, pinned, leases: lease, watches: watch, stopped }
  const hasSteward = record?.identity.coordinator !== undefined
  const holders = lease.alive.length === 0 ? 'nobody holds a lease' : `held by ${listed(lease.alive)}`
  const watchers = watch.alive.length === 0 ? 'no watchdog lives' : `watched by ${listed(watch.alive)}`
  const ends = hasSteward && watch.alive.length === 0 ? 'its steward looks for users on other hosts' : watchers
  const text = `${holders}; ${pinned ? 'pinned, so that no lease ends it' : ends}`
  const found: Finding[] = []
  if (!pinned && watch.alive.length === 0 && ready && !hasSteward) {
    found.push(finding('leases', 'note', text, {
      advice: 'Nothing would stop this server once nobody uses it. The next call (one-server list is enough) starts a watchdog.', data,
    }))
  } else {
    found.push(finding('leases', 'ok', text, { data }))
  }
  if (stopped.length > 0) {
    found.push(finding('leases', 'note', `${listed(stopped)} ${stopped.length === 1 ? 'is' : 'are'} stopped, as by SIGSTOP`, {
      advice: `A stopped holder keeps its lease, and a stopped watchdog ends nothing. To let it go on: kill -CONT ${stopped.join(' ')}`,
    }))
  }
  return found
}

const ofHealth = async (context: Context, { launch, record }: Seen): Promise<Finding[]> => {
  if (record === undefined) return []
  const first = launch.ready ? (await readyMark(context, launch.id))?.url ?? record.health.urls[0]! : undefined
  const urls = (first === undefined ? record.health.urls : [first]).map(redactUrl)
  const headers = Object.keys(record.health.headers)
  const data = { urls, headers }
  // Nothing is decided by the answer of a server that boots; that of a ready one is judged as every call judges it.
  const answer = first === undefined
    ? await probeLaunch(looking(context), launch, record)
    : await checkAgain(looking(context), record, first)
  if (answer.healthy) {
    const asked = headers.length === 0 ? '' : ` (asked with ${headers.join(', ')})`
    return [finding('health', 'ok', `${redactUrl(answer.url)} answers${asked}`, { data })]
  }
  if (!launch.ready) {
    return [finding('health', 'note', `${urls.join(' or ')} does not answer yet: ${answer.reason}`, {
      advice: 'one-server logs shows what the server printed. If it never answers, check --port, --host and --health.', data,
    })]
  }
  return [finding('health', 'problem', `${urls.join(' or ')} answered once and does not now: ${answer.reason}`, {
    advice: 'A busy server can fail the check, so no call ends it. If it hangs: one-server restart', data,
  })]
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
  if (pidFile?.kind === 'record' && pidFile.record.host === context.paths.hostName) {
    return [...(await examined('port', () => ofFormerPort(context, pidFile.record)))]
  }
  return [finding('processes', 'ok', 'no launch lives, and no port is recorded')]
}
