/**
 * How long it takes until a server is there again after a launcher was killed while it held the lock,
 * beside how long a cold start takes, in alternation: only the difference means something on a machine
 * that others use, too.
 */
import { existsSync, utimesSync } from 'node:fs'
import type { Test } from 'tap'
import { client, fixture, place, resultOf, type Place } from './clients.js'

/** Changes of a launching client that lie between taking the lock and opening the gate. */
const CALLS = [8, 12, 16, 20, 24]

const timeOf = async (t: Pick<Test, 'teardown'>, here: Place): Promise<number> => {
  const next = client(t, here, here.options('healthy'))
  const { at } = await next.said('loaded')
  const ended = await next.ended
  const took = resultOf(ended).at - at
  await here.manager('healthy').stopServer()
  return took
}

export interface Recovery {
  readonly cold: number
  readonly recovered: number
}

/** One pair. `clockSetBack`: the lock that was left bears a time an hour ahead. */
export const recovery = async (t: Pick<Test, 'teardown'>, round: number, clockSetBack: boolean): Promise<Recovery> => {
  const cold = await timeOf(t, place(t))
  const here = place(t)
  await client(t, here, here.options('healthy'), {
    nodeArgs: ['--import', fixture('kill-before-call')], env: { ACTION: 'SIGKILL', ONLY: 'writes', CALL: String(CALLS[round % CALLS.length]) },
  }).ended
  const lock = `${here.pidFile}.lock`
  if (!existsSync(lock)) throw new Error(`the launcher was not killed while it held the lock, but before call ${CALLS[round % CALLS.length]}`)
  const later = new Date(Date.now() + 3_600_000)
  if (clockSetBack) utimesSync(lock, later, later)
  return { cold, recovered: await timeOf(t, here) }
}

export const median = (values: readonly number[]): number => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!
