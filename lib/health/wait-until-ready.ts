/**
 * Readiness, as the launcher waits for it: wait-on against the health URL. Only the launcher loads
 * wait-on (46 packages, some hundred ms); twenty clients that each loaded it would take longer than the
 * server. It does so after the gate is open, and only where there is something to wait for: while a server
 * takes its time to boot, or when one that listens is not healthy yet. One that answers 200 as soon as it
 * listens is ready before wait-on would be.
 *
 * What wait-on does not do is done around it: it cannot be cancelled, so it runs in short slices; it
 * polls at one pace, so a young launch gets faster slices; it would send requests that cannot be
 * answered yet, so a bare connection is tried first.
 */
import { createRequire } from 'node:module'
import type { WaitOnOptions } from 'wait-on'
import { isLoopback } from './address.js'
import { tryConnection } from './connect.js'
import { kindOf, type Kind } from './kind.js'
import type { Healthy, HealthPlan, Probe } from './plan.js'
import { prepare, probe } from './probe.js'

type WaitOn = (options: WaitOnOptions) => Promise<void>

/** How long one slice of wait-on waits for an answer, in ms: what has settled must not hold the process for longer. */
const SLICE = 250

/** Pauses between two looks whether something listens: from 5 ms on, a thirtieth of the time that has been waited, until `interval`. */
const FIRST_PAUSE = 5
const SHARE = 1 / 30

/** A server that does not listen after this, in ms, leaves the time to load wait-on. */
const LOAD_AFTER = 500

/** The first pause between two checks of a server that listens, in ms; each slice doubles it, until `interval`. */
const FIRST_CHECKS = 25

const nextTurn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/**
 * Loading all of wait-on in one go would keep this process from noticing for a quarter of a second
 * that the server has exited. So its parts are loaded one a turn; in a bundle, where there is nothing
 * to resolve, the one import does it all.
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
    // Bundled, or laid out otherwise: then in one go.
  }
  await nextTurn()
  return over() ? undefined : (await import('wait-on')).default
}

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

/** Whether something listens at this URL. A listener that neither accepts nor refuses in time is there all the same, and may take longer. */
const listens = async (url: string): Promise<boolean> => !((await tryConnection(new URL(url), CONNECTING)) instanceof Error)

/** A URL in wait-on's words, for each kind that wait-on can wait for. The others are asked by our own check alone. */
const RESOURCES: Readonly<Record<Kind, ((url: string) => string) | undefined>> = {
  http: (url) => url.replace(/^http(s?):/, 'http$1-get:'),
  tcp: (url) => url.replace('tcp://', 'tcp:'),
  socket: (url) => `socket:${decodeURIComponent(new URL(url).pathname)}`,
  log: undefined,
}

export const waitUntilReady = async (
  plan: HealthPlan, interval: number, timeout: number, over: Promise<unknown>,
): Promise<Healthy | undefined> => {
  const { urls, headers } = plan
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
  const resourceOf = RESOURCES[kindOf(plan)]
  prepare(plan)
  const check = (url: string): Promise<Probe> => probe({ ...plan, urls: [url] }, timeout, cancel.signal)
  const began = performance.now()
  for (let slices = 0; !ended;) {
    const own = resourceOf === undefined ? await probe(plan, timeout) : undefined
    if (own?.healthy) return own
    const candidate = resourceOf === undefined ? undefined : await nextCandidate(urls, slices)
    if (resourceOf === undefined || candidate === undefined) {
      const waited = performance.now() - began
      if (waited > LOAD_AFTER && resourceOf !== undefined) void load()
      await pauseFor(Math.min(Math.max(FIRST_PAUSE, waited * SHARE), interval))
      continue
    }
    const first = loading === undefined ? await check(candidate) : undefined
    if (first?.healthy) return first
    if (ended) break
    const waitOn = await Promise.race([load(), end])
    // Looked at again: while wait-on was loading, the address that comes first may have begun to listen, too.
    const url = await nextCandidate(urls, slices)
    if (ended || !waitOn) break
    if (url === undefined) continue
    const patience = Math.min(timeout, SLICE)
    // A young launch is asked more often, and settles at the pace that was asked for.
    const between = Math.min(interval, FIRST_CHECKS * 2 ** slices)
    slices++
    const slice = waitOn({
      resources: [resourceOf(url)],
      interval: between,
      // The check after the slice is the next one at this pace.
      timeout: Math.ceil(patience / between) * between,
      httpTimeout: patience,
      window: 0,
      simultaneous: 1,
      log: false,
      followRedirect: false,
      strictSSL: !isLoopback(new URL(url).hostname),
      headers: { ...headers },
      // HTTP_PROXY would capture even 127.0.0.1.
      proxy: false,
    } as WaitOnOptions).then(() => true, () => false)
    const passed = (await Promise.race([slice, end])) === true
    if (ended && !passed) break
    if (passed && plan.match === undefined) return { healthy: true, url }
    // Not for wait-on: what the body says, an answer that takes longer than a slice, and one whose body does not end.
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

/** The next URL that something listens at, so that of two addresses the one that is never served does not stand in the way. */
const nextCandidate = async (urls: readonly string[], slices: number): Promise<string | undefined> => {
  let open = await openOf(urls)
  // A server that listens at all addresses began to between the two looks: then it is the first that everyone is told.
  if (open.length > 0 && open[0] !== urls[0]) open = await openOf(urls)
  return open[slices % open.length]
}
