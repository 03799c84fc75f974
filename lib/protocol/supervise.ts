/**
 * Step 7, for the launcher: wait until the server is ready, and see why it ends if it does not become ready. Promise 5
 * starts here: each end of the launch becomes one outcome, written before the claim is deleted, so that all clients that
 * wait fail at once and with the same text.
 *
 * The launcher's time may be over while a more patient client waits: then only its own call fails, and it detaches.
 * A launcher that dies or freezes here leaves a server that boots on, and its followers look after the launch.
 */
import { basename } from 'node:path'
import type { Context } from '../context.js'
import type { Deadline } from '../deadline.js'
import { aborted, type OneServerError } from '../errors.js'
import type { ReadyMark } from '../state/claim.js'
import { claimPath, createFile, markPath } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { endedBecause, outcomeOf, sharedBy } from '../state/outcome.js'
import type { Exit } from '../system/system.js'
import { rescue } from './clean-up.js'
import { endPastDeadline, markReady } from './ending-rule.js'
import type { OwnLaunch } from './launch.js'
import { judgeLaunch } from './liveness.js'
import { notReady } from './not-ready.js'
import { Patience } from './patience.js'
import { confirm, LAST_CHECK, probeLaunch } from './readiness.js'
import { tearDown, tearDownUnlocked, whyItExited } from './tear-down.js'

export type Supervised =
  | { readonly kind: 'ready'; readonly at: ReadyMark }
  | { readonly kind: 'failed'; readonly error: OneServerError }
  | { readonly kind: 'port-lost' }
  /** The launch came to nothing, and no client needs to hear of it: look again from the start. */
  | { readonly kind: 'retry' }

const RETRY: Supervised = { kind: 'retry' }

/** Waits for the end of the boot of an own launch. `mayChooseAgain`: one-server chose the port, so to lose it is no failure yet. */
export const supervise = async (
  context: Context, own: OwnLaunch, deadline: Deadline, mayChooseAgain: boolean,
): Promise<Supervised> => {
  const supervised = await untilDecided(context, own, deadline, mayChooseAgain)
  if (supervised.kind === 'retry') await rescue(context, own.launch, own.record)
  return supervised
}

/** Leaves the launch to its followers. */
export const detach = async (context: Context, { launch, keeper }: LaunchRecord): Promise<void> => {
  // Without a launcher nobody reads the exit code from the keeper.
  if (keeper !== undefined) await context.system.signal(keeper, 'SIGKILL')
  await createFile(context, markPath(context.paths, launch, 'unattended'), '')
}

const untilDecided = async (
  context: Context, own: OwnLaunch, deadline: Deadline, mayChooseAgain: boolean,
): Promise<Supervised> => {
  const { system } = context
  const { launch, record, child } = own
  const { signal } = deadline
  // Another call of this process may have joined that waits for longer than the claim says.
  const patience = new Patience(context, launch.id, record.deadline)
  const over = (): number => Math.max(record.deadline, deadline.at)
  let exit: Exit | undefined
  const decided = new AbortController()
  const exited = child.exited(decided.signal).then((how) => { exit = how })
  const untilOver = async (): Promise<void> => {
    while (!decided.signal.aborted && system.now() < over()) {
      const { longer } = deadline
      // A state that cannot be written fails the next step of the launch.
      await patience.extend(over()).catch(() => {})
      await system.sleep(over() - system.now(), { wake: longer, signal: decided.signal })
    }
  }
  const late = untilOver()
  const abort = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true, signal: decided.signal })
  })
  const ended = Promise.race([exited, late, abort])
  const endedHeadless = Promise.race([late, abort])
  try {
    for (;;) {
      if (signal?.aborted) {
        await detach(context, record)
        throw aborted(signal.reason)
      }
      const isHeadless = exit?.exitCode === 0 && (await servesOn(context, own))
      if (exit !== undefined && !isHeadless) return await afterExit(context, own, deadline, exit, mayChooseAgain)
      if (system.now() >= over()) {
        const before = exit
        const answer = await probeLaunch(context, launch, record, LAST_CHECK)
        // A client that had no processor reads the exit only now, and it says more than that the time is over.
        if (exit !== before) continue
        return answer.healthy ? await afterAnswer(context, own, answer.url) : await afterDeadline(context, own, deadline, answer.reason)
      }
      if (isHeadless) {
        const answer = await probeLaunch(context, launch, record)
        if (answer.healthy) return await afterAnswer(context, own, answer.url)
        await system.sleep(record.healthCheckInterval, { wake: endedHeadless })
        continue
      }
      const answer = await system.waitUntilReady(record.health, record.healthCheckInterval, record.healthTimeout, ended, launch)
      if (answer === undefined) continue
      const confirmed = await confirm(context, launch, answer)
      if (confirmed.healthy) return await afterAnswer(context, own, answer.url)
      await system.sleep(record.healthCheckInterval, { wake: ended })
    }
  } catch (error) {
    if (!signal?.aborted) await giveUp(context, own)
    throw error
  } finally {
    decided.abort()
    await patience.end()
  }
}

/**
 * Whether a leader that left with 0 left others behind that no client ends: a daemon, or `sh -c "server &"`. They
 * boot on until the deadline.
 */
const servesOn = async ({ system, paths }: Context, { launch }: OwnLaunch): Promise<boolean> =>
  (await judgeLaunch(system, launch)) === 'headless' && !(await system.list(paths.host)).includes(`${launch.id}.ended`)

const afterAnswer = async (context: Context, { record }: OwnLaunch, url: string): Promise<Supervised> => {
  const at = await markReady(context, record, url)
  return at === undefined ? RETRY : { kind: 'ready', at }
}

const afterExit = async (
  context: Context, own: OwnLaunch, deadline: Deadline, exit: Exit, mayChooseAgain: boolean,
): Promise<Supervised> => {
  const { launch, record } = own
  const names = await context.system.list(context.paths.host)
  if (!names.includes(basename(claimPath(context.paths, launch.id, launch.leader)))) return afterOthers(context, own, deadline)
  // A follower found it ready, so it has not failed to start.
  if (names.includes(`${launch.id}.ready`)) return RETRY
  const isEnded = names.includes(`${launch.id}.ended`)
  const error = isEnded ? await endedBecause(context, launch.id) : await whyItExited(context, record, exit)
  const isPortLost = !isEnded && mayChooseAgain && error?.code === 'PORT_IN_USE'
  const shared = await tearDownUnlocked(context, launch, record, isPortLost ? undefined : error)
  return isPortLost ? { kind: 'port-lost' } : failed(context, own, deadline, shared)
}

/** Other clients tore the launch down while this client was frozen: it shares the outcome that they wrote. */
const afterOthers = async (context: Context, { launch }: OwnLaunch, deadline: Deadline): Promise<Supervised> => {
  const shared = await outcomeOf(context, launch.id)
  const error = shared && sharedBy(deadline, shared)
  return error === undefined ? RETRY : { kind: 'failed', error }
}

const afterDeadline = async (context: Context, own: OwnLaunch, deadline: Deadline, last: string): Promise<Supervised> => {
  const { launch, record } = own
  const error = await notReady(context, launch, record, deadline.total, last)
  switch (await endPastDeadline(context, launch, record, error)) {
    case 'ended':
      return failed(context, own, deadline, await tearDownUnlocked(context, launch, record, error))
    case 'awaited':
      await detach(context, record)
      return { kind: 'failed', error }
    default:
      return RETRY
  }
}

/** `shared`: what the clients that waited get; another client may have written it first. */
const failed = (
  { report, system }: Context, { launch, record }: OwnLaunch, deadline: Deadline, shared: OneServerError | undefined,
): Supervised => {
  const error = shared && sharedBy(deadline, { error: shared, at: system.now() })
  if (error === undefined) return RETRY
  report({ type: 'exited', code: error.code, pid: record.pid, launchId: launch.id })
  return { kind: 'failed', error }
}

/**
 * The state can be neither written nor read, so no other client could learn that the server is ready: end it, unless
 * it was marked ready before.
 */
const giveUp = async (context: Context, { launch, record }: OwnLaunch): Promise<void> => {
  const { system, paths } = context
  const names = await system.list(paths.host).catch((): string[] => [])
  if (!names.includes(`${launch.id}.ready`)) await tearDown(context, launch, record).catch(() => {})
}
