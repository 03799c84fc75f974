/**
 * Step 7, for the client that launched: wait until the server is ready, and see how it ends if it is
 * not. Promise 5 starts here: whatever ends the launch becomes one outcome, written before the claim
 * is deleted, so that everybody who waits fails at once and with the same text.
 *
 * A launcher that dies or freezes here leaves a server that boots on; those who follow look after it.
 */
import { basename } from 'node:path'
import { aborted, OneServerError, startTimeout } from '../errors.js'
import { redactUrl } from '../text/redact-url.js'
import type { LaunchRecord } from '../state/launch-record.js'
import type { Exit } from '../system/system.js'
import { claimPath, createFile, markPath } from '../state/directory.js'
import type { Context } from '../context.js'
import { endPastDeadline, markReady } from './ending-rule.js'
import type { OwnLaunch } from './launch.js'
import { endedBecause, LOG_LINES, outcomeOf } from '../state/outcome.js'
import { confirm, LAST_CHECK, probeLaunch } from './readiness.js'
import { rescue } from './clean-up.js'
import { tearDown, tearDownUnlocked, whyItExited } from './tear-down.js'

/** `again`: nothing came of it and nobody needs to be told; look again from the start. */
export type Supervised = { readonly kind: 'ready'; readonly url: string } | { readonly kind: 'failed'; readonly error: OneServerError } | { readonly kind: 'port-lost' } | { readonly kind: 'retry' }

/** Leaves the launch to those who follow it. */
export const detach = async (context: Context, { launch, keeper }: LaunchRecord): Promise<void> => {
  // Nobody is left to be told how it ends.
  if (keeper !== undefined) await context.system.signal(keeper, 'SIGKILL')
  await createFile(context, markPath(context.paths, launch, 'unattended'), '')
}

/** While this client was frozen, others have brought its launch to its end: what they told those who wait holds for it, too. */
const afterOthers = async (context: Context, { launch }: OwnLaunch): Promise<Supervised> => {
  const error = await outcomeOf(context, launch.id)
  return error === undefined ? { kind: 'retry' } : { kind: 'failed', error }
}

const afterExit = async (context: Context, own: OwnLaunch, exit: Exit, mayChooseAgain: boolean): Promise<Supervised> => {
  const { launch, record } = own
  const names = await context.system.list(context.paths.host)
  if (!names.includes(basename(claimPath(context.paths, launch.id, launch.leader)))) return afterOthers(context, own)
  // It was ready to somebody who followed it, so it has not failed to start.
  if (names.includes(`${launch.id}.ready`)) return { kind: 'retry' }
  const isEnded = names.includes(`${launch.id}.ended`)
  const error = isEnded ? await endedBecause(context, launch.id) : await whyItExited(context, record, exit)
  const again = !isEnded && mayChooseAgain && error?.code === 'PORT_IN_USE'
  const told = await tearDownUnlocked(context, launch, record, again ? undefined : error)
  if (again) return { kind: 'port-lost' }
  if (told === undefined) return { kind: 'retry' }
  context.report({ type: 'exited', code: told.code, pid: record.pid, launchId: launch.id })
  return { kind: 'failed', error: told }
}

const afterDeadline = async (context: Context, own: OwnLaunch, last: string): Promise<Supervised> => {
  const { launch, record } = own
  const { logFile, pid, port, startupTimeout: ms } = record
  const logTail = await context.system.tail(logFile, LOG_LINES)
  const error = startTimeout(ms, `waiting for the health check of ${redactUrl(record.health.urls[0]!)}: ${last}`, { pid, port, logFile, logTail })
  if (!(await endPastDeadline(context, launch, record, error))) return { kind: 'retry' }
  const told = await tearDownUnlocked(context, launch, record, error)
  if (told === undefined) return { kind: 'retry' }
  context.report({ type: 'exited', code: told.code, pid, launchId: launch.id })
  return { kind: 'failed', error: told }
}

const ready = async (context: Context, { record }: OwnLaunch, url: string): Promise<Supervised> => {
  const agreed = await markReady(context, record, url)
  return agreed === undefined ? { kind: 'retry' } : { kind: 'ready', url: agreed }
}

/** Nothing can be written or read any more, so nobody could be told that it is ready: then it is ended, unless somebody was told already. */
const giveUp = async (context: Context, { launch, record }: OwnLaunch): Promise<void> => {
  const { system, paths } = context
  const names = await system.list(paths.host).catch((): string[] => [])
  if (!names.includes(`${launch.id}.ready`)) await tearDown(context, launch, record).catch(() => {})
}

const untilDecided = async (context: Context, own: OwnLaunch, signal: AbortSignal | undefined, mayChooseAgain: boolean): Promise<Supervised> => {
  const { system } = context
  const { launch, record, child } = own
  let exit: Exit | undefined
  const exited = child.exited.then((how) => { exit = how })
  const over = new AbortController()
  const deadline = system.sleep(record.deadline - system.now(), { wake: exited, signal: over.signal })
  const abort = new Promise<void>((resolve) => { signal?.addEventListener('abort', () => resolve(), { once: true, signal: over.signal }) })
  const ended = Promise.race([exited, deadline, abort])
  try {
    for (;;) {
      if (signal?.aborted) {
        await detach(context, record)
        throw aborted(signal.reason)
      }
      if (exit !== undefined) return await afterExit(context, own, exit, mayChooseAgain)
      if (system.now() >= record.deadline) {
        const answer = await probeLaunch(context, launch, record, LAST_CHECK)
        if (!answer.healthy) return await afterDeadline(context, own, answer.reason)
        return await ready(context, own, answer.url)
      }
      const answer = await system.waitUntilReady(record.health, record.healthCheckInterval, record.healthTimeout, ended)
      if (answer === undefined) continue
      const confirmed = await confirm(context, launch, answer)
      if (confirmed.healthy) return await ready(context, own, answer.url)
      await system.sleep(record.healthCheckInterval, { wake: ended })
    }
  } catch (error) {
    if (!signal?.aborted) await giveUp(context, own)
    throw error
  } finally {
    over.abort()
  }
}

/** Waits for the outcome of an own launch. `mayChooseAgain`: the port was ours to choose, so losing it is no failure yet. */
export const supervise = async (context: Context, own: OwnLaunch, signal: AbortSignal | undefined, mayChooseAgain: boolean): Promise<Supervised> => {
  const attended = await untilDecided(context, own, signal, mayChooseAgain)
  if (attended.kind === 'retry') await rescue(context, own.launch, own.record)
  return attended
}
