/**
 * Brings a launch to its end: end what lives of it, see it dead, tell the waiting clients, delete the claim and its
 * marks. Promise 3 says that stop means *exited*, with the process group and the descendants that left it. A claim is
 * deleted only after the death was seen, never right after kill(2): otherwise a second server could start beside a
 * first one that still exits. Promise 4 holds at each signal: the receiver is shown to be the recorded process
 * immediately before.
 */
import { join } from 'node:path'
import type { Context } from '../context.js'
import { Deadline } from '../deadline.js'
import { OneServerError, portInUse, serverExited, stateUnusable } from '../errors.js'
import { kindOf, traitsOf } from '../health/kind.js'
import { whoHolds } from '../plan/port.js'
import { recordOf } from '../state/claim.js'
import { claimPath, findLaunch, markPath, marksOf, parseListing, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { withLock } from '../state/lock.js'
import { createNamed, endedBecause, LOG_LINES, writeOutcome } from '../state/outcome.js'
import { judge, type Exit, type Kin, type ProcessId, type System } from '../system/system.js'
import { alignPidFile } from './reconcile.js'
import { remainsOf } from './liveness.js'
import { survey } from './survey.js'

export interface StopManner {
  readonly stopSignal: NodeJS.Signals
  /** ms */
  readonly stopTimeout: number
  /** ms that a client of the launch may wait, and read then why the launch has ended. */
  readonly startupTimeout?: number
  /**
   * With a coordinator the leader is a steward, which asks its server itself. A server that got the signal twice might take it for
   * impatience and skip its cleaning up, so only the steward gets it from here.
   */
  readonly identity?: { readonly coordinator?: string | undefined }
}

/** Tears a launch down. Several clients may do so at once. Returns what the waiting clients get. */
export const tearDown = async (
  context: Context, launch: Launch, manner: StopManner, because?: OneServerError, at?: number,
): Promise<OneServerError | undefined> => {
  const { system, paths } = context
  await terminate(system, launch, manner)
  let shared: OneServerError | undefined
  const wasReady = (await system.list(paths.host)).includes(`${launch.id}.ready`)
  if (!wasReady && because !== undefined) shared = await writeOutcome(context, launch.id, because, at, manner.startupTimeout)
  await removeClaim(context, launch)
  return shared
}

/**
 * As `tearDown`, for a client that does not hold the lock; it sets the PID file right afterwards. It tries the lock once:
 * its caller must hear of the failure at once, and must not queue. The client that holds the lock cleans up, or the next call does.
 */
export const tearDownUnlocked = async (
  context: Context, launch: Launch, manner: StopManner, because?: OneServerError,
): Promise<OneServerError | undefined> => {
  const shared = await tearDown(context, launch, manner, because)
  const { system, paths } = context
  await withLock(system, paths, new Deadline(system, 0), async () => alignPidFile(context, await survey(context))).catch(() => {})
  return shared
}

/** Marks a launch as ended, against any objection. */
export const markEnded = async (context: Context, id: string, body: string): Promise<void> => {
  await createNamed(context, markPath(context.paths, id, 'ended'), body)
}

/**
 * Deletes the claim of a launch that has been seen dead, ends its watchdogs, and deletes its marks: `.ended` must
 * stand for as long as the claim does.
 */
export const removeClaim = async ({ system, paths }: Context, launch: Pick<Launch, 'id' | 'leader'>): Promise<void> => {
  await system.remove(claimPath(paths, launch.id, launch.leader))
  // A client may have written a mark until the claim went, so only a listing after that shows all of them.
  const names = await system.list(paths.host)
  // A watchdog of a launch that has gone would sleep on beside a machine on which everything was stopped.
  for (const { kind, launchId, process } of parseListing(paths, names).leases) {
    if (kind === 'watch' && launchId === launch.id) await system.endWatchdog(process, launchId)
  }
  for (const mark of marksOf(launch.id, names)) await system.remove(join(paths.host, mark))
}

/** ms that SIGKILL may take: a process in an uninterruptible system call answers to nothing. */
const KILL_TAKES = 5000

/** ms between two looks. A look at the leader costs little, a look at all processes costs more. */
const LEADER_PAUSE = 5
const REMAINS_PAUSE = 20

/** Ends what lives of a launch, and returns when it has gone. Several clients may do so at once: a second signal does no harm. */
export const terminate = async (
  system: System, launch: Pick<Launch, 'id' | 'leader'>, { stopSignal, stopTimeout, identity }: StopManner,
): Promise<void> => {
  const { leader } = launch
  const killAt = system.now() + stopTimeout
  let killed: number | undefined
  const asked = new Map<string, ProcessId>()
  for (;;) {
    const hard = system.now() >= killAt
    // A client that was frozen looks once more before it says that SIGKILL does not help.
    const isLate = killed !== undefined && system.now() > killed + KILL_TAKES
    if (hard) killed ??= system.now()
    const signal = hard ? 'SIGKILL' : stopSignal
    const isNew = (process: ProcessId): boolean => hard || !asked.has(nameOf(process))
    const verdict = judge(leader, await system.look(leader.pid))
    if (verdict === 'unknown') throw cannotTell(launch)
    const leads = verdict === 'alive'
    if (leads && !isNew(leader)) {
      await system.sleep(LEADER_PAUSE)
      continue
    }
    const found = leads ? await system.kin(leader, launch.id) : await remainsOf(system, launch)
    if (found === undefined) throw cannotTell(launch)
    const members = [...found, ...(await stillThere(system, asked, found))]
    if (!leads && members.length === 0) return
    if (isLate) throw hangs(leader)
    const isAlone = identity?.coordinator !== undefined && leads && signal !== 'SIGKILL'
    // A leader that has left its group gets the signal by itself; the others in the group are its kin.
    if (leads && (isAlone || !(await system.signalGroup(leader.group, leader, signal)))) await system.signal(leader, signal)
    if (!isAlone) await send(system, leader.group, leads ? members.filter(({ inGroup }) => !inGroup) : members, isNew, signal)
    // A stopped process takes notice of a signal only when it continues.
    if (leads && signal !== 'SIGKILL') await system.signalGroup(leader.group, leader, 'SIGCONT')
    asked.set(nameOf(leader), leader)
    if (!isAlone) for (const member of members) asked.set(nameOf(member), member)
    await system.sleep(leads ? LEADER_PAUSE : REMAINS_PAUSE)
  }
}

const nameOf = ({ pid, start }: ProcessId): string => `${pid}.${start}`

/**
 * Signals the group when one of its members is new, and each new process outside the group. One member must prove
 * that the group is the launch's.
 */
const send = async (
  system: System, group: number, members: readonly Kin[], isNew: (process: ProcessId) => boolean, signal: NodeJS.Signals,
): Promise<void> => {
  const proof = members.find(({ inGroup, carriesLaunchId }) => inGroup && carriesLaunchId)
  if (proof !== undefined && members.some((member) => member.inGroup && isNew(member))) await system.signalGroup(group, proof, signal)
  for (const member of members) if (!member.inGroup && isNew(member)) await system.signal(member, signal)
}

/**
 * The processes that were shown to be the launch's before and that live. A process that exits has no environment any
 * more, and may still hold the port.
 */
const stillThere = async (system: System, asked: ReadonlyMap<string, ProcessId>, found: readonly Kin[]): Promise<Kin[]> => {
  const names = new Set(found.map(nameOf))
  const there: Kin[] = []
  for (const [name, id] of asked) {
    if (!names.has(name) && judge(id, await system.look(id.pid)) === 'alive') there.push({ ...id, inGroup: false, carriesLaunchId: true })
  }
  return there
}

const hangs = ({ pid }: ProcessId): OneServerError =>
  new OneServerError(
    'SERVER_UNHEALTHY', `PID ${pid} has not ended, even by SIGKILL.`,
    'It hangs in the kernel. See what it waits for (ps -o pid,stat,wchan,args), and call again.', { pid },
  )

const cannotTell = ({ leader }: Pick<Launch, 'leader'>): OneServerError =>
  stateUnusable(
    `PID ${leader.pid}`, 'nothing shows whether the processes of this group belong to the server',
    'Nothing was signalled. See what runs (ps -o pid,pgid,args), end it by hand, and call again.',
  )

/** Why a launch that this client did not make has ended. Undefined: it has not failed. */
export const reasonFor = async (context: Context, launch: Launch): Promise<OneServerError | undefined> => {
  if (launch.ended) return endedBecause(context, launch.id)
  if (!(await hasRun(context, launch))) return undefined
  const record = await recordOf(context, launch)
  if (record === undefined) return serverExited({ pid: launch.leader.pid })
  const error = await whyItExited(context, record, {})
  // A later launch gives its own log the name once the claim has gone, so only a claim that is still there shows whose log was read.
  if ((await findLaunch(context, launch.id)) === undefined) return undefined
  // One-server chooses a free port again, as the launcher would have done.
  return error.code === 'PORT_IN_USE' && context.settings.port.kind !== 'fixed' ? undefined : error
}

/** Why a server that has run exited before it was ready, as far as its exit, its log and its port tell. */
export const whyItExited = async (
  context: Context, { logFile, port, pid, health }: LaunchRecord, exit: Exit,
): Promise<OneServerError> => {
  const data = { ...exit, pid, logFile, logTail: await context.system.tail(logFile, LOG_LINES) }
  const logSaysSo = traitsOf(health).bindsPort && /EADDRINUSE|address already in use/i.test(data.logTail)
  // A program that could not bind does not exit with 0.
  const holder = exit.exitCode === 0 ? undefined : await whoHolds(context, port)
  if (holder !== undefined || (exit.exitCode !== 0 && logSaysSo)) {
    const seen = holder ?? 'Its log says so, and nothing listens there now'
    return portInUse(port, `now: the server lost it to another process between the choice and the bind. ${seen}`, data)
  }
  return serverExited(data, kindOf(health) === 'http' ? undefined : 'it was ready')
}

/** Whether the gate was opened: a launch that never ran has not failed. */
const hasRun = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> => {
  const gate = await system.read(markPath(paths, id, 'gate'))
  return gate.kind === 'file' && gate.text !== ''
}
