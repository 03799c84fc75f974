/**
 * Three hosts, three members of etcd, and one server that they share. Each host has a home of its own, its traffic, and the command line
 * as its only client: what works here works in an unchanged pipeline. What breaks a promise is gathered until the end.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'
import { bareEnv, fixture } from '../../support/child.js'
import { isAlive, send } from '../../support/clients.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'
import { Bench, wordsOf, type Space } from './bench.js'
import { ended, type Call, type Info } from './call.js'
import { judge, serversOf, type Judged, type Server } from './ledger.js'
import { Members } from './members.js'
import { programWithout } from './without.js'

const NAME = 'web'
const PREFIX = 'ci/1'
const PROGRAM = fileURLToPath(new URL('../../../../dist/cli.js', import.meta.url))

export const instant = (): bigint => process.hrtime.bigint()

export interface Claim {
  readonly launch: string
  readonly host: string
  readonly state: string
  readonly epoch: number
  readonly pid: number
  readonly steward: { readonly pid: number }
}

export interface Host extends Space {
  readonly home: string
}

export interface Plan {
  /** ms */
  readonly ttl: number
  /** Of all calls, and so of the server. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments for etcd. */
  readonly etcd?: readonly string[]
  readonly noEtcd?: true
}

export class World {
  readonly hosts: readonly Host[]
  readonly members: Members
  readonly ttl: number
  readonly violations: string[] = []
  /** Environment of each call; a case may change it. */
  readonly env: Record<string, string>
  readonly #folder: string
  readonly #program: string
  /** URLs by epoch. */
  readonly #given = new Map<number, Set<string>>()
  readonly #frozen = new Set<string>()
  readonly #killed = new Set<string>()
  readonly #cut = new Set<string>()
  #isTakenBack = false
  #mayLeaveUses = false
  readonly #traffic: ChildProcess[] = []

  static async make(t: Pick<Test, 'teardown'>, plan: Plan): Promise<World> {
    const world = new World(t, plan)
    if (plan.noEtcd === undefined) await world.members.start()
    for (const host of world.hosts) world.ask(host)
    return world
  }

  constructor(t: Pick<Test, 'teardown'>, { ttl, env = {}, etcd = [] }: Plan) {
    this.#folder = tempFolder(t)
    const bench = new Bench(t)
    this.#program = programWithout(t, process.env['HOSTS_WITHOUT'], PROGRAM)
    this.members = new Members(bench, this.#folder, etcd)
    this.hosts = ['h1', 'h2', 'h3'].map((name) => ({ ...bench.space(name), home: join(this.#folder, name) }))
    for (const { home } of this.hosts) mkdirSync(home)
    this.ttl = ttl
    this.env = {
      ONE_SERVER_COORDINATOR: `etcd://${this.members.endpoints}/${PREFIX}`, ONE_SERVER_TTL: `${ttl}ms`,
      ONE_SERVER_IDLE_TIMEOUT: '1500ms', ...env,
    }
    writeFileSync(this.#urls, '')
  }

  get #urls(): string { return join(this.#folder, 'urls') }
  get #answers(): string { return join(this.#folder, 'answers') }
  get #ledger(): string { return join(this.#folder, 'ledger') }

  wrong(what: string): void {
    this.violations.push(what)
  }

  host(name: string): Host {
    return this.hosts.find((host) => host.name === name)!
  }

  /** The hosts but these. */
  others(...not: readonly Host[]): Host[] {
    return this.hosts.filter((host) => !not.includes(host))
  }

  servers(): Server[] {
    return serversOf(this.#ledger)
  }

  /** Starts the traffic of a host, which asks each URL that was ever given out. */
  ask(host: Host): void {
    this.#traffic.push(host.start(process.execPath, [fixture('hosts/traffic.mjs'), host.name, this.#urls, this.#answers]))
  }

  /** No traffic any more. */
  hush(): void {
    for (const { pid } of this.#traffic) if (pid !== undefined && isAlive(pid)) send(pid, 'SIGKILL')
  }

  begin(host: Host, words: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const whole = { ...bareEnv(), HOME: host.home, ...this.env, ...env }
    return host.start(process.execPath, [this.#program, ...words], { stdio: ['pipe', 'pipe', 'pipe'], cwd: host.home, env: whole })
  }

  /** The words by which all hosts name the same server. */
  server(command: string, ...more: readonly string[]): string[] {
    const health = ['--health', '/health', '--health-timeout', '3s']
    return [command, NAME, '--json', '--timeout', '60s', ...health, '--host', '127.0.0.1', '--port', 'auto', ...more]
  }

  get command(): string[] {
    return this.#commandWith(this.#ledger)
  }

  #commandWith(ledger: string): string[] {
    return [process.execPath, fixture('hosts/server.mjs'), ledger, '{port}']
  }

  /** Runs a command of the command line that prints one document. */
  async run(host: Host, words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Call> {
    const call = await ended(host.name, this.begin(host, words, env))
    if (call.info?.epoch !== undefined) this.given(call.info)
    return call
  }

  /** A URL that one-server gave out: from now on the traffic asks it, too. */
  given({ url, epoch }: Info): void {
    const known = this.#given.get(epoch) ?? new Set()
    if (known.has(url)) return
    this.#given.set(epoch, known.add(url))
    appendFileSync(this.#urls, `${url}\n`)
  }

  /** One `start` on a host. */
  call(host: Host, env?: Readonly<Record<string, string>>): Promise<Call> {
    return this.run(host, [...this.server('start'), '--', ...this.command], env)
  }

  /** The same command on a host for that host alone, with a state and a ledger of its own. */
  alone(host: Host, command: 'start' | 'stop'): Promise<Call> {
    const start = [...this.server('start'), '--', ...this.#commandWith(join(host.home, 'ledger'))]
    const env = { ONE_SERVER_COORDINATOR: '', ONE_SERVER_STATE_DIR: join(host.home, 'alone') }
    return this.run(host, command === 'stop' ? ['stop', NAME, '--json'] : start, env)
  }

  /** The same where it must go well. */
  async up(host: Host, env?: Readonly<Record<string, string>>): Promise<Info> {
    const { info, stderr } = await this.call(host, env)
    if (info === undefined) throw new Error(`start on ${host.name} failed: ${stderr}`)
    return info
  }

  /** The server is up, used by all hosts, and the traffic reaches it. Returns what the first call got. */
  async settled(first = this.hosts[0]!): Promise<Info> {
    const info = await this.up(first)
    for (const host of this.others(first)) await this.up(host)
    await this.reached(info.epoch)
    return info
  }

  /** Waits until traffic has reached a server of at least this epoch. */
  async reached(epoch: number): Promise<void> {
    const isReached = (): boolean => this.servers().some((server) => server.epoch >= epoch && server.served.length > 0)
    await until(async () => isReached() || (await sleep(50)), `traffic to reach epoch ${epoch}`)
  }

  /** Calls on these hosts again and again until one of them is given a server of a later epoch, which the traffic then reaches. */
  async later(epoch: number, hosts: readonly Host[]): Promise<{ readonly info: Info; readonly failed: Call[] }> {
    let found: Info | undefined
    const failed: Call[] = []
    await Promise.all(hosts.map(async (host) => {
      for (let calls = 0; found === undefined; calls++) {
        if (calls > 2000) throw new Error(`2000 calls on ${host.name} gave no server after epoch ${epoch}: ${failed.at(-1)?.stderr}`)
        const call = await this.call(host)
        if (call.info !== undefined && call.info.epoch > epoch) found ??= call.info
        else if (call.info === undefined) failed.push(call)
        if (found === undefined) await sleep(100)
      }
    }))
    await this.reached(found!.epoch)
    return { info: found!, failed }
  }

  /** Undefined: nothing is there. */
  async claim(name = NAME): Promise<Claim | undefined> {
    const text = await this.members.value(`${PREFIX}/${name}/claim`)
    return text === '' ? undefined : (JSON.parse(text) as Claim)
  }

  get claimKey(): string {
    return `${PREFIX}/${NAME}/claim`
  }

  /** Freezes all of a host. */
  async freeze(host: Host): Promise<void> {
    await host.freeze()
    const pids = host.pids()
    for (const { launch, pid } of this.servers()) if (pids.includes(pid)) this.#frozen.add(launch)
  }

  async kill(host: Host): Promise<void> {
    this.#killed.add(host.name)
    await host.kill()
  }

  /** Cuts the link of a host. */
  cut(host: Host): void {
    this.#cut.add(host.name)
    host.cut()
  }

  /** From now on the engine shows what it showed before: no promise is kept over that, and epochs are given twice. */
  takesBack(): void {
    this.#isTakenBack = true
  }

  /** etcd is away, or is given back what it had: a host cannot remove its use. */
  mayLeaveUses(): void {
    this.#mayLeaveUses = true
  }

  stop(host: Host): Promise<Call> {
    return this.run(host, ['stop', NAME, '--json'])
  }

  /** The password must be in no argument, and in nothing that the server inherits. */
  checkSecrets(password: string): void {
    for (const host of this.hosts) {
      for (const pid of host.pids()) {
        const { argv, env } = wordsOf(pid)
        if (argv.includes(password)) this.wrong(`the password is in an argument: ${argv}`)
        const isServer = argv.includes(fixture('hosts/server.mjs')) && !argv.includes('--')
        if (isServer && (env.includes(password) || env.includes('ONE_SERVER_COORDINATOR'))) this.wrong('the server inherits the password')
      }
    }
  }

  /** Ends all, and says what broke. */
  async end(): Promise<Judged> {
    for (const host of this.hosts) host.thaw()
    const claim = await this.claim().catch(() => undefined)
    if (claim !== undefined && claim.state !== 'over') await this.stop(this.host(claim.host))
    this.hush()
    await this.#nothingLeft()
    for (const [epoch, urls] of this.#isTakenBack ? [] : this.#given) if (urls.size > 1) this.wrong(`epoch ${epoch} has several URLs: ${[...urls].join(', ')}`)
    const judged = judge(this.#ledger, this.#answers, this.#frozen, this.#isTakenBack)
    if (!this.#isTakenBack) this.violations.push(...judged.violations)
    return judged
  }

  async #nothingLeft(): Promise<void> {
    const left = (): number[] => this.hosts.flatMap((host) => host.pids())
    // Followers look each quarter of a term, and a watchdog ends after its idle time.
    for (let looks = 0; looks < 300 && left().length > 0; looks++) await sleep(100)
    for (const pid of left()) this.wrong(`left: ${pid} ${wordsOf(pid).argv.slice(0, 200).replaceAll('\n', ' ')}`)
    const keys = await this.members.keys().catch(() => [])
    const claim = await this.claim().catch(() => undefined)
    if (claim !== undefined && claim.state !== 'over') this.wrong(`the claim says ${claim.state}`)
    // A host that was killed or cut off cannot take its use back; it counts no more after its term, and etcd's lease removes it.
    const mayLeave = this.#mayLeaveUses ? Infinity : this.#killed.size + this.#cut.size
    const uses = keys.filter((key) => key.includes('/users/')).slice(0, mayLeave)
    const known = [this.claimKey, 'filler', ...uses]
    for (const key of keys) if (!known.includes(key)) this.wrong(`left in etcd: ${key}`)
  }
}
