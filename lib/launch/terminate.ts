/**
 * Ends what lives of a launch and returns when it is gone: promise 3 says that stop means *exited*,
 * with the whole process group and the descendants that left it. Promise 4 holds at each signal: the
 * receiver is shown to be the recorded one immediately before.
 */
import { OneServerError, stateUnusable } from '../errors.js'
import { judge, type Kin, type ProcessId, type System } from '../system/system.js'
import type { Launch } from './claims.js'
import { remainsOf } from './verdict.js'

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
