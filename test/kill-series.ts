/**
 * A client that launches is killed, or frozen and later thawed, right before each of the calls by which
 * it touches files and processes. After each, the next client must have a healthy server, never two
 * may have run at once, and stopping must leave nothing. `npm test` takes a sample, `npm run soak` all.
 */
import type { Test } from 'tap'
import { client, fixture, place, stateOf, type Client, type Place } from './clients.js'
import { until } from './until.js'

const PRELOAD = ['--import', fixture('kill-before-call')]

/** How a call may end that was frozen for as long as others liked. */
const AFTER_FREEZING = ['START_TIMEOUT', 'LOCK_TIMEOUT']

/** A frozen launcher keeps its claim until the deadline of its launch, which others wait for. */
const FROZEN_TIMEOUT = 1000

export interface Series {
  readonly action: 'SIGKILL' | 'SIGSTOP'
  /** Every how many calls. */
  readonly every: number
  /** `writes`: only calls that change something, since between two of them nothing is different for anybody else. */
  readonly only: 'all' | 'writes'
}

const victim = (t: Test, here: Place, { action, only }: Series, call?: number): Client =>
  client(t, here, here.options('healthy', action === 'SIGSTOP' ? { startupTimeout: FROZEN_TIMEOUT } : {}), {
    nodeArgs: PRELOAD, env: { ACTION: action, ONLY: only, ...(call === undefined ? {} : { CALL: String(call) }) },
  })

/** How many such calls a client makes that launches. */
const countCalls = async (t: Test, here: Place, series: Series): Promise<number> => {
  const { stderr } = await victim(t, here, series).ended
  await here.manager('healthy').stopServer()
  return Number(/calls (\d+)/.exec(stderr)?.[1])
}

/** The next client: whoever waited for a launch that was frozen shares its timeout, and then calls again. */
const nextServer = async (here: Place, { action }: Series) => {
  const next = here.manager('healthy')
  if (action === 'SIGKILL') return next.ensureServerRunning()
  return next.ensureServerRunning().catch((error: { code?: string }) => {
    if (error.code !== 'START_TIMEOUT') throw error
    return next.ensureServerRunning()
  })
}

const afterCall = async (t: Test, call: number, series: Series): Promise<void> => {
  const here = place(t)
  const wounded = victim(t, here, series, call)
  const frozen = series.action === 'SIGSTOP'
  if (frozen) await Promise.race([wounded.ended, until(() => stateOf(wounded.pid) === 'T', 'the client to freeze', 20_000)])
  else await wounded.ended

  const server = await nextServer(here, series)
  t.equal((await fetch(`${server.url}/api/health`)).status, 200, 'the next client has a healthy server')

  if (frozen) {
    wounded.child.kill('SIGCONT')
    const { result, error, stderr } = await wounded.ended
    if (result === undefined) t.ok(AFTER_FREEZING.includes(error?.code ?? ''), `the thawed one failed: ${error?.message ?? stderr}`)
    else t.equal(result.info.url, server.url, 'the thawed one has the same server')
    t.equal((await fetch(`${server.url}/api/health`)).status, 200, 'which is still healthy')
  }
  // A child at the gate ends when it reads that its client is gone.
  const others = () => here.alive().filter((pid) => pid !== server.pid)
  await until(() => others().length === 0, 'what was held at the gate to end')
  t.ok(here.alive().includes(server.pid!), 'one server lives')
  here.oneAtATime(t)
  t.equal(await here.manager('healthy').stopServer(), true)
  t.same(here.left().filter((name) => !/\.outcome$|\.d$|\.d\/[^/]*$/.test(name)), [], 'no state is left')
  if (!frozen) here.nothingLeft(t)
}

/** Resolves with how many calls a client makes. */
export const killSeries = async (t: Test, series: Series): Promise<number> => {
  const calls = await countCalls(t, place(t), series)
  for (let call = 1; call <= calls; call += series.every) {
    await t.test(`${series.action} before call ${call} of ${calls}`, (t) => afterCall(t, call, series))
  }
  return calls
}

