/** The machine of a steward as it is: what the seam `Local` promises, on the local protocol and on Node. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Context } from '../context.js'
import type { OneServerError } from '../errors.js'
import { makePlan } from '../health/make-plan.js'
import { judgeLaunch } from '../protocol/liveness.js'
import { liveLeases } from '../protocol/ending-rule.js'
import { recordOf } from '../state/claim.js'
import { endingPath, leasePath, listClaims, markPath, type Launch } from '../state/directory.js'
import { FORMAT } from '../state/launch-record.js'
import { createNamed, endedBecause, writeOutcome } from '../state/outcome.js'
import type { Kin } from '../system/system.js'
import type { Claim } from './claim.js'
import { FUSE_MARK, fuseClock, lightFuse } from './fuse.js'
import type { Knowledge } from './known.js'
import type { At, Intention, Local } from './local.js'
import { startServer } from './server.js'
import type { Errand } from './settings.js'

/** Whether a process of this group is the fuse, one of its timers, or the `sleep` of one. They carry no launch id. */
const isFuse = ({ pid, carriesLaunchId }: Kin): boolean => {
  if (carriesLaunchId) return false
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(FUSE_MARK)
  } catch {
    // It has ended, or this system shows no environment: then nothing else in the group lacks the launch id.
    return true
  }
}

export interface Host extends Local {
  /** What the endpoint of this steward answers. */
  readonly at: At | undefined
  /** Why this process was asked to end, or that it was not. */
  ask(): void
  /** Notes an answer of the server to a client of this host. */
  answers(well: boolean): void
  /**
   * Ends the fuse and its timers. One that was frozen would stay in the group after this process, and a launch is dead only when nothing
   * of its group lives.
   */
  extinguish(): Promise<void>
}

/** @param address The address of this host by which it reaches the engine. */
export const thisHost = async (
  context: Context, launch: Launch, errand: Errand, address: () => string | undefined, known: Pick<Knowledge, 'checked' | 'awaits'>,
): Promise<Host> => {
  const { system, paths } = context
  const record = (await recordOf(context, launch))!
  const self = await system.self()
  const fuse = lightFuse(launch.id)
  let ask!: () => void
  const asked = new Promise<void>((resolve) => { ask = resolve })
  let at: At | undefined
  let isAnswering: boolean | undefined
  // The keeper waits for this process, and ends with it: who took it for the server's would never see a server end that boots.
  const isOurs = (one: Kin): boolean => one.pid === self.pid || one.pid === record.keeper?.pid || isFuse(one)
  const check = async (url: string): Promise<string | undefined> => {
    const answer = await system.probe(planFor(context, url), context.settings.healthTimeout)
    const why = answer.healthy ? undefined : answer.reason
    known.checked(why)
    return why
  }
  return {
    host: hostname(), where: paths.hostName, self: launch.leader, launch: launch.id, asked, ask,
    get at() { return at },
    instant: () => ({ monotonic: system.now(), wall: Date.now() }),
    today: () => system.today(),
    sleep: (ms, wake) => system.sleep(ms, wake === undefined ? {} : { wake }),
    isDead: async ({ where, launch: id, steward }: Claim) =>
      where === paths.hostName && (await judgeLaunch(system, { id, leader: steward })) === 'dead',
    whyAsked: () => endedBecause(context, launch.id),
    arm: (sent, burnsAfter) => {
      const age = Math.max(system.now() - sent.monotonic, Date.now() - sent.wall)
      return fuse.arm(fuseClock() + Math.floor((burnsAfter - age) / 10))
    },
    unguarded: fuse.gone,
    start: (epoch) => startServer({ context, launch, record, errand, isOurs, address, awaits: (why) => known.awaits(why) }, epoch),
    tell: (place) => { at = place },
    fail: async (error: OneServerError) => {
      await writeOutcome(context, launch.id, error, system.now(), record.startupTimeout)
    },
    check,
    answers: (well) => { isAnswering = well },
    extinguish: async () => {
      const kin = await system.kin(launch.leader, launch.id)
      await Promise.all(kin.filter((one) => one.pid !== self.pid && isFuse(one)).map((one) => system.signal(one, 'SIGKILL')))
    },
    isAnswering: async () => isAnswering,
    hold: async () => {
      const path = leasePath(paths, { id: await system.randomId(), launchId: launch.id, process: self, kind: 'lease' })
      const body = { format: FORMAT, since: system.today().toISOString(), command: 'one-server, for other hosts' }
      await createNamed(context, path, JSON.stringify(body))
    },
    isUsed: async () => {
      const listing = await listClaims(context)
      if (listing.launches.some(({ id, pinned }) => id === launch.id && pinned)) return true
      const others = (await liveLeases(context, listing, launch.id)).filter(({ process }) => process.pid !== self.pid)
      return others.length > 0 || (await system.watchdogs(launch.id)).length > 0
    },
    intend: async (): Promise<Intention> => {
      const path = endingPath(paths, launch.id, await system.randomId(), 'idle')
      await createNamed(context, path, '')
      return {
        carryOut: () => system.rename(path, markPath(paths, launch.id, 'ended')),
        takeBack: async () => { await system.remove(path) },
      }
    },
    note: (line) => { process.stdout.write(`one-server: ${line}\n`) },
  }
}

/** How a server at this URL is asked: by this host's own options, at another place. What only its own host sees is not asked. */
const planFor = ({ settings }: Context, url: string) => {
  const { ready } = settings
  const made = makePlan(settings, 1)
  const { host, port, protocol } = new URL(url)
  const asked = made.urls[0]!
  // A certificate is seldom one for this address, and a line of a log, a command and a socket are the owner's.
  const isHttp = protocol === 'http:' && ready === undefined && asked.startsWith('http:')
  if (!isHttp) return { urls: [`tcp://${host}`], headers: {} }
  const { log: _, command: __, ...plan } = made
  const there = new URL(asked)
  there.host = host
  there.port = port
  return { ...plan, urls: [there.href] }
}
