/**
 * A client is killed, or frozen and later thawed, right before each of the calls by which it looks at or
 * changes files and processes: one that launches, one that stops, one that replaces an older version, and those
 * that follow a launch. After each, the next client must have a healthy server, never two may have run at once, and stopping must
 * leave nothing. `npm test` takes a sample, `npm run soak` all.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import type { ClientProcessManagerOptions, ServerInfo } from '../../lib/index.js'
import { client, fixture, now, place, stateOf, type Client, type Ended, statusOf, type Place } from './clients.js'
import { mayStay } from './outcomes.js'
import { until } from './until.js'

export type Victim = 'launcher' | 'stop' | 'replacer' | 'follower' | 'heir' | 'mourner'

export interface Series {
  readonly victim: Victim
  readonly action: 'SIGKILL' | 'SIGSTOP'
  /**
   * What another client does then: calls, or sees to it that there is a later server than the victim may know, by stopping
   * the one that there is before it calls, or by being of a newer version, which replaces it.
   */
  readonly others: 'use' | 'restart' | 'replace'
  /** When a frozen one goes on: as soon as the other is done, or not before all its own timeouts have passed. */
  readonly thawed: 'soon' | 'late'
  /** Every how many calls. */
  readonly every: number
  /** `writes`: only calls that change something, since between two of them nothing is different for anybody else. */
  readonly only: 'all' | 'writes'
  /** `choosing`: only the calls of a stop from its last listing of the claims on, until it marks a launch as ended. */
  readonly part?: 'choosing'
  /** Cases at a time, each in a place of its own. */
  readonly jobs?: number
}

/** ms. A frozen launcher keeps its claim until the deadline of its launch, which others wait for. */
const FROZEN_TIMEOUT = 2000

/** ms: longer than every timeout, that of the call, and the one after which a lock that nobody refreshes is anybody's. */
const LATE = 3500

/** ms. Less than a launch has that the victim meets, so that whoever comes next cannot just wait until its time is over. */
const PATIENCE = 60_000

/**
 * Boots when it is told to, if it is to be TOLD, and takes a moment to end: whoever polls for the one or the
 * other does so more often than is counted, and so makes the same calls each time.
 */
const SERVER = `
const told = new Promise((resolve) => { process.once('SIGUSR2', resolve) })
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 150))
const waiting = setInterval(() => {}, 1 << 30)
await import(${JSON.stringify(pathToFileURL(fixture('ledger')).href)})
const { serve } = await import(${JSON.stringify(pathToFileURL(fixture('serve')).href)})
if (process.env.TOLD) await told
clearInterval(waiting)
serve({ endOn: [] })`

const serverOf = (here: Place, told = false): ClientProcessManagerOptions =>
  here.options('', { command: [process.execPath, '--input-type=module', '--eval', SERVER], env: told ? { TOLD: '1' } : {} })

/** Of whoever replaces an older version. A server that names none is older than any. */
const wanting = (version: string): ClientProcessManagerOptions => ({ version, onMismatch: 'restart' })

const REPLACER = wanting('2.0.0')
const NEWER = wanting('3.0.0')

/** What the victim meets. */
interface Stage {
  /** Lets what it waits for happen. Once it has looked as often as is counted, or cannot look any more. */
  readonly goOn: () => Promise<unknown>
}

/** A server that has begun to execute, and waits to be told. */
const booting = async (here: Place): Promise<number> => (await until(() => here.starts()[0], 'the server to begin')).pid

/** A launch whose client was killed while the server booted. */
const deserted = async (t: Test, here: Place): Promise<number> => {
  const launcher = client(t, here, serverOf(here, true))
  await launcher.said('waiting')
  const pid = await booting(here)
  launcher.child.kill('SIGKILL')
  await launcher.ended
  return pid
}

const STAGES: Readonly<Record<Victim, (t: Test, here: Place) => Promise<Stage>>> = {
  /** Comes first, and launches. */
  launcher: async () => ({ goOn: async () => {} }),
  /** Stops a server that runs. */
  stop: async (_t, here) => {
    await here.manager('', serverOf(here)).ensureServerRunning()
    return { goOn: async () => {} }
  },
  /** Replaces a server that runs, of an older version. */
  replacer: async (_t, here) => {
    await here.manager('', serverOf(here)).ensureServerRunning()
    return { goOn: async () => {} }
  },
  /** Follows the launch of a client that lives. */
  follower: async (_t, here) => {
    const launched = here.manager('', serverOf(here, true)).ensureServerRunning()
    // It ends before it is told only by failing.
    const pid = await Promise.race([booting(here), launched.then((server) => server.pid!)])
    return {
      goOn: async () => {
        process.kill(pid, 'SIGUSR2')
        await launched
      },
    }
  },
  /** Follows a launch whose client is dead, so that it has to look after it. */
  heir: async (t, here) => {
    const pid = await deserted(t, here)
    return { goOn: async () => { process.kill(pid, 'SIGUSR2') } }
  },
  /** Likewise, and the server dies, too, so that it has to bring it to its end. */
  mourner: async (t, here) => {
    const pid = await deserted(t, here)
    return { goOn: () => here.kill(pid) }
  },
}

/** How a call may end that was frozen, besides well. */
const AFTER_FREEZING: Readonly<Record<Victim, readonly string[]>> = {
  launcher: ['START_TIMEOUT', 'LOCK_TIMEOUT'],
  stop: ['LOCK_TIMEOUT'],
  replacer: ['START_TIMEOUT', 'LOCK_TIMEOUT'],
  follower: ['START_TIMEOUT', 'LOCK_TIMEOUT'],
  heir: ['START_TIMEOUT', 'LOCK_TIMEOUT'],
  mourner: ['START_TIMEOUT', 'LOCK_TIMEOUT', 'SERVER_EXITED'],
}

/** A victim on its stage, which goes on when it looks again and again. */
const perform = (t: Test, here: Place, { victim, action, only }: Series, { goOn }: Stage, call?: number): { wounded: Client; stage: Stage } => {
  // A stop has as long as a start and a stop together.
  const timeouts = action === 'SIGKILL' ? {} : victim === 'stop' ? { startupTimeout: FROZEN_TIMEOUT / 2, stopTimeout: FROZEN_TIMEOUT / 2 } : { startupTimeout: FROZEN_TIMEOUT }
  const wounded = client(t, here, here.options('healthy', { ...timeouts, ...(victim === 'replacer' ? REPLACER : {}) }), {
    nodeArgs: ['--import', fixture('kill-before-call')], ...(victim === 'stop' ? { method: 'stopServer' } : {}),
    env: { ACTION: action, ONLY: only, PLACE: here.folder, ...(call === undefined ? {} : { CALL: String(call) }) },
  })
  let gone: Promise<unknown> | undefined
  const once = () => (gone ??= goOn())
  let said = ''
  wounded.child.stderr!.on('data', (text: string) => {
    said += text
    if (/^again$/m.test(said)) once().catch(() => {})
  })
  return { wounded, stage: { goOn: once } }
}

/** The calls that a victim has made, as it says when it ends. */
const callsOf = ({ stderr }: Ended): string[] => [...stderr.matchAll(/^call \d+ (.*)$/gm)].map(([, call]) => call!)

/** Which calls a victim makes that nothing happens to. */
const countCalls = async (t: Test, series: Series): Promise<string[]> => {
  const here = place(t)
  // With the timeouts of one that is not frozen: a slow machine must not end it.
  const { wounded, stage } = perform(t, here, { ...series, action: 'SIGKILL' }, await STAGES[series.victim](t, here))
  const ended = await wounded.ended
  await stage.goOn()
  const calls = callsOf(ended)
  if (ended.result === undefined && ended.error?.code !== 'SERVER_EXITED') throw new Error(`the victim failed by itself: ${ended.error?.message ?? ended.stderr}`)
  await here.manager('healthy').stopServer()
  return calls.map((call) => call.replaceAll(`${here.folder}/`, '').replace(/\.d\/[^/]*/, '.d/<host>').replace(/[0-9a-f]{16}/g, '<id>').replace(/\d{3,}/g, '<n>'))
}

/** Looks that begin, in contrast to a file that is read on. */
const LOOK = /^(?:open|readdir|readlink|lstat|stat)Sync |^kill \d+$/

const counts = new Map<string, Promise<string[]>>()

/** Likewise, and once in a file of tests. */
const callsOfVictim = (t: Test, series: Series): Promise<string[]> => {
  const key = `${series.victim} ${series.only}`
  const counted = counts.get(key) ?? countCalls(t, series)
  counts.set(key, counted)
  return counted
}

const LISTING = /^readdirSync \S*\.d\/[^/]*$/

/** How often a stop has listed the claims when it writes that it means to end what it has found. */
const choosesAt = (calls: readonly string[]): number => {
  const mark = calls.findIndex((call) => /^linkSync .*\.ended$/.test(call))
  if (mark < 0) throw new Error(`a stop that marks nothing as ended: ${calls.join('; ')}`)
  return calls.slice(0, mark).filter((call) => LISTING.test(call)).length
}

/** The first and the last call between the last listing and the mark. Calls count from 1. */
const choosing = (calls: readonly string[]): [number, number] => {
  const mark = calls.findIndex((call) => /^linkSync .*\.ended$/.test(call))
  return [calls.slice(0, mark).findLastIndex((call) => LISTING.test(call)) + 2, mark + 1]
}

const launches = (victim: Victim): boolean => victim === 'launcher' || victim === 'replacer'

/**
 * What the next client may share, and calls again after: the timeout of a launch that was frozen; and the end of a server that was killed
 * while it booted, whose keeper may live on for a moment.
 */
const SHARED: Readonly<Record<Victim, string | undefined>> =
  { launcher: 'START_TIMEOUT', replacer: 'START_TIMEOUT', mourner: 'SERVER_EXITED', stop: undefined, follower: undefined, heir: undefined }

const nextServer = async (here: Place, { victim, action, others }: Series): Promise<ServerInfo> => {
  const wanted = others === 'replace' ? NEWER : victim === 'replacer' ? REPLACER : {}
  const next = here.manager('healthy', { startupTimeout: PATIENCE, ...wanted })
  if (others === 'restart') await next.stopServer()
  const isShared = (code: string | undefined): boolean => code === SHARED[victim] && (action === 'SIGSTOP' || victim === 'mourner')
  return next.ensureServerRunning().catch((error: { code?: string }) => {
    if (!isShared(error.code)) throw error
    return next.ensureServerRunning()
  })
}

/** What lies there of a server: when its claim was made, which is written once, and which PID the PID file names. */
const stateOfServer = ({ folder, pidFile }: Place, { launchId }: ServerInfo) => {
  const claim = (readdirSync(folder, { recursive: true }) as string[]).find((name) => name.endsWith('.claim') && name.includes(launchId!))
  return {
    claimed: claim === undefined ? undefined : statSync(join(folder, claim)).birthtimeMs,
    named: existsSync(pidFile) ? Number.parseInt(readFileSync(pidFile, 'utf8'), 10) : undefined,
  }
}

const isHealthy = async (t: Test, { url }: ServerInfo, what: string): Promise<void> => {
  // A connection that is kept may be closed by the server in the moment in which a starved test uses it again.
  const answered = fetch(`${url}/api/health`, { headers: { connection: 'close' } })
  t.equal(await answered.then(({ status }) => status, (error: Error) => error.message), 200, what)
}

/** What a thawed client makes of a server that another one uses. Resolves with whether it has stopped it. */
const afterThaw = async (t: Test, ended: Ended, call: number, calls: readonly string[], server: ServerInfo, { victim, others }: Series): Promise<boolean> => {
  const { result, error, stderr, lines } = ended
  const own = callsOf(ended)
  const later = others === 'restart' ? ['STOPPED'] : others === 'replace' && victim === 'replacer' ? ['CONFIG_MISMATCH'] : []
  const allowed = [...AFTER_FREEZING[victim], ...later]
  if (result === undefined) t.ok(allowed.includes(error?.code ?? ''), `the thawed one failed: ${error?.message ?? stderr}`)
  if (victim === 'stop') {
    const stopped = lines.some(({ event, launchId }) => event === 'stopped' && launchId === server.launchId)
    // It ends what it finds in a listing. Frozen before that listing it finds the later server, and stopping it is what it was asked for.
    const listed = own.slice(0, call - 1).filter((one) => LISTING.test(one)).length
    if (stopped) t.equal(result?.info, true, 'it says so')
    if (stopped && server.started) t.ok(listed < choosesAt(calls), `it stopped a later server than the one that it had chosen before call ${call}, ${own[call - 1]}`)
    return stopped
  }
  if (result !== undefined && result.info.url !== server.url) {
    // What was so when it looked may be told. That a launcher goes on to watch its child is not for the answer.
    const looks = own.slice(call - 1).filter((one) => LOOK.test(one) && !(launches(victim) && one.includes('/proc/')))
    t.same(looks, [], `the thawed one returned a server that was stopped, ${result.info.url}, and has looked since`)
  }
  return false
}

const afterCall = async (t: Test, call: number, calls: readonly string[], series: Series): Promise<void> => {
  const here = place(t)
  const frozen = series.action === 'SIGSTOP'
  const { wounded, stage } = perform(t, here, series, await STAGES[series.victim](t, here), call)
  let isOver = false
  void wounded.ended.then(() => { isOver = true })
  await until(() => isOver || stateOf(wounded.pid) === 'T', `the ${series.victim} to come to its call`)
  if (isOver) {
    const ended = await wounded.ended
    // How often it polls depends on the machine, and so does whether 2 s are enough for it: a call that it did not come to is no case.
    const code = ended.error?.code ?? ''
    const isDone = ended.result !== undefined || (frozen ? AFTER_FREEZING[series.victim].includes(code) : series.victim === 'mourner' && code === 'SERVER_EXITED')
    if (isDone && callsOf(ended).length < call) return void t.pass(`it was over after ${callsOf(ended).length} calls`)
    if (frozen || ended.signal !== 'SIGKILL') return void t.fail(`the ${series.victim} ended by itself, after ${callsOf(ended).length} calls: ${ended.error?.message ?? 'well'}`)
  }
  const frozenAt = now()
  await stage.goOn()

  const server = await nextServer(here, series)
  await isHealthy(t, server, 'the next client has a healthy server')
  const version = series.others === 'replace' ? NEWER.version : series.victim === 'replacer' ? REPLACER.version : undefined
  t.equal((await statusOf(here.manager('healthy'))).version, version, 'of the version that it wants')
  let stopped = false
  if (frozen) {
    if (series.thawed === 'late') await until(() => now() > frozenAt + LATE, 'its timeouts to pass')
    const before = stateOfServer(here, server)
    wounded.child.kill('SIGCONT')
    stopped = await afterThaw(t, await wounded.ended, call, calls, server, series)
    // The PID file is a copy: whoever was frozen between reading and replacing or removing it does that to a newer one, and the next call sets it right.
    if (!stopped) t.match(stateOfServer(here, server), { claimed: before.claimed }, 'the thawed one takes nothing from it')
  }
  const last = await here.manager('healthy').ensureServerRunning()
  await isHealthy(t, last, 'and the one after it')
  if (!stopped) t.match(last, { launchId: server.launchId, started: false }, 'which is the same')
  // A child at the gate ends when it reads that its client is gone.
  await here.only(last.pid!)
  t.equal(stateOfServer(here, last).named, last.pid, 'the PID file names it')
  here.oneAtATime(t)
  // An outcome that is young when the stop looks at it stays, however long the stop takes then.
  const stopping = Date.now()
  t.equal(await here.manager('healthy').stopServer(), true, 'it is stopped')
  const young = (name: string) => name.endsWith('.outcome') && mayStay(join(here.folder, name), stopping)
  if (frozen || series.victim === 'mourner') t.same(here.left().filter((name) => !/\.d$|\.d\/[^/]*$/.test(name) && !young(name)), [], `no state is left: ${here.left().join(', ')}`)
  else here.nothingLeft(t)
}

/** Resolves with how many calls a client makes. */
export const killSeries = async (t: Test, series: Series): Promise<number> => {
  const calls = await callsOfVictim(t, series)
  t.jobs = series.jobs ?? 1
  const cases: Promise<unknown>[] = []
  const [first, last] = series.part === 'choosing' ? choosing(calls) : [1, calls.length]
  for (let call = first - 1 + Math.ceil(series.every / 2); call <= last; call += series.every) {
    cases.push(t.test(`${series.action} before call ${call} of ${calls.length}, ${calls[call - 1]}`, (t) => afterCall(t, call, calls, series)))
  }
  await Promise.all(cases)
  return calls.length
}
