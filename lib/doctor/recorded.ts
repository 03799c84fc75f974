/**
 * What is on disk: the PID file, the claims of this host and their marks, the outcomes of failed launches, and the folders
 * of other hosts. Each launch is judged by the code that a call judges it by, and nothing is cleaned up.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { claimPath, listClaims, markPath, type Launch, type Listing } from '../state/directory.js'
import type { Context } from '../context.js'
import { outcomeOf } from '../state/outcome.js'
import { carriesLaunchId } from '../protocol/reconcile.js'
import { judgeLaunch, type LaunchVerdict } from '../protocol/liveness.js'
import { recordOf } from '../state/claim.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { readPidFile, type PidFile } from '../state/pid-file.js'
import { judge } from '../system/system.js'
import { examined, finding, type Finding } from './finding.js'
import { formatDuration } from '../text/duration.js'

/** A launch, whether it lives, and what it wrote down about itself. */
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

/** Whether a call would follow this launch. */
export const isLiving = ({ launch, verdict }: Seen): boolean => verdict === 'alive' && !launch.ended

const HEALS = 'Nothing needs to be done: the next call (one-server list is enough) removes it.'

type Spoken = [text: string, advice: string]

/** A PID file that is only a number, which no launch of ours wrote. */
const ofBarePid = async ({ system, paths }: Context, pid: number): Promise<Spoken> => {
  const what = `${paths.pidFile} has the number ${pid} and no record: another tool wrote it, or it was cut short`
  return (await system.look(pid)).state === 'gone'
    ? [`${what}; no process has that PID`, HEALS]
    : [`${what}; some process has that PID`, 'A bare number is never signalled. If that process is not your server, remove the file.']
}

/** A PID file whose record is not that of the launch that lives, if any does. */
const ofStaleRecord = async (context: Context, record: LaunchRecord, launches: readonly Seen[]): Promise<Spoken> => {
  const { launch, pid, host, since } = record
  const path = context.paths.pidFile
  if (host !== context.paths.hostName) {
    return [
      `${path} names PID ${pid} of another host, of other namespaces, or of before a reboot (launched ${since})`,
      'No call here judges that PID. The next start on this host replaces the file.',
    ]
  }
  if (launches.some(isLiving)) {
    return [`${path} names launch ${launch}, and another one lives`, 'The claim decides: the next start writes the PID file again.']
  }
  if (!launches.some((seen) => seen.launch.id === launch) && (await carriesLaunchId(context, record))) {
    return [
      `PID ${pid} lives and its claim was deleted from outside`,
      'The next start brings the claim back. Keep other programs from cleaning up that folder.',
    ]
  }
  if (launches.some((seen) => seen.launch.id === launch && seen.verdict === 'headless')) {
    return [`${path} names PID ${pid}, which has ended, and other processes of its launch run on`, 'The next call names one of them.']
  }
  return [`${path} names PID ${pid}, which has ended`, HEALS]
}

const ofPidFile = async (context: Context, pidFile: PidFile, launches: readonly Seen[]): Promise<Finding> => {
  const path = context.paths.pidFile
  if (pidFile.kind === 'absent') {
    if (!launches.some(isLiving)) return finding('PID file', 'ok', `none at ${path}: no server is recorded`, { data: { path } })
    return finding('PID file', 'note', `${path} is missing, and a launch lives`, {
      advice: 'The PID file is a copy of the claim: the next start writes it again.',
    })
  }
  if (pidFile.kind === 'bare') {
    const [text, advice] = await ofBarePid(context, pidFile.pid)
    return finding('PID file', 'note', text, { advice, data: { path, pid: pidFile.pid } })
  }
  const { launch, pid, host, since } = pidFile.record
  const data = { path, launch, pid, host, since }
  const isRight = host === context.paths.hostName && launches.some((seen) => seen.launch.id === launch && isLiving(seen))
  if (isRight) return finding('PID file', 'ok', `${path} names PID ${pid}, launch ${launch}, as its claim does`, { data })
  const [text, advice] = await ofStaleRecord(context, pidFile.record, launches)
  return finding('PID file', 'note', text, { advice, data })
}

const stateOf = ({ ready, unattended, pinned, ended }: Launch): string => [
  ended ? 'being ended' : ready ? 'ready' : 'booting',
  ...(pinned ? ['pinned'] : []),
  ...(unattended && !ready ? ['its launcher has left'] : []),
].join(', ')

/** What the record says, without a value that could be secret. */
const shown = ({ port, since, launcher, keeper, bundled, idleTimeout, health }: LaunchRecord): object =>
  ({ port, since, launcher, keeper, bundled, idleTimeout, headers: Object.keys(health.headers) })

const ofLaunch = ({ paths }: Context, { launch, verdict, record }: Seen): Finding => {
  const { id, leader: { pid, start, group }, ready, unattended, pinned, ended } = launch
  const path = claimPath(paths, id, launch.leader)
  const data = { launch: id, pid, start, group, verdict, ready, unattended, pinned, ended, ...(record === undefined ? {} : shown(record)) }
  if (verdict === 'unknown') {
    return finding('claims', 'problem', `launch ${id}: nothing shows whether PID ${pid} is its server`, {
      advice: 'So nothing is started and nothing is signalled. ' +
        `See what runs (ps -o pid,pgid,args); if it is not the server, remove ${path}`,
      data,
    })
  }
  if (verdict === 'dead') {
    return finding('claims', 'note', `launch ${id}: PID ${pid} has ended, its claim is left`, { advice: HEALS, data })
  }
  if (verdict === 'headless') {
    return finding('claims', 'note', `launch ${id}: its leader, PID ${pid}, has ended, and other processes of it run on`, {
      advice: 'The launch is used while one of them listens where it was ready. A stop ends them.', data,
    })
  }
  if (record === undefined) {
    return finding('claims', 'problem', `launch ${id}: PID ${pid} lives, and its claim does not say where it listens`, {
      advice: `${path} was damaged. End the server by one-server stop, and start it again.`, data,
    })
  }
  const text = `launch ${id}: PID ${pid} lives (${stateOf(launch)}), since ${record.since}, port ${record.port}`
  if (!ended) return finding('claims', 'ok', text, { data })
  return finding('claims', 'note', text, { advice: 'A client has begun to end it. The next call helps to finish that.', data })
}

const ofListing = async (context: Context, listing: Listing, launches: readonly Seen[]): Promise<Finding[]> => {
  const found = launches.map((seen) => ofLaunch(context, seen))
  if (found.length === 0) found.push(finding('claims', 'ok', 'none of this host', { data: { host: context.paths.hostName } }))
  const living = launches.filter(isLiving).length
  if (living > 1) {
    found.push(finding('claims', 'problem', `${living} launches live at once, which one-server must never allow`, {
      advice: 'Please report it with one-server doctor --json. one-server stop ends them.',
    }))
  }
  const dead: string[] = []
  for (const { name, process } of listing.traces) if (judge(process, await context.system.look(process.pid)) === 'dead') dead.push(name)
  const left = [...listing.orphans, ...dead]
  if (left.length > 0) {
    const files = left.length === 1 ? '1 file is' : `${left.length} files are`
    found.push(finding('claims', 'note', `${files} left of clients or launches that are gone`, { advice: HEALS, data: { left } }))
  }
  return found
}

/** Launches that live and have no claim, as a call finds them that would start a server. */
const vanished = async ({ system, paths }: Context, { launches }: Listing, pidFile: PidFile | undefined): Promise<Finding[]> => {
  // Of the launch that the PID file names, the look at the PID file tells.
  const told = [...launches.map(({ id }) => id), ...(pidFile?.kind === 'record' ? [pidFile.record.launch] : [])]
  const found = (await system.launchesOf(paths.pidFile)).filter(({ launchId }) => !told.includes(launchId))
  return found.map(({ launchId, leader: { pid } }) =>
    finding('claims', 'note', `launch ${launchId} lives, as PID ${pid}, and its claim was deleted from outside`, {
      advice: 'The next start, stop or list brings the claim back. Keep other programs from cleaning up that folder.',
      data: { launch: launchId, pid },
    }))
}

const outcomes = async (context: Context, { outcomes: ids }: Listing, launches: readonly Seen[]): Promise<Finding[]> => {
  const found: Finding[] = []
  for (const id of ids) {
    const error = (await outcomeOf(context, id))?.error
    if (error === undefined) continue
    const { code, exitCode, signal, port } = error
    const ago = formatDuration(Date.now() - lstatSync(markPath(context.paths, id, 'outcome')).mtimeMs)
    // Only the first line of the message, since those after it quote the log.
    const text = `launch ${id} failed ${ago} ago, ${code}: ${error.message.split('\n', 1)[0]}`
    const isSettled = launches.some(isLiving) || code === 'STOPPED'
    found.push(finding('outcome', isSettled ? 'note' : 'problem', text, {
      advice: code === 'STOPPED' ? 'It was stopped on purpose.' : 'one-server logs shows what it printed.',
      data: { launch: id, code, exitCode, signal, port },
    }))
  }
  return found.length > 0 ? found : [finding('outcome', 'ok', 'no failed launch is recorded (an outcome is kept until the next call)')]
}

const ofAnotherHost = ({ paths }: Context, host: string): Finding => {
  const path = join(paths.folder, host)
  let names: string[] = []
  try {
    names = readdirSync(path)
  } catch (error) {
    return finding('other hosts', 'note', `${path} cannot be listed (${(error as NodeJS.ErrnoException).code})`, {
      advice: 'No call here depends on it.',
    })
  }
  const claims = names.filter((name) => name.endsWith('.claim')).length
  const isThisBoot = host.split('-')[0] === paths.hostName.split('-')[0]
  const what = `${claims} claim${claims === 1 ? '' : 's'}, last changed ${formatDuration(Date.now() - lstatSync(path).mtimeMs)} ago`
  const data = { host, claims, files: names.length, isThisBoot }
  if (isThisBoot) {
    const where = 'other namespaces of this kernel (a container or sandbox that shares this folder)'
    return finding('other hosts', 'note', `${host}: ${where}, ${what}`, {
      advice: `Clients there have a server of their own. If that container is gone for good, remove its folder: rm -r '${path}'`, data,
    })
  }
  return finding('other hosts', 'note', `${host}: another machine that shares this folder, or this one before a reboot, ${what}`, {
    advice: `No call here judges or removes it. If no other machine shares this folder, remove it: rm -r '${path}'`, data,
  })
}

const otherHosts = (context: Context): Finding[] => {
  const own = context.paths.hostName
  let names: string[] = []
  try {
    names = readdirSync(context.paths.folder)
  } catch (error) {
    // A folder that may not be listed is reported once, by the look at this host's own folder.
    if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  const others = names.filter((name) => name !== own)
  if (others.length === 0) return [finding('other hosts', 'ok', 'none, and nothing that a reboot left')]
  return others.map((host) => ofAnotherHost(context, host))
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
    for (const launch of listed.launches) {
      launches.push({ launch, verdict: await judgeLaunch(context.system, launch), record: await recordOf(context, launch, pidFile) })
    }
    listing = listed
    return [...(await ofListing(context, listed, launches)), ...(await vanished(context, listed, pidFile))]
  })
  const findings = [
    ...(pidFile === undefined ? ofFile : await examined('PID file', async () => [await ofPidFile(context, pidFile as PidFile, launches)])),
    ...ofClaims,
    ...(await examined('other hosts', async () => otherHosts(context))),
    ...(listing === undefined ? [] : await examined('outcome', () => outcomes(context, listing as Listing, launches))),
  ]
  return { pidFile, listing, launches, findings }
}
