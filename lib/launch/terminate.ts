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

/** Ends the launch. Safe to call while others do: signalling twice does no harm. */
export const terminate = async (system: System, launch: Pick<Launch, 'id' | 'leader'>, { stopSignal, stopTimeout }: StopManner): Promise<void> => {
  const { leader } = launch
  const killAt = system.now() + stopTimeout
  const asked = new Set<string>()
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
    const members = leads ? (await system.kin(leader, launch.id)) : await remainsOf(system, launch)
    if (members === undefined) throw cannotTell(launch)
    if (!leads && members.length === 0) return
    if (leads) await system.signalGroup(leader.pid, leader, signal)
    await send(system, leader.pid, leads ? members.filter(({ inGroup }) => !inGroup) : members, isNew, signal)
    // A stopped process would take notice only when somebody lets it go on.
    if (leads && signal !== 'SIGKILL') await system.signalGroup(leader.pid, leader, 'SIGCONT')
    asked.add(nameOf(leader))
    for (const member of members) asked.add(nameOf(member))
    await system.sleep(leads ? LEADER_PAUSE : REMAINS_PAUSE)
  }
}
