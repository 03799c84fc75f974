/**
 * Whether a launch lives. A claim lives while its leader or any other process of the launch does: a
 * leader like `npm start` can die while the server that it started serves on, and to call that launch
 * dead would be to start a second server. Promise 4 decides the rest: what cannot be shown to be dead
 * is not dead, and what cannot be shown to be ours is not ended.
 */
import { judge, type Kin, type System } from '../system/system.js'
import type { Launch } from './claims.js'

/** `headless`: the leader is gone and others of the launch live. `unknown`: that cannot be told. */
export type LaunchVerdict = 'alive' | 'headless' | 'dead' | 'unknown'

/** A process that exits gives back its memory, and its environment with it, some ms before it is gone. */
const LOOKS = 25
const PAUSE = 20

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
    await system.sleep(PAUSE)
  }
}

export const judgeLaunch = async (system: System, launch: Pick<Launch, 'id' | 'leader'>): Promise<LaunchVerdict> => {
  const verdict = judge(launch.leader, await system.look(launch.leader.pid))
  if (verdict !== 'dead') return verdict
  const remains = await remainsOf(system, launch)
  if (remains === undefined) return 'unknown'
  return remains.length > 0 ? 'headless' : 'dead'
}
