/**
 * Step 7, for every other client: wait for a launch that another client makes. A crowd that polled the health URL would
 * slow the server down, so a follower watches the folder, looks at the leader and the launcher a few times a second, and
 * confirms with one health check of its own. It polls only when no launcher looks after the launch.
 *
 * After each wait a follower looks at everything again: the server may have died, its launcher may have been killed or
 * stopped, a client may have ended the launch.
 */
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import type { OneServerError } from '../errors.js'
import { parseListing, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { outcomeOf } from '../state/outcome.js'
import { rescue } from './clean-up.js'
import { endPastDeadline, markReady } from './ending-rule.js'
import { confirm, LAST_CHECK, probeLaunch } from './readiness.js'
import { awaitReady, type Followed } from './check-again.js'
import { notReady } from './not-ready.js'
import { judgeLaunch } from './liveness.js'
import { isSupervised, LAUNCHER_SILENCE } from './survey.js'
import { reasonFor, tearDownUnlocked } from './tear-down.js'

/** ms between two looks while the folder is watched, and while it cannot be watched (inotify is exhausted). */
const WATCHED = 200
const UNWATCHED = 25

/** ms that the launcher has for ending a launch past its deadline, before a follower ends it. */
const GRACE = 1000

/** Health checks in a row that must fail before a follower ends a launch past its deadline. */
const FAILURES = 3

const GONE: Followed = { kind: 'gone' }

/** Waits until the launch is ready or has failed. */
export const follow = async (context: Context, first: Launch, record: LaunchRecord, deadline: Deadline): Promise<Followed> => {
  if (first.ready) return awaitReady(context, first, record, deadline)
  const { system, paths, report } = context
  const { id, leader } = first
  // A record may claim any deadline. No launch has longer than its own startupTimeout from now.
  const until = Math.min(record.deadline, system.now() + record.startupTimeout)
  const changes = changesOf(id, context)
  report({ type: 'waiting', for: 'launch', pid: leader.pid })
  system.prepareProbe(record.health)
  let deadSince: number | undefined
  let failures = 0
  let nextProbe = 0
  let last = 'it is still starting'
  try {
    for (;;) {
      deadline.check()
      // Begin to wait before the look, so that no change falls between the look and the wait.
      const changed = changes.next()
      const error = await outcomeOf(context, id)
      if (error !== undefined) return { kind: 'failed', error }
      const launch = parseListing(paths, await system.list(paths.host)).launches.find((one) => one.id === id)
      if (launch === undefined) {
        // An outcome is written before the claim goes, so a second look finds it if there is one.
        const late = await outcomeOf(context, id)
        if (late !== undefined) return { kind: 'failed', error: late }
        await rescue(context, first, record)
        return GONE
      }
      if (launch.ready && !launch.ended) return await awaitReady(context, launch, record, deadline)
      const isAlive = ['alive', 'headless'].includes(await judgeLaunch(system, launch))
      const supervised = await isSupervised(context, launch, record)
      const now = system.now()
      if (!isAlive || launch.ended) {
        deadSince ??= now
        // The launcher alone knows the exit code, so it has the first word.
        const isSilent = !supervised || now - deadSince > LAUNCHER_SILENCE
        if (isSilent) return await tearDownOther(context, launch, record, await reasonFor(context, launch))
      } else if (now >= nextProbe && (!supervised || now > until + GRACE)) {
        const answer = await probeLaunch(context, launch, record, now > until ? LAST_CHECK : record.healthTimeout)
        if (answer.healthy) {
          const at = await markReady(context, record, answer.url)
          if (at === undefined) continue
          const confirmed = await confirm(context, launch, at.url === answer.url ? answer : { healthy: true, url: at.url })
          return confirmed.healthy ? { kind: 'ready', at } : GONE
        }
        last = answer.reason
        failures = now > until ? failures + 1 : 0
        nextProbe = now + record.healthCheckInterval * (0.5 + system.random())
        if (failures >= FAILURES) {
          const because = await notReady(context, launch, record, record.startupTimeout, last)
          if (await endPastDeadline(context, launch, record, because)) return await tearDownOther(context, launch, record, because)
          failures = 0
        }
      }
      if (now >= patience(context, record, until, deadline)) {
        return { kind: 'failed', error: await notReady(context, launch, record, deadline.total, last) }
      }
      await system.sleep(changes.pause, { wake: changed, signal: deadline.signal })
    }
  } finally {
    changes.close()
  }
}

const tearDownOther = async (
  context: Context, launch: Launch, record: LaunchRecord, because: OneServerError | undefined,
): Promise<Followed> => {
  const error = await tearDownUnlocked(context, launch, record, because)
  return error === undefined ? GONE : { kind: 'failed', error }
}

/** Wakes the follower when something of its launch changes. In a crowd most changes of the folder concern others. */
const changesOf = (id: string, { system, paths }: Context) => {
  let wake = (): void => {}
  const close = system.watch(paths.host, (name) => { if (name === undefined || name.startsWith(id)) wake() })
  return {
    pause: close === undefined ? UNWATCHED : WATCHED,
    next: () => new Promise<void>((resolve) => { wake = resolve }),
    close: () => close?.(),
  }
}

/** Until when this caller waits, in monotonic ms: as long as the launch may take, if its own timeout grants as much. */
const patience = ({ settings }: Context, record: LaunchRecord, until: number, deadline: Deadline): number =>
  settings.startupTimeout < record.startupTimeout ? deadline.at : Math.max(deadline.at, until + record.stopTimeout + GRACE)
