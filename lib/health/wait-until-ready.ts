/**
 * Readiness, as the launcher waits for it: wait-on against the health URL. wait-on takes some hundred ms of processor to load (46
 * packages), which a server that boots beside it needs itself; so only the launcher loads it, after the gate is open, and only for a
 * server that takes seconds to listen, or that answers and is not ready for as long as a few checks of our own take.
 *
 * wait-on sends many requests unseen, and the listener may change between two of them. So a check with something secret in it is left to
 * our own check, which looks at the owner of the socket each time.
 *
 * Three things that wait-on does not do are done around it. It cannot be cancelled, so it runs in short slices. It polls
 * at one pace, so a young launch gets faster slices. It sends requests to a server that does not listen yet, so a bare
 * connection is tried first.
 */
import { createRequire } from 'node:module'
import type { WaitOnOptions } from 'wait-on'
import { clearTimeout, setImmediate, setTimeout } from '../timer.js'
import { isLoopback } from './address.js'
import { tryConnection } from './connect.js'
import { headersOf, isHealthy, isSecret, type Refuse } from './get.js'
import { kindOf, type Kind } from './kind.js'
import type { Healthy, HealthPlan, Probe } from './plan.js'
import { prepare, probe } from './probe.js'

type WaitOn = (options: WaitOnOptions) => Promise<void>

/** ms that one slice of wait-on waits for an answer. A slice holds the process that long after the call has settled. */
const SLICE = 250

/** ms between the first two looks. Later pauses are a sixtieth of the time waited so far, `interval` at most. */
const FIRST_PAUSE = 5
const SHARE = 1 / 60

const pauseAfter = (waited: number, interval: number): number => Math.min(Math.max(FIRST_PAUSE, waited * SHARE), interval)

/**
 * ms after which a server that does not listen yet leaves the time to load wait-on. The load takes as much processor as five clients,
 * and a server that boots needs that itself.
 */
const LOAD_AFTER = 3000

/** Checks of a server that listens and answers, before wait-on is loaded for it: most that are not ready at first are a moment later. */
const OWN_CHECKS = 8

/** ms between the first two checks of a server that listens. Each slice doubles the pause, up to `interval`. */
const FIRST_CHECKS = 25

const nextTurn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/**
 * Loaded in one go, wait-on would keep this process from noticing for a quarter of a second that the server has exited. So
 * its parts are loaded one in each turn of the event loop. In a bundle there is nothing to resolve, and one import does it.
 */
const loadWaitOn = async (over: () => boolean): Promise<WaitOn | undefined> => {
  try {
    const from = createRequire(createRequire(import.meta.url).resolve('wait-on'))
    for (const part of ['rxjs', 'lodash/fp', 'joi', 'axios']) {
      await nextTurn()
      if (over()) return undefined
      from(part)
    }
  } catch {
    // Bundled, or another layout of node_modules.
  }
  await nextTurn()
  return over() ? undefined : (await import('wait-on')).default
}

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

/** Whether something listens at this URL. A listener that neither accepts nor refuses in time is there, and may only be slow. */
const listens = async (url: string): Promise<boolean> => !((await tryConnection(new URL(url), CONNECTING)) instanceof Error)

/** A URL in wait-on's words, for each kind that wait-on knows. The other kinds are polled by their own check. */
const RESOURCES: Readonly<Record<Kind, ((url: string) => string) | undefined>> = {
  http: (url) => url.replace(/^http(s?):/, 'http$1-get:'),
  tcp: (url) => url.replace('tcp://', 'tcp:'),
  socket: (url) => `socket:${decodeURIComponent(new URL(url).pathname)}`,
  log: undefined,
  command: undefined,
}

/**
 * Waits until one URL of the plan is healthy. Undefined: `over` settled first. `interval` is the longest pause between two
 * checks and `timeout` what one check may take, both in ms.
 */
export const waitUntilReady = async (
  plan: HealthPlan, interval: number, timeout: number, over: Promise<unknown>, refuse?: Refuse,
): Promise<Healthy | undefined> => {
  const { urls } = plan
  const resourceOf = isSecret(plan) ? undefined : RESOURCES[kindOf(plan)]
  let ended = false
  const cancel = new AbortController()
  const finish = (): void => {
    ended = true
    cancel.abort()
  }
  const end = over.then(finish, finish)
  const pauseFor = async (ms: number): Promise<void> => {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([end, new Promise((resolve) => { timer = setTimeout(resolve, ms) })])
    clearTimeout(timer)
  }
  let loading: Promise<WaitOn | undefined> | undefined
  const load = (): Promise<WaitOn | undefined> => {
    loading ??= loadWaitOn(() => ended)
    loading.catch(() => {})
    return loading
  }
  prepare(plan)
  const check = (url: string): Promise<Probe> => probe({ ...plan, urls: [url] }, timeout, cancel.signal, refuse)
  const began = performance.now()
  for (let took = 0; resourceOf === undefined && !ended; await pauseFor(Math.max(took, pauseAfter(performance.now() - began, interval)))) {
    const asked = performance.now()
    const answer = await probe(plan, timeout, cancel.signal, refuse)
    if (answer.healthy) return answer
    // A program costs more than a request. With as long a pause it gets half of a processor at most, and the server the other half.
    took = Math.min(performance.now() - asked, interval)
  }
  for (let slices = 0, checks = 0; resourceOf !== undefined && !ended;) {
    const candidate = await nextCandidate(urls, checks + slices)
    if (candidate === undefined) {
      const waited = performance.now() - began
      if (waited > LOAD_AFTER) void load()
      await pauseFor(pauseAfter(waited, interval))
      continue
    }
    const asked = performance.now()
    const first = loading === undefined ? await check(candidate) : undefined
    if (first?.healthy) return first
    if (ended) break
    if (loading === undefined && ++checks < OWN_CHECKS && performance.now() - asked < timeout) {
      await pauseFor(Math.min(interval, FIRST_CHECKS))
      continue
    }
    const waitOn = await Promise.race([load(), end])
    // While wait-on was loading, an address that comes first may have begun to listen.
    const url = await nextCandidate(urls, checks + slices)
    if (ended || !waitOn) break
    if (url === undefined) continue
    const patience = Math.min(timeout, SLICE)
    // A young launch is checked more often than `interval` says.
    const between = Math.min(interval, FIRST_CHECKS * 2 ** slices)
    slices++
    const slice = waitOn({
      resources: [resourceOf(url)],
      interval: between,
      // Whole pauses, so that the check after the slice keeps the pace.
      timeout: Math.ceil(patience / between) * between,
      httpTimeout: patience,
      window: 0,
      simultaneous: 1,
      log: false,
      followRedirect: false,
      validateStatus: (status: number) => isHealthy(plan, status),
      headers: headersOf(plan),
      strictSSL: !isLoopback(new URL(url).hostname),
      // HTTP_PROXY would capture even 127.0.0.1.
      proxy: false,
    } as WaitOnOptions).then(() => true, () => false)
    const passed = (await Promise.race([slice, end])) === true
    if (ended && !passed) break
    if (passed && plan.match === undefined) return { healthy: true, url }
    // wait-on does not read the body, and fails for an answer that takes longer than a slice or has a body without an end.
    const answer = await check(url)
    if (answer.healthy) return answer
    await pauseFor(between)
  }
  return undefined
}

const openOf = async (urls: readonly string[]): Promise<string[]> => {
  const open: string[] = []
  for (const url of urls) if (await listens(url)) open.push(url)
  return open
}

/** The next URL at which something listens. Of two addresses one may never be served, and must not stand in the way of the other. */
const nextCandidate = async (urls: readonly string[], slices: number): Promise<string | undefined> => {
  let open = await openOf(urls)
  // A server that opens all its addresses may have done so between the two looks. Every client gets the first of them then.
  if (open.length > 0 && open[0] !== urls[0]) open = await openOf(urls)
  return open[slices % open.length]
}
