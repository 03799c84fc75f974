/**
 * A client that takes a lease for what comes after it is killed, or frozen and later thawed, right before each of its calls: `run` that
 * becomes its command, through a shell or perl, over one server or several, and `hold --pid`. The moments after execve(2) count, too: what
 * then runs in its place is stopped before each of its steps. After each case there must never have been two servers at once, none that
 * outlives its last lease, none that was taken from a holder that lives, and the next client must have a healthy one.
 */
import { realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Lease } from '../../lib/index.js'
import { programOf } from '../cli/command-line.js'
import { start } from './child.js'
import { fixture, isAlive, now, place, stateOf, statusOf, type Place } from './clients.js'
import { execveNode } from './execve.js'
import { gone, holdsOf } from './holders.js'
import { mayStay } from './outcomes.js'
import { until } from './until.js'

const TAKERS = ['command', 'command-by-perl', 'command-of-several', 'hold-pid'] as const

export type Taker = (typeof TAKERS)[number]

export const isOfLeases = (series: { readonly victim: string }): series is LeaseSeries => (TAKERS as readonly string[]).includes(series.victim)

export interface LeaseSeries {
  readonly victim: Taker
  readonly action: 'SIGKILL' | 'SIGSTOP'
  /**
   * What another client does then: takes a lease and keeps it; takes one and releases it; stops the server and takes a lease on the next
   * one; or comes when all that the victim left has ended.
   */
  readonly others: 'come' | 'leave' | 'restart' | 'wait'
  /** When a frozen one goes on: as soon as the other is done, or not before all its own timeouts have passed. */
  readonly thawed: 'soon' | 'late'
  /** Every how many calls. */
  readonly every: number
  /** `handing over`: only from the rehearsal on, or from the first word to the watchdog. */
  readonly part?: 'handing over'
  /** Cases at a time, each in a place of its own. */
  readonly jobs?: number
}

/** ms. A frozen launcher keeps its claim until the deadline of its launch, which others wait for. */
const FROZEN_TIMEOUT = 2000

/** ms: longer than every timeout of the one that is frozen. */
const LATE = 3500

/** ms that the next client waits for a launch that may be frozen. A machine that is too slow for it costs a second call. */
const SOON = 8000

/** The command says where its servers are, and then does nothing. */
const COMMAND = ['/bin/sh', '-c', 'echo "ready $ONE_SERVER_URL $ONE_SERVER_URL_DB"; exec sleep 600'] as const

interface Victim {
  /** One for each server. */
  readonly places: readonly Place[]
  readonly pid: number
  /** What it has said so far. */
  readonly said: { stdout: string; stderr: string }
  /** How it ended; undefined while it lives. */
  readonly end: () => { code: number | null; signal: NodeJS.Signals | null } | undefined
  /** The URLs of its servers, once it has them: from its command, or from `hold`. */
  readonly urls: () => readonly string[] | undefined
  readonly thaw: () => void
  /** The process in whose name the lease is: itself, where that is a command. */
  readonly holder: number
  /** Ends it, and with it the lease. */
  readonly letGo: () => Promise<void>
}

const wordsFor = ({ action }: LeaseSeries, [here, ...more]: readonly Place[], holder: number | undefined): string[] => {
  const times = ['--idle-timeout', '0', '--timeout', action === 'SIGSTOP' ? String(FROZEN_TIMEOUT) : '120s']
  const one = ['--pid-file', here!.pidFile, '--port', 'auto', '--on-mismatch', 'reuse', '--script', fixture('healthy')]
  const words = [...(more.length > 0 ? ['web,db'] : one), ...times, '--quiet']
  return holder === undefined ? ['run', ...words, '--', ...COMMAND] : ['hold', ...words, '--pid', String(holder)]
}

/** Names for servers that are in places of their own. */
const configure = (places: readonly Place[]): void => {
  const servers = places.map(({ pidFile, folder }, at) =>
    [['web', 'db'][at], { serverScript: fixture('healthy'), port: 'auto', pidFile, onMismatch: 'reuse', env: { LEDGER: join(folder, 'ledger') } }])
  writeFileSync(join(places[0]!.folder, 'one-server.config.json'), JSON.stringify({ servers: Object.fromEntries(servers) }))
}

const perform = (t: Test, series: LeaseSeries, call?: string): Victim => {
  const { victim, action } = series
  const places = [place(t), ...(victim === 'command-of-several' ? [place(t)] : [])]
  const [here] = places
  if (places.length > 1) configure(places)
  const other = victim === 'hold-pid' ? start(t, 'sleep', ['600']) : undefined
  const [program, ...args] = programOf(execveNode)
  const node = [...args.slice(0, -1), '--import', fixture('kill-before-call'), args.at(-1)!]
  const child = start(t, program, [...node, ...wordsFor(series, places, other?.pid)], {
    cwd: here!.folder, stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      // A shell corrects a PWD that is wrong, and then it is not the way to the command.
      ...here!.env, PWD: realpathSync(here!.folder), LEDGER: join(here!.folder, 'ledger'), ACTION: action, ONLY: 'all', PLACE: here!.folder,
      ...(victim === 'command-by-perl' ? { WAY: 'perl' } : {}), ...(call === undefined ? {} : { CALL: call }),
    },
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name]!.setEncoding('utf8').on('data', (text: string) => { said[name] += text })
  let end: ReturnType<Victim['end']>
  child.once('close', (code, signal) => { end = { code, signal } })
  return {
    places, said, pid: child.pid!, holder: other?.pid ?? child.pid!, end: () => end,
    urls: () => (/^ready (.*)\n/m.exec(said.stdout) ?? (end?.code === 0 ? /"url": ?"(.*?)"/.exec(said.stdout) : null))?.[1]?.trim().split(' '),
    thaw: () => { child.kill('SIGCONT') },
    letGo: async () => {
      child.kill('SIGKILL')
      other?.kill('SIGKILL')
      await until(() => end !== undefined && (other === undefined || !isAlive(other.pid!)), 'the victim and its holder to end')
    },
  }
}

const callsOf = ({ said }: Victim): string[] => [...said.stderr.matchAll(/^call \d+ (.*)$/gm)].map(([, call]) => call!)

/** What it said for people. */
const words = ({ said: { stdout, stderr } }: Victim): string => `${stdout}${stderr.replace(/^(?:calls? \d+|before \d+|again|handed over).*\n/gm, '')}`

/** Which calls a victim makes that nothing happens to. */
const countCalls = async (t: Test, series: LeaseSeries): Promise<string[]> => {
  const wounded = perform(t, { ...series, action: 'SIGKILL' })
  await until(() => wounded.urls() ?? wounded.end(), 'the victim to have its server')
  if (wounded.urls() === undefined) throw new Error(`the victim failed by itself: ${wounded.said.stdout}${wounded.said.stderr}`)
  await wounded.letGo()
  for (const here of wounded.places) await gone(here)
  const [here] = wounded.places
  return callsOf(wounded).map((call) =>
    call.replaceAll(`${here!.folder}/`, '').replace(/\.d\/[^/]*/, '.d/<host>').replace(/[0-9a-f]{16}/g, '<id>').replace(/\d{3,}/g, '<n>'))
}

const isHealthy = async (url: string): Promise<boolean> =>
  // A connection that is kept may be closed by the server in the moment in which a starved test uses it again.
  fetch(`${url}/api/health`, { headers: { connection: 'close' } }).then(({ status }) => status === 200, () => false)

/** A lease of this process, with a server that nothing may take from it. */
const take = async (t: Test, here: Place, what: string): Promise<Lease> => {
  const acquire = (more = {}) => here.manager('healthy', { idleTimeout: 0, ...more }).acquire()
  // A launch whose client is frozen lasts as long as somebody waits for it: the next call comes when that is over.
  const lease = await acquire({ startupTimeout: SOON }).catch((error: { code?: string }) => {
    if (error.code !== 'START_TIMEOUT') throw error
    return acquire()
  })
  t.ok(await isHealthy(lease.server.url), what)
  return lease
}

/** Start, lock and stop of others may take what a frozen one had: 4, 7, and 1 for a server that was stopped. */
const AFTER_FREEZING: readonly (number | null)[] = [1, 4, 7]

/** What a thawed victim has. */
const afterThaw = async (t: Test, wounded: Victim, series: LeaseSeries, others: readonly Lease[]): Promise<void> => {
  await until(() => wounded.urls() ?? wounded.end(), 'the thawed one to have its server or to end')
  const urls = wounded.urls()
  if (urls === undefined) {
    const { code, signal } = wounded.end()!
    return void t.ok(AFTER_FREEZING.includes(code), `the thawed one failed: ${code ?? signal}: ${words(wounded)}`)
  }
  for (const [at, here] of wounded.places.entries()) {
    // It may have been stopped after the victim had looked at it for the last time.
    if (series.others === 'restart' && urls[at] !== others[at]?.server.url) continue
    t.ok(await isHealthy(urls[at]!), `the thawed one has a server that is there, ${urls[at]}`)
    // The server of a lease that is lost ends in a while. The lease shows it at once.
    await until(() => holdsOf(here, 'lease').length <= 1 + others.length, 'no leases but those that are held')
    t.ok(holdsOf(here, 'lease').some((name) => name.split('.')[2] === String(wounded.holder)), 'and the lease by which it stays')
  }
}

/** The calls that are counted one by one: up to execve(2). */
const countedIn = (calls: readonly string[]): number => {
  const execve = calls.findIndex((call) => call.startsWith('execve '))
  return execve < 0 ? calls.length : execve + 1
}

const afterCall = async (t: Test, call: number, calls: readonly string[], series: LeaseSeries): Promise<void> => {
  const frozen = series.action === 'SIGSTOP'
  // How often it looks before differs, and its steps from execve(2) on do not.
  const isAfter = call > countedIn(calls)
  const isLast = calls[call - 1] === 'command'
  const wounded = perform(t, series, isLast ? 'none' : isAfter ? `execve+${call - countedIn(calls)}` : String(call))
  const { places } = wounded
  await until(() => wounded.end() !== undefined || stateOf(wounded.pid) === 'T' || (wounded.urls() !== undefined && callsOf(wounded).length > 0), 'the victim to come to its call')
  if (wounded.end()?.signal !== 'SIGKILL' && stateOf(wounded.pid) !== 'T') {
    if (isLast) process.kill(wounded.pid, series.action)
    else if (!isAfter && wounded.urls() !== undefined && countedIn(callsOf(wounded)) < call) return void t.pass('it was over before')
    else return void t.fail(`the victim came past its call: ${words(wounded)}`)
  }
  const frozenAt = now()
  if (!frozen) await until(() => wounded.end() !== undefined, 'the victim to end')
  // What `hold --pid` handed over lasts without it.
  const given = series.victim === 'hold-pid' && /^handed over$/m.test(wounded.said.stderr)
  const servers = places.map((here) => here.starts().at(-1)?.pid)
  if (series.others === 'wait') {
    if (series.victim === 'hold-pid' && !given) for (const here of places) await gone(here)
    else await wounded.letGo()
    for (const here of places) await gone(here)
  }
  if (series.others === 'restart') for (const here of places) await here.manager('healthy').stopServer()
  const others: Lease[] = []
  for (const here of places) others.push(await take(t, here, 'the next client has a healthy server'))
  const firsts = others.map(({ server }) => server.launchId)
  const leave = async () => { for (const lease of others.splice(0)) await lease.release() }
  if (series.others === 'leave') await leave()
  if (frozen) {
    if (series.thawed === 'late') await until(() => now() > frozenAt + LATE, 'its timeouts to pass')
    wounded.thaw()
    await afterThaw(t, wounded, series, others)
  }
  if (given && series.others === 'come') {
    await leave()
    t.ok(isAlive(servers[0]!), 'it lives for the process in whose name it is held')
    t.match((await statusOf(places[0]!.manager('healthy'))).leases, [{ pid: wounded.holder }])
  }
  await wounded.letGo()
  if (others.length > 0) {
    for (const [at, here] of places.entries()) {
      const { launchId, url } = await statusOf(here.manager('healthy'))
      t.equal(launchId, firsts[at], 'nobody took the server from the one that holds it')
      t.ok(await isHealthy(url!), 'and it is healthy')
    }
  }
  await leave()
  for (const here of places) await gone(here)
  for (const here of places) {
    const last = await take(t, here, 'the next client has a healthy server')
    await here.only(last.server.pid!)
    const ending = Date.now()
    await last.release()
    await gone(here)
    here.oneAtATime(t)
    const young = (name: string) => name.endsWith('.outcome') && mayStay(join(here.folder, name), ending)
    const left = () => here.left().filter((name) => name !== 'one-server.config.json' && !/\.d$|\.d\/[^/]*$/.test(name) && !young(name))
    await until(() => left().length === 0, () => `the state to go: ${left().join(', ')}`)
  }
}

/** The first call of the part: of a rehearsal, or of a word to the watchdog. */
const handingOver = (calls: readonly string[]): number =>
  calls.findIndex((call) => /^execFile|^watchdog end/.test(call)) + 1

/** Resolves with how many calls the victim makes. */
export const killLeases = async (t: Test, series: LeaseSeries): Promise<number> => {
  const calls = await countCalls(t, series)
  t.jobs = series.jobs ?? 1
  const cases: Promise<unknown>[] = []
  const first = series.part === 'handing over' ? handingOver(calls) : 1
  for (let call = first - 1 + Math.ceil(series.every / 2); call <= calls.length; call += series.every) {
    cases.push(t.test(`${series.action} before call ${call} of ${calls.length}, ${calls[call - 1]}`, (t) => afterCall(t, call, calls, series)))
  }
  await Promise.all(cases)
  return calls.length
}
