/**
 * What is written down: the PID file, the claims of this host and their marks, how launches failed, and the
 * folders of other hosts. The verdicts are those that a call would come to; nothing is cleaned up for it.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { claimPath, listClaims, markPath, type Launch, type Listing } from '../state/directory.js'
import type { Context } from '../context.js'
import { outcomeOf } from '../state/outcome.js'
import { carriesLaunchId } from '../protocol/reconcile.js'
import { recordOf, judgeLaunch, type LaunchVerdict } from '../protocol/survey.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { readPidFile, type PidFile } from '../state/pid-file.js'
import { judge } from '../system/system.js'
import { examined, finding, type Finding } from './finding.js'
import { formatDuration } from '../text/duration.js'

/** A launch with all that can be learnt of it. */
export interface Seen {
  readonly launch: Launch
  readonly verdict: LaunchVerdict
  readonly record: LaunchRecord | undefined
}

export interface Recorded {
  readonly pidFile: PidFile | undefined
  readonly listing: Listing | undefined
  readonly launches: readonly Seen[]
  readonly findings: readonly Finding[]
}

/** What a call would follow. */
export const isLiving = ({ launch, verdict }: Seen): boolean => verdict === 'alive' && !launch.ended

const HEALS = 'Nothing has to be done: the next call (one-server list is enough) removes it.'

const ofPidFile = async (context: Context, pidFile: PidFile, launches: readonly Seen[]): Promise<Finding> => {
  const path = context.paths.pidFile
  if (pidFile.kind === 'absent') {
    return launches.some(isLiving)
      ? finding('PID file', 'note', `${path} is missing, and a launch lives`, { advice: 'It is a copy of the claim: the next start writes it again.' })
      : finding('PID file', 'ok', `none at ${path}: no server is recorded`, { data: { path } })
  }
  if (pidFile.kind === 'bare') {
    const isThere = (await context.system.look(pidFile.pid)).state !== 'gone'
    return finding('PID file', 'note', `${path} has the number ${pidFile.pid} and no record: another tool wrote it, or it was cut short; ${isThere ? 'some process has that PID' : 'no process has that PID'}`, {
      advice: isThere ? 'A bare number is never signalled. If that process is not your server, remove the file.' : HEALS, data: { path, pid: pidFile.pid },
    })
  }
  const { launch, pid, host, since } = pidFile.record
  const data = { path, launch, pid, host, since }
  if (host !== context.system.host()) {
    return finding('PID file', 'note', `${path} names PID ${pid} of another host, of other namespaces, or of before a reboot (launched ${since})`, { advice: 'It is not judged here. The next start on this host writes its own over it.', data })
  }
  const named = launches.find((seen) => seen.launch.id === launch)
  if (named !== undefined && isLiving(named)) return finding('PID file', 'ok', `${path} names PID ${pid}, launch ${launch}, as its claim does`, { data })
  if (launches.some(isLiving)) return finding('PID file', 'note', `${path} names launch ${launch}, and another one lives`, { advice: 'The claim is the truth: the next start writes the file again.', data })
  if (named === undefined && (await carriesLaunchId(context, pidFile.record))) return finding('PID file', 'note', `PID ${pid} lives and its claim was deleted from outside`, { advice: 'The next start brings it back. See that nothing cleans that folder up.', data })
  return finding('PID file', 'note', `${path} names PID ${pid}, which has ended`, { advice: HEALS, data })
}

const stateOf = ({ ready, unattended, pinned, ended }: Launch): string =>
  [ended ? 'being ended' : ready ? 'ready' : 'booting', ...(pinned ? ['pinned'] : []), ...(unattended && !ready ? ['its launcher has left'] : [])].join(', ')

const ofLaunch = ({ paths }: Context, { launch, verdict, record }: Seen): Finding => {
  const { id, leader: { pid, start, group } } = launch
  const path = claimPath(paths, id, launch.leader)
  const data = {
    launch: id, pid, start, group, verdict, ready: launch.ready, unattended: launch.unattended, pinned: launch.pinned, ended: launch.ended,
    ...(record === undefined ? {} : { port: record.port, since: record.since, launcher: record.launcher, keeper: record.keeper, bundled: record.bundled, idleTimeout: record.idleTimeout, headers: Object.keys(record.health.headers) }),
  }
  if (verdict === 'unknown') return finding('claims', 'problem', `launch ${id}: it cannot be told whether PID ${pid} is its server`, { advice: `Nothing is started or signalled because of it. See what runs (ps -o pid,pgid,args); if it is not the server, remove ${path}`, data })
  if (verdict === 'dead') return finding('claims', 'note', `launch ${id}: PID ${pid} has ended, its claim is left`, { advice: HEALS, data })
  if (verdict === 'headless') return finding('claims', 'note', `launch ${id}: its leader, PID ${pid}, has ended and others of it run`, { advice: 'The next start or stop ends them first.', data })
  if (record === undefined) return finding('claims', 'problem', `launch ${id}: PID ${pid} lives, and its claim does not say where it listens`, { advice: `${path} was damaged. End the server by one-server stop, and start it again.`, data })
  return finding('claims', launch.ended ? 'note' : 'ok', `launch ${id}: PID ${pid} lives (${stateOf(launch)}), since ${record.since}, port ${record.port}`, { ...(launch.ended ? { advice: 'Somebody ends it; the next call helps.' } : {}), data })
}

const ofListing = async (context: Context, listing: Listing, launches: readonly Seen[]): Promise<Finding[]> => {
  const found = launches.map((seen) => ofLaunch(context, seen))
  if (found.length === 0) found.push(finding('claims', 'ok', 'none of this host', { data: { host: context.system.host() } }))
  if (launches.filter(isLiving).length > 1) {
    found.push(finding('claims', 'problem', `${launches.filter(isLiving).length} launches live at once, which must never be`, { advice: 'Please report it with one-server doctor --json. one-server stop ends them.' }))
  }
  const dead: string[] = []
  for (const { name, process } of listing.traces) if (judge(process, await context.system.look(process.pid)) === 'dead') dead.push(name)
  const left = listing.orphans.length + dead.length
  if (left > 0) found.push(finding('claims', 'note', `${left} file${left === 1 ? ' is' : 's are'} left of clients or launches that are gone`, { advice: HEALS, data: { left: [...listing.orphans, ...dead] } }))
  return found
}

const outcomes = async (context: Context, { outcomes: ids }: Listing, launches: readonly Seen[]): Promise<Finding[]> => {
  const found: Finding[] = []
  for (const id of ids) {
    const error = await outcomeOf(context, id)
    if (error === undefined) continue
    const { code, exitCode, signal, port } = error
    const ago = formatDuration(Date.now() - lstatSync(markPath(context.paths, id, 'outcome')).mtimeMs)
    // Its first line alone: what follows quotes the log.
    found.push(finding('outcome', launches.some(isLiving) || code === 'STOPPED' ? 'note' : 'problem', `launch ${id} failed ${ago} ago, ${code}: ${error.message.split('\n', 1)[0]}`, {
      advice: code === 'STOPPED' ? 'It was stopped on purpose.' : 'one-server logs shows what it printed.', data: { launch: id, code, exitCode, signal, port },
    }))
  }
  return found.length > 0 ? found : [finding('outcome', 'ok', 'no failed launch is recorded (an outcome is kept until the next call)')]
}

const ofAnotherHost = ({ paths, system }: Context, host: string): Finding => {
  const path = join(paths.folder, host)
  let names: string[] = []
  try {
    names = readdirSync(path)
  } catch (error) {
    return finding('other hosts', 'note', `${path} cannot be listed (${(error as NodeJS.ErrnoException).code})`, { advice: 'No call here depends on it.' })
  }
  const claims = names.filter((name) => name.endsWith('.claim')).length
  const isThisBoot = host.split('-')[0] === system.host().split('-')[0]
  const what = `${claims} claim${claims === 1 ? '' : 's'}, last changed ${formatDuration(Date.now() - lstatSync(path).mtimeMs)} ago`
  const data = { host, claims, files: names.length, isThisBoot }
  return isThisBoot
    ? finding('other hosts', 'note', `${host}: other namespaces of this kernel (a container or sandbox that shares this folder), ${what}`, { advice: 'It has its own server. If it is gone for good, the folder may be removed.', data })
    : finding('other hosts', 'note', `${host}: another machine that shares this folder, or this one before a reboot, ${what}`, { advice: `No call here judges or removes it. If no other machine shares this folder, remove it: rm -r '${path}'`, data })
}

const otherHosts = (context: Context): Finding[] => {
  const own = context.system.host()
  let names: string[] = []
  try {
    names = readdirSync(context.paths.folder)
  } catch (error) {
    // Whether it may be used at all is told of this host's folder.
    if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  const others = names.filter((name) => name !== own)
  return others.length === 0 ? [finding('other hosts', 'ok', 'none, and nothing that a reboot left')] : others.map((host) => ofAnotherHost(context, host))
}

export const recorded = async (context: Context): Promise<Recorded> => {
  const launches: Seen[] = []
  let listing: Listing | undefined
  let pidFile: PidFile | undefined
  const ofFile = await examined('PID file', async () => {
    pidFile = await readPidFile(context.system, context.paths)
    return []
  })
  const ofClaims = await examined('claims', async () => {
    const listed = await listClaims(context)
    for (const launch of listed.launches) launches.push({ launch, verdict: await judgeLaunch(context.system, launch), record: await recordOf(context, launch, pidFile) })
    listing = listed
    return ofListing(context, listed, launches)
  })
  const findings = [
    ...(pidFile === undefined ? ofFile : await examined('PID file', async () => [await ofPidFile(context, pidFile as PidFile, launches)])),
    ...ofClaims,
    ...(await examined('other hosts', async () => otherHosts(context))),
    ...(listing === undefined ? [] : await examined('outcome', () => outcomes(context, listing as Listing, launches))),
  ]
  return { pidFile, listing, launches, findings }
}
