/**
 * Step 7, for every other client: wait for a launch that another client makes. A crowd that polled the health URL would
 * slow the server down, so a follower watches the folder, looks at the leader and the launcher a few times a second, and
 * confirms with one health check of its own. It polls only when no launcher looks after the launch.
 *
 * A follower that waits for longer than the launcher says so (`patience.ts`), and looks after the launch when the launcher's time is over.
 * After each wait a follower looks at everything again: the server may have died, its launcher may have been killed or
 * stopped, a client may have ended the launch.
 */
import type { Context } from '../context.js'
import { MARGIN, type Deadline } from '../deadline.js'
import type { OneServerError } from '../errors.js'
import { parseListing, type Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { outcomeOf, sharedBy } from '../state/outcome.js'
import { confirm, LAST_CHECK, probeLaunch } from './readiness.js'
import { awaitReady, type Followed } from './check-again.js'
import { judgeLaunch } from './liveness.js'
import { isAwaited, Patience } from './patience.js'
import { awaitLauncher, isSupervised } from './launcher.js'

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
  // A client with as much time as the launcher gives the launch as much, also where it began to wait before the claim.
  const own = (): number => (deadline.total < record.startupTimeout ? deadline.at : Math.max(deadline.at, until))
  const patience = new Patience(context, id, until)
  const changes = changesOf(id, context)
  report({ type: 'waiting', for: 'launch', pid: leader.pid })
  system.prepareProbe(record.health)
  let hasWaited = false
  let failures = 0
  let nextProbe = 0
  try {
    for (;;) {
      deadline.check()
      // Begin to wait before the look, so that no change falls between the look and the wait.
      const changed = changes.next()
      // Clients that come again and again must not keep a launch that hangs alive, so its time ends one startupTimeout after the claim's.
      await patience.extend(Math.min(own(), until + deadline.total))
      const listing = parseListing(paths, await system.list(paths.host))
      const failed = listing.outcomes.includes(id) ? await outcomeOf(context, id) : undefined
      if (failed !== undefined) return failedWith(sharedBy(deadline, failed))
      const launch = listing.launches.find((one) => one.id === id)
      if (launch === undefined) {
        // An outcome is written before the claim goes, so a second look finds it if there is one.
        const late = await outcomeOf(context, id)
        if (late !== undefined) return failedWith(sharedBy(deadline, late))
        await (await import('./clean-up.js')).rescue(context, first, record)
        return GONE
      }
      if (launch.ready && !launch.ended) return await awaitReady(context, launch, record, deadline)
      const isAlive = ['alive', 'headless'].includes(await judgeLaunch(system, launch))
      const supervised = await isSupervised(context, launch, record)
      if (!isAlive || launch.ended) {
        // The launcher alone knows the exit code, so it has the first word.
        if (supervised && !hasWaited) {
          hasWaited = true
          await awaitLauncher(context, launch, record)
          continue
        }
        const { reasonFor } = await import('./tear-down.js')
        return await tearDownOther(context, launch, record, deadline, await reasonFor(context, launch))
      }
      const now = system.now()
      const isOver = now >= own()
      const isWanted = (now > until || isOver) && (await isAwaited(context, listing, id))
      const isLast = isOver && (now < until || isWanted || now >= own() + record.stopTimeout + GRACE)
      if (isLast || (now >= nextProbe && (!supervised || now > until + GRACE))) {
        const isPast = now > until && !isWanted
        const answer = await probeLaunch(context, launch, record, isPast || isLast ? LAST_CHECK : record.healthTimeout)
        if (answer.healthy) {
          const at = await (await import('./ending-rule.js')).markReady(context, record, answer.url)
          if (at === undefined) continue
          const confirmed = await confirm(context, launch, at.url === answer.url ? answer : { healthy: true, url: at.url })
          return confirmed.healthy ? { kind: 'ready', at } : GONE
        }
        const { notReady } = await import('./not-ready.js')
        if (isLast) return failedWith(await notReady(context, launch, record, deadline.total, answer.reason))
        failures = isPast ? failures + 1 : 0
        nextProbe = now + record.healthCheckInterval * (0.5 + system.random())
        if (failures >= FAILURES) {
          // A client that came late has time for a launch of its own: no call has failed then.
          const hasTime = deadline.at > now + MARGIN
          const because = hasTime ? undefined : await notReady(context, launch, record, deadline.total, answer.reason)
          const { endPastDeadline } = await import('./ending-rule.js')
          if ((await endPastDeadline(context, launch, record, because)) === 'ended') {
            return await tearDownOther(context, launch, record, deadline, because)
          }
          failures = 0
        }
      }
      await system.sleep(changes.pause, { wake: changed, signal: deadline.signal })
    }
  } finally {
    changes.close()
    await patience.end()
  }
}

const tearDownOther = async (
  context: Context, launch: Launch, record: LaunchRecord, deadline: Deadline, because: OneServerError | undefined,
): Promise<Followed> => {
  const error = await (await import('./tear-down.js')).tearDownUnlocked(context, launch, record, because)
  return failedWith(error && sharedBy(deadline, { error, at: context.system.now() }))
}

/** Undefined: no failure of this call, which looks again. */
const failedWith = (error: OneServerError | undefined): Followed => (error === undefined ? GONE : { kind: 'failed', error })

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
