/**
 * Following a launch that another client makes. A follower does not poll the health URL, or a crowd would: it watches the folder, looks at the leader and the launcher a few
 * times a second, and confirms with one health check of its own. Only when nobody attends the launch
 * any more does it ask for itself.
 *
 * After each wait everything is looked at again, because anything may have happened in it: the server
 * has died, its launcher was killed or stopped, somebody ended the launch.
 */
import type { Deadline } from '../deadline.js'
import { startTimeout, type OneServerError } from '../errors.js'
import { redactUrl } from '../text/redact-url.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { judge } from '../system/system.js'
import { isSupervised, LAUNCHER_SILENCE } from './survey.js'
import { parseListing, type Launch } from '../state/directory.js'
import type { Context } from '../context.js'
import { endPastDeadline, markReady } from './ending-rule.js'
import { LOG_LINES, outcomeOf } from '../state/outcome.js'
import { confirm, LAST_CHECK, probeLaunch } from './readiness.js'
import { rescue } from './clean-up.js'
import { tearDownUnlocked, reasonFor } from './tear-down.js'
import { awaitReady, type Followed } from './reuse.js'

/** ms between two looks while the folder is watched, and while it cannot be (inotify is exhausted). */
const WATCHED = 200
const UNWATCHED = 25

/** ms that the launcher has for ending a launch past its deadline, before a follower does. */
const GRACE = 1000

/** Health checks in a row that must fail before a launch past its deadline is ended. */
const FAILURES = 3

/** Wakes the follower whenever something changes of its launch: in a crowd much happens in the folder that is not about it. */
const changesOf = (id: string, { system, paths }: Context) => {
  let wake = (): void => {}
  const close = system.watch(paths.host, (name) => { if (name === undefined || name.startsWith(id)) wake() })
  return {
    pause: close === undefined ? UNWATCHED : WATCHED,
    next: () => new Promise<void>((resolve) => { wake = resolve }),
    close: () => close?.(),
  }
}

/** How long this caller waits for a launch: as long as the launch may take, if it grants as much itself. */
const patience = ({ settings }: Context, record: LaunchRecord, until: number, deadline: Deadline): number =>
  settings.startupTimeout < record.startupTimeout ? deadline.at : Math.max(deadline.at, until + record.stopTimeout + GRACE)

export const follow = async (context: Context, first: Launch, record: LaunchRecord, deadline: Deadline): Promise<Followed> => {
  if (first.ready) return awaitReady(context, first, record, deadline)
  const { system, paths, report } = context
  const { id, leader } = first
  // However far in the future a record says that it is: no launch has longer than it was given.
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
      // Before the looking, so that no change falls between the look and the wait.
      const changed = changes.next()
      const error = await outcomeOf(context, id)
      if (error !== undefined) return { kind: 'failed', error }
      const launch = parseListing(paths, await system.list(paths.host)).launches.find((one) => one.id === id)
      if (launch === undefined) {
        // The outcome is written before the claim goes, so it must be there by now if there is one.
        const late = await outcomeOf(context, id)
        if (late !== undefined) return { kind: 'failed', error: late }
        await rescue(context, first, record)
        return { kind: 'gone' }
      }
      if (launch.ready && !launch.ended) return await awaitReady(context, launch, record, deadline)
      const isAlive = judge(leader, await system.look(leader.pid)) === 'alive'
      const attended = await isSupervised(context, launch, record)
      const now = system.now()
      if (!isAlive || launch.ended) {
        deadSince ??= now
        if (!attended || now - deadSince > LAUNCHER_SILENCE) {
          const told = await tearDownUnlocked(context, launch, record, await reasonFor(context, launch))
          return told === undefined ? { kind: 'gone' } : { kind: 'failed', error: told }
        }
      } else if (now >= nextProbe && (!attended || now > until + GRACE)) {
        const answer = await probeLaunch(context, launch, record, now > until ? LAST_CHECK : record.healthTimeout)
        if (answer.healthy) {
          const url = await markReady(context, record, answer.url)
          if (url === undefined) continue
          const confirmed = await confirm(context, launch, url === answer.url ? answer : { healthy: true, url })
          return confirmed.healthy ? { kind: 'ready', url } : { kind: 'gone' }
        }
        last = answer.reason
        failures = now > until ? failures + 1 : 0
        nextProbe = now + record.healthCheckInterval * (0.5 + system.random())
        if (failures >= FAILURES) {
          const because = await timedOut(context, record, record.startupTimeout, last)
          if (await endPastDeadline(context, launch, record, because)) {
            const told = await tearDownUnlocked(context, launch, record, because)
            return told === undefined ? { kind: 'gone' } : { kind: 'failed', error: told }
          }
          failures = 0
        }
      }
      if (now >= patience(context, record, until, deadline)) return { kind: 'failed', error: await timedOut(context, record, deadline.total, last) }
      await system.sleep(changes.pause, { wake: changed, signal: deadline.signal })
    }
  } finally {
    changes.close()
  }
}

const timedOut = async ({ system }: Context, { pid, port, logFile, health }: LaunchRecord, ms: number, last: string): Promise<OneServerError> =>
  startTimeout(ms, `waiting for the health check of ${redactUrl(health.urls[0]!)}: ${last}`, { pid, port, logFile, logTail: await system.tail(logFile, LOG_LINES) })
