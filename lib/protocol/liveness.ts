/**
 * Whether a launch lives. A launch is its processes, not its leader: `npm start`, a daemon and `sh -c "server &"` leave a
 * server behind that serves on. A launch whose leader has gone while others of it live is headless. README.md tells the
 * whole rule.
 *
 * Dead is only what is shown to be dead, and ours is only what is shown to be ours (promise 4).
 */
import type { Context } from '../context.js'
import { endpointOf } from '../health/address.js'
import { recordOf, readyMark } from '../state/claim.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { isAnotherUsers, judge, type Kin, type ProcessId, type System } from '../system/system.js'

/** `headless`: the leader has died and other processes of the launch live. `unknown`: the kernel does not tell. */
export type LaunchVerdict = 'alive' | 'headless' | 'dead' | 'unknown'

export const judgeLaunch = async (system: System, launch: Pick<Launch, 'id' | 'leader'>): Promise<LaunchVerdict> => {
  const verdict = judge(launch.leader, await system.look(launch.leader.pid))
  if (verdict !== 'dead') return verdict
  const remains = await remainsOf(system, launch)
  if (remains === undefined) return 'unknown'
  return remains.length > 0 ? 'headless' : 'dead'
}

/** Looks at a process that exits: it gives back its environment some ms before it is gone, and shows no launch id in that time. */
const EXIT_LOOKS = 25
/** ms between two of them. */
const EXIT_PAUSE = 20

/** The processes of a launch whose leader has died. Undefined: the kernel does not tell whether they are the launch's. */
export const remainsOf = async (system: System, { id, leader }: Pick<Launch, 'id' | 'leader'>): Promise<Kin[] | undefined> => {
  for (let looks = 1; ; looks++) {
    const look = await system.look(leader.group)
    const kin = await system.kin(leader, id)
    // The kernel gives the number of a process group to no new process. A younger process with that number shows that the group has gone.
    const recycled = 'start' in look && BigInt(look.start) > BigInt(leader.start)
    const own = kin.filter(({ inGroup, carriesLaunchId }) => carriesLaunchId || (inGroup && !recycled))
    if (own.length === 0) return []
    if (own.some(({ carriesLaunchId }) => carriesLaunchId)) return own
    if (looks === EXIT_LOOKS) return undefined
    await system.sleep(EXIT_PAUSE)
  }
}

/** Looks for a listener before a headless launch counts as ended: a process manager that restarts its server leaves such a gap. */
const LISTEN_LOOKS = 10
/** ms between two of them. */
const LISTEN_PAUSE = 100

/**
 * The process by which a headless launch is known. Undefined: the launch was ready, and none of its processes listens
 * where it was ready, so it has ended. Busy is not dead: a process that listens serves, whether it answers or not.
 */
export const servingProcess = async (context: Context, launch: Launch): Promise<ProcessId | undefined> => {
  const { system } = context
  for (let looks = 1; ; looks++) {
    const kin = await remainsOf(system, launch)
    const [first] = kin ?? []
    // A launch that boots may come to serve until its deadline.
    if (kin === undefined || first === undefined || !launch.ready) return first
    const record = await recordOf(context, launch)
    // A damaged claim does not say where to look, so nothing shows that the launch has ended.
    if (record === undefined) return first
    const server = await listenerOf(context, launch, record, kin)
    if (server !== undefined || looks === LISTEN_LOOKS) return server
    await system.sleep(LISTEN_PAUSE)
  }
}

/**
 * The process of the launch that listens where it was ready. Where the kernel does not tell the owner of a socket,
 * that a connection is accepted is all that shows it.
 */
const listenerOf = async (
  context: Context, { id }: Launch, { health, healthTimeout }: LaunchRecord, kin: readonly Kin[],
): Promise<ProcessId | undefined> => {
  const { system } = context
  const [first] = kin
  const url = (await readyMark(context, id))?.url ?? health.urls[0]!
  const at = endpointOf(url)
  // A path does not tell the owner of a Unix socket.
  if (at === undefined) return (await system.probe({ urls: [url], headers: {} }, healthTimeout)).healthy ? first : undefined
  const listeners = await system.listenersAt(at.host, at.port)
  if (listeners.length === 0) return undefined
  const owner = await system.ownerOf(listeners, first?.pid)
  // Anybody may carry a launch id, so what is left of it under another user is a stranger to each client, and serves nobody.
  const isForeign = listeners.some(isAnotherUsers)
  return owner === undefined ? first : kin.find(({ pid, inGroup }) => pid === owner.pid && (inGroup || !isForeign))
}
