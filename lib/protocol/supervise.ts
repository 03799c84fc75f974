/**
 * Step 7, for the launcher: wait until the server is ready, and see why it ends if it does not become ready. Promise 5
 * starts here: each end of the launch becomes one outcome, written before the claim is deleted, so that all clients that
 * wait fail at once and with the same text.
 *
 * A launcher that dies or freezes here leaves a server that boots on, and its followers look after the launch.
 */
import { basename } from 'node:path'
import type { Context } from '../context.js'
import { aborted, type OneServerError } from '../errors.js'
import type { ReadyMark } from '../state/claim.js'
import { claimPath, createFile, markPath } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { endedBecause, outcomeOf } from '../state/outcome.js'
import type { Exit } from '../system/system.js'
import { rescue } from './clean-up.js'
import { endPastDeadline, markReady } from './ending-rule.js'
import type { OwnLaunch } from './launch.js'
import { judgeLaunch } from './liveness.js'
import { notReady } from './not-ready.js'
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
  context: Context, own: OwnLaunch, signal: AbortSignal | undefined, mayChooseAgain: boolean,
): Promise<Supervised> => {
  const supervised = await untilDecided(context, own, signal, mayChooseAgain)
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
  context: Context, own: OwnLaunch, signal: AbortSignal | undefined, mayChooseAgain: boolean,
): Promise<Supervised> => {
  const { system } = context
  const { launch, record, child } = own
  let exit: Exit | undefined
  const exited = child.exited.then((how) => { exit = how })
  const decided = new AbortController()
  const deadline = system.sleep(record.deadline - system.now(), { signal: decided.signal })
  const abort = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true, signal: decided.signal })
  })
  const ended = Promise.race([exited, deadline, abort])
  const endedHeadless = Promise.race([deadline, abort])
  try {
    for (;;) {
      if (signal?.aborted) {
        await detach(context, record)
        throw aborted(signal.reason)
      }
      const isHeadless = exit?.exitCode === 0 && (await servesOn(context, own))
      if (exit !== undefined && !isHeadless) return await afterExit(context, own, exit, mayChooseAgain)
      if (system.now() >= record.deadline) {
        const answer = await probeLaunch(context, launch, record, LAST_CHECK)
        return answer.healthy ? await afterAnswer(context, own, answer.url) : await afterDeadline(context, own, answer.reason)
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

const afterExit = async (context: Context, own: OwnLaunch, exit: Exit, mayChooseAgain: boolean): Promise<Supervised> => {
  const { launch, record } = own
  const names = await context.system.list(context.paths.host)
  if (!names.includes(basename(claimPath(context.paths, launch.id, launch.leader)))) return afterOthers(context, own)
  // A follower found it ready, so it has not failed to start.
  if (names.includes(`${launch.id}.ready`)) return RETRY
  const isEnded = names.includes(`${launch.id}.ended`)
  const error = isEnded ? await endedBecause(context, launch.id) : await whyItExited(context, record, exit)
  const isPortLost = !isEnded && mayChooseAgain && error?.code === 'PORT_IN_USE'
  const shared = await tearDownUnlocked(context, launch, record, isPortLost ? undefined : error)
  return isPortLost ? { kind: 'port-lost' } : failed(context, own, shared)
}

/** Other clients tore the launch down while this client was frozen: it shares the outcome that they wrote. */
const afterOthers = async (context: Context, { launch }: OwnLaunch): Promise<Supervised> => {
  const error = await outcomeOf(context, launch.id)
  return error === undefined ? RETRY : { kind: 'failed', error }
}

const afterDeadline = async (context: Context, own: OwnLaunch, last: string): Promise<Supervised> => {
  const { launch, record } = own
  const error = await notReady(context, launch, record, record.startupTimeout, last)
  if (!(await endPastDeadline(context, launch, record, error))) return RETRY
  return failed(context, own, await tearDownUnlocked(context, launch, record, error))
}

const failed = ({ report }: Context, { launch, record }: OwnLaunch, error: OneServerError | undefined): Supervised => {
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
