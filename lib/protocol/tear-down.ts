/**
 * Brings a launch that is over to its end: what lives of it is ended, those who wait are told, its
 * claim and marks go. A claim is deleted only after the death was seen,
 * never right after kill(2), or a second server could start beside a first one that still exits.
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { OneServerError, portInUse, serverExited, stateUnusable } from '../errors.js'
import { isFree } from '../plan/port.js'
import { claimPath, createFile, type Launch, markPath, marksOf } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { endedBecause, LOG_LINES, writeOutcome } from '../state/outcome.js'
import { type Exit, judge, type Kin, type ProcessId, type System } from '../system/system.js'
import { alignPidFile } from './reconcile.js'
import { recordOf, remainsOf } from './survey.js'

/** Deletes the claim of a launch that has been seen dead, then its marks: `.ended` must stand for as long as the claim does. */
export const removeClaim = async ({ system, paths }: Context, launch: Pick<Launch, 'id' | 'leader'>): Promise<void> => {
  await system.remove(claimPath(paths, launch.id, launch.leader))
  for (const mark of marksOf(launch.id, await system.list(paths.host))) await system.remove(join(paths.host, mark))
}

/**
 * Ends a launch whose leader is gone or that somebody means to end, and tells those who wait for it.
 * Returns what they are told. Safe to do for several clients at once.
 */
export const tearDown = async (context: Context, launch: Launch, manner: StopManner, because?: OneServerError, at?: number): Promise<OneServerError | undefined> => {
  const { system, paths } = context
  await terminate(system, launch, manner)
  let told: OneServerError | undefined
  const ready = (await system.list(paths.host)).includes(`${launch.id}.ready`)
  if (!ready && because !== undefined) told = await writeOutcome(context, launch.id, because, at)
  await removeClaim(context, launch)
  return told
}

/**
 * As `settle`, for a client that does not hold the lock; the PID file is set right afterwards. One try: whoever
 * has the lock cleans up itself or the next call does, and a caller that has to be told at once must not queue.
 */
export const tearDownUnlocked = async (context: Context, launch: Launch, manner: StopManner, because?: OneServerError): Promise<OneServerError | undefined> => {
  const told = await tearDown(context, launch, manner, because)
  const { system, paths } = context
  await withLock(system, paths, new Deadline(system, 0), () => alignPidFile(context)).catch(() => {})
  return told
}

/** Marks a launch as one that is being ended, whatever anybody objects. */
export const markEnded = async (context: Context, id: string, body: string): Promise<void> => {
  await createFile(context, markPath(context.paths, id, 'ended'), body)
}

/**
 * Ends what lives of a launch and returns when it is gone: promise 3 says that stop means *exited*,
 * with the whole process group and the descendants that left it. Promise 4 holds at each signal: the
 * receiver is shown to be the recorded one immediately before.
 */
/** How long SIGKILL may take, in ms: a process in an uninterruptible system call answers to nothing. */
const KILL_TAKES = 5000

/** Pauses between two looks, in ms. A look at the leader costs little, one at all processes more. */
const LEADER_PAUSE = 5
const REMAINS_PAUSE = 20

export interface StopManner {
  readonly stopSignal: NodeJS.Signals
  /** ms */
  readonly stopTimeout: number
}

const nameOf = ({ pid, start }: ProcessId): string => `${pid}.${start}`

const cannotTell = ({ leader }: Pick<Launch, 'leader'>): OneServerError =>
  stateUnusable(
    `PID ${leader.pid}`, 'it cannot be told whether the processes of this group belong to the server',
    'Nothing was signalled. See what runs (ps -o pid,pgid,args), end it by hand, and call again.',
  )

/** Signals the group `group` when one of its members is new, and each new process outside it. One member must prove that the group is ours. */
const send = async (system: System, group: number, members: readonly Kin[], isNew: (process: ProcessId) => boolean, signal: NodeJS.Signals): Promise<void> => {
  const proof = members.find(({ inGroup, carriesLaunchId }) => inGroup && carriesLaunchId)
  if (proof !== undefined && members.some((member) => member.inGroup && isNew(member))) await system.signalGroup(group, proof, signal)
  for (const member of members) if (!member.inGroup && isNew(member)) await system.signal(member, signal)
}

/** Those that were shown to be ours and live, although nothing shows it any more: a process that exits has no environment left, and may still hold the port. */
const stillThere = async (system: System, asked: ReadonlyMap<string, ProcessId>, found: readonly Kin[]): Promise<Kin[]> => {
  const names = new Set(found.map(nameOf))
  const there: Kin[] = []
  for (const [name, id] of asked) {
    if (!names.has(name) && judge(id, await system.look(id.pid)) === 'alive') there.push({ ...id, inGroup: false, carriesLaunchId: true })
  }
  return there
}

/** Ends the launch. Safe to call while others do: signalling twice does no harm. */
export const terminate = async (system: System, launch: Pick<Launch, 'id' | 'leader'>, { stopSignal, stopTimeout }: StopManner): Promise<void> => {
  const { leader } = launch
  const killAt = system.now() + stopTimeout
  const asked = new Map<string, ProcessId>()
  for (;;) {
    const hard = system.now() >= killAt
    if (system.now() > killAt + KILL_TAKES) {
      throw new OneServerError('SERVER_UNHEALTHY', `PID ${leader.pid} has not ended, even by SIGKILL.`, 'It hangs in the kernel. See what it waits for (ps -o pid,stat,wchan,args), and call again.', { pid: leader.pid })
    }
    const signal = hard ? 'SIGKILL' : stopSignal
    const isNew = (process: ProcessId): boolean => hard || !asked.has(nameOf(process))
    const verdict = judge(leader, await system.look(leader.pid))
    if (verdict === 'unknown') throw cannotTell(launch)
    const leads = verdict === 'alive'
    if (leads && !isNew(leader)) {
      await system.sleep(LEADER_PAUSE)
      continue
    }
    const found = leads ? (await system.kin(leader, launch.id)) : await remainsOf(system, launch)
    if (found === undefined) throw cannotTell(launch)
    const members = [...found, ...(await stillThere(system, asked, found))]
    if (!leads && members.length === 0) return
    // A server that has left the group is signalled by itself; the others in the group are its kin.
    if (leads && !(await system.signalGroup(leader.group, leader, signal))) await system.signal(leader, signal)
    await send(system, leader.group, leads ? members.filter(({ inGroup }) => !inGroup) : members, isNew, signal)
    // A stopped process would take notice only when somebody lets it go on.
    if (leads && signal !== 'SIGKILL') await system.signalGroup(leader.group, leader, 'SIGCONT')
    asked.set(nameOf(leader), leader)
    for (const member of members) asked.set(nameOf(member), member)
    await system.sleep(leads ? LEADER_PAUSE : REMAINS_PAUSE)
  }
}

/**
 * Why a launch is over, for those who wait for it: by what it wrote down, else by how it exited, its log
 * and its port.
 */
/** What a client tells that finds a launch over which it did not make itself. */
export const reasonFor = async (context: Context, launch: Launch): Promise<OneServerError | undefined> => {
  if (launch.ended) return endedBecause(context, launch.id)
  if (!(await hasRun(context, launch))) return undefined
  const record = await recordOf(context, launch)
  if (record === undefined) return serverExited({ pid: launch.leader.pid })
  const error = await whyItExited(context, record, {})
  // A port that was ours to choose is chosen again, as its launcher would have done.
  return error.code === 'PORT_IN_USE' && context.settings.port.kind !== 'fixed' ? undefined : error
}

/** Why a server that has run exited before it was ready, as far as `exit`, its log and its port tell. */
export const whyItExited = async (context: Context, { logFile, port, pid, health }: LaunchRecord, exit: Exit): Promise<OneServerError> => {
  const data = { ...exit, pid, logFile, logTail: await context.system.tail(logFile, LOG_LINES) }
  // Of a server at a Unix socket the log may mean that one, which another port is no help for.
  const saysSo = /EADDRINUSE|address already in use/i.test(data.logTail) && !health.urls.some((url) => url.startsWith('socket:'))
  if (saysSo || !(await isFree(context, port))) {
    return portInUse(port, 'by now: the server lost it to another process between the choice and the bind', data)
  }
  return serverExited(data)
}

/** Whether the gate was opened: a launch that never ran has not failed. */
const hasRun = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> => {
  const gate = await system.read(markPath(paths, id, 'gate'))
  return gate.kind === 'file' && gate.text !== ''
}
