/**
 * What is there, seen without deciding anything: the PID file, the claims, what failed since the call
 * began, and which launch lives. No lock is needed to look; whatever follows from nothing being there
 * is decided under it, after another look.
 */
import type { Context } from '../context.js'
import { OneServerError, stateUnusable } from '../errors.js'
import { claimPath, type Launch, listClaims, type Listing } from '../state/directory.js'
import { type LaunchRecord, parseRecord } from '../state/launch-record.js'
import { readOutcomes } from '../state/outcome.js'
import { type PidFile, readPidFile } from '../state/pid-file.js'
import { judge, type Kin, type System } from '../system/system.js'

export interface Survey {
  readonly pidFile: PidFile
  readonly listing: Listing
  /** An outcome that was written since the call began. */
  readonly failed: OneServerError | undefined
  /** The launch to follow. */
  readonly living: Launch | undefined
  /** Claims whose launch is over, or has to be brought to its end. */
  readonly finished: readonly Launch[]
  /** Something in the folder is left from clients or launches that are gone. */
  readonly hasLeftovers: boolean
}

/** A launch that nobody means to end, and whose leader lives, is the one to follow. Of several the one that has got furthest. */
export const survey = async (context: Context, { since = Number.POSITIVE_INFINITY }: { readonly since?: number } = {}): Promise<Survey> => {
  const { system, paths } = context
  const listing = await listClaims(system, paths)
  const living: Launch[] = []
  const finished: Launch[] = []
  for (const launch of listing.launches) {
    const verdict = await judgeLaunch(system, launch)
    if (verdict === 'unknown') throw unknownLaunch(context, launch)
    if (verdict === 'alive' && !launch.ended) living.push(launch)
    else finished.push(launch)
  }
  const pidFile = await readPidFile(system, paths)
  const named = pidFile.kind === 'record' ? pidFile.record.launch : undefined
  living.sort((one, other) => rank(other, named) - rank(one, named))
  const { failed, old } = await readOutcomes(context, listing.outcomes, since)
  const hasLeftovers = finished.length + old.length + listing.orphans.length > 0 || (await hasDeadTraces(context, listing))
  return { pidFile, listing, living: living[0], finished, failed, hasLeftovers }
}

const hasDeadTraces = async ({ system }: Context, { traces }: Listing): Promise<boolean> => {
  for (const { process } of traces) if (judge(process, await system.look(process.pid)) === 'dead') return true
  return false
}

const rank = (launch: Launch, named: string | undefined): number => (launch.ready ? 2 : 0) + (launch.id === named ? 1 : 0)

const unknownLaunch = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), `it cannot be told whether PID ${launch.leader.pid} is the server that this names`,
    'Nothing was signalled and nothing was started. See what runs (ps -o pid,pgid,args); if it is not the server, remove this file.',
  )

/** What the launch wrote down about itself. The PID file is a copy of it, and mostly read already. */
export const recordOf = async (context: Context, launch: Launch, pidFile?: PidFile): Promise<LaunchRecord | undefined> => {
  if (pidFile?.kind === 'record' && isRecordOf(pidFile.record, launch)) return pidFile.record
  const { system, paths } = context
  const found = await system.read(claimPath(paths, launch.id, launch.leader))
  if (found.kind !== 'file') return undefined
  const record = parseRecord(found.text.trim())
  return typeof record === 'object' && isRecordOf(record, launch) ? record : undefined
}

/** Whether the launch has not been brought to its end since it was seen. */
export const isClaimed = async ({ system, paths }: Context, { id }: Launch): Promise<boolean> =>
  (await listClaims(system, paths)).launches.some((launch) => launch.id === id)

/** Whether a record is of this launch. */
export const isRecordOf = (record: LaunchRecord, { id, leader }: Launch): boolean =>
  record.launch === id && record.pid === leader.pid && record.start === leader.start && record.group === leader.group

export const unreadableClaim = ({ paths }: Context, launch: Launch): OneServerError =>
  stateUnusable(
    claimPath(paths, launch.id, launch.leader), 'does not say where its server listens',
    `It was damaged. PID ${launch.leader.pid} runs; end it with one-server stop, or stopServer(), and call again.`,
  )

/**
 * Whether a launch lives. A claim lives while its leader or any other process of the launch does: a
 * leader like `npm start` can die while the server that it started serves on, and to call that launch
 * dead would be to start a second server. Promise 4 decides the rest: what cannot be shown to be dead
 * is not dead, and what cannot be shown to be ours is not ended.
 */
/** `headless`: the leader is gone and others of the launch live. `unknown`: that cannot be told. */
export type LaunchVerdict = 'alive' | 'headless' | 'dead' | 'unknown'

/** A process that exits gives back its memory, and its environment with it, some ms before it is gone. */
const LOOKS = 25
const EXIT_PAUSE = 20

/** The processes of a launch whose leader is gone; undefined when it cannot be told whether they are. */
export const remainsOf = async (system: System, { id, leader }: Pick<Launch, 'id' | 'leader'>): Promise<Kin[] | undefined> => {
  for (let looks = 1; ; looks++) {
    const look = await system.look(leader.group)
    const kin = await system.kin(leader, id)
    // The kernel gives a number to nobody while a process group has it: one that was given anew shows that the group is gone.
    const recycled = 'start' in look && BigInt(look.start) > BigInt(leader.start)
    const own = kin.filter(({ inGroup, carriesLaunchId }) => carriesLaunchId || (inGroup && !recycled))
    if (own.length === 0) return []
    if (own.some(({ carriesLaunchId }) => carriesLaunchId)) return own
    if (looks === LOOKS) return undefined
    await system.sleep(EXIT_PAUSE)
  }
}

export const judgeLaunch = async (system: System, launch: Pick<Launch, 'id' | 'leader'>): Promise<LaunchVerdict> => {
  const verdict = judge(launch.leader, await system.look(launch.leader.pid))
  if (verdict !== 'dead') return verdict
  const remains = await remainsOf(system, launch)
  if (remains === undefined) return 'unknown'
  return remains.length > 0 ? 'headless' : 'dead'
}

/**
 * Whether somebody looks after a launch. Its launcher is the only one who learns the exit code, so
 * others let it speak first (promise 5: the same error for all); a launcher that is dead, stopped or
 * has left is not waited for.
 */
/** ms that the launcher has for writing the outcome of a server that has exited. */
export const LAUNCHER_SILENCE = 150

/** ms between two looks whether it has. */
const LAUNCHER_PAUSE = 10

export const isSupervised = async ({ system }: Context, launch: Launch, { launcher }: Pick<LaunchRecord, 'launcher'>): Promise<boolean> => {
  if (launch.unattended) return false
  const look = await system.look(launcher.pid)
  return look.state !== 'stopped' && judge(launcher, look) !== 'dead'
}

/** Gives the launcher of a launch that died while it booted the time to say how: it has released the lock, so whoever queued may notice first. */
export const awaitLauncher = async (context: Context, launch: Launch, record: LaunchRecord): Promise<void> => {
  const { system, paths } = context
  const until = system.now() + LAUNCHER_SILENCE
  while (system.now() < until && (await isSupervised(context, launch, record))) {
    if (!(await listClaims(system, paths)).launches.some(({ id }) => id === launch.id)) return
    await system.sleep(LAUNCHER_PAUSE)
  }
}
