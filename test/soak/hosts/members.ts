/** Three members of etcd, each on a host of its own: they lose their leader, freeze, end, come back, and become full. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bareEnv } from '../../support/child.js'
import { until } from '../../support/until.js'
import type { Bench, Space } from './bench.js'

interface Member {
  readonly name: string
  readonly space: Space
  process: ChildProcess | undefined
}

/** What one-server sends. */
const COUNTED = /^grpc_server_started_total\{grpc_method="(Range|Txn|Put|DeleteRange|LeaseGrant|Authenticate|Watch)",.*\} (\d+)$/gm

const METRICS = 'fetch(process.argv[1]).then(async (answer) => console.log(await answer.text()))'

/** A program's stdout, run to its end. Undefined: it failed. */
const outputOf = async (space: Space, program: string, args: readonly string[]): Promise<string | undefined> => {
  const child = space.start(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...bareEnv(), ETCDCTL_API: '3' } })
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (data: string) => { text += data })
  const [code] = (await once(child, 'close')) as [number | null]
  return code === 0 ? text : undefined
}

export class Members {
  readonly #members: readonly Member[]
  readonly #folder: string
  readonly #more: readonly string[]
  /** Of etcdctl, once there are users. */
  #user: string | undefined

  /** `more`: arguments for each of them. */
  constructor(bench: Bench, folder: string, more: readonly string[] = []) {
    this.#members = ['e1', 'e2', 'e3'].map((name) => ({ name, space: bench.space(name), process: undefined }))
    this.#folder = folder
    this.#more = more
  }

  get endpoints(): string {
    return this.#members.map(({ space }) => `${space.address}:2379`).join(',')
  }

  get addresses(): string[] {
    return this.#members.map(({ space }) => space.address)
  }

  get #cluster(): string {
    return this.#members.map(({ name, space }) => `${name}=http://${space.address}:2380`).join(',')
  }

  #start(member: Member): void {
    const { name, space } = member
    const [client, peer] = [`http://${space.address}:2379`, `http://${space.address}:2380`]
    member.process = space.start('etcd', [
      '--name', name, '--data-dir', join(this.#folder, name),
      '--logger', 'zap', '--log-level', 'error', '--log-outputs', join(this.#folder, `${name}.log`),
      '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', this.#cluster,
      '--initial-cluster-state', 'new', '--heartbeat-interval', '100', '--election-timeout', '1000', ...this.#more,
    ])
  }

  /** Starts those that do not run, and returns when a write goes through. */
  async start(): Promise<void> {
    for (const member of this.#members) if (member.space.pids().length === 0) this.#start(member)
    await this.#settled()
  }

  async #settled(): Promise<void> {
    await until(async () => (await this.#control('get', 'nothing')) !== undefined || (await sleep(200)), 'etcd to have a leader')
  }

  /** etcdctl, at all members. */
  #control(...words: string[]): Promise<string | undefined> {
    const asked = this.#members.find(({ process: its }) => its !== undefined)!
    const user = this.#user === undefined ? [] : ['--user', this.#user]
    return outputOf(asked.space, 'etcdctl', ['--endpoints', this.endpoints, '--command-timeout', '5s', ...user, ...words])
  }

  async control(...words: string[]): Promise<string> {
    const text = await this.#control(...words)
    if (text === undefined) throw new Error(`etcdctl ${words.join(' ')} failed`)
    return text
  }

  /** As whom etcdctl asks from now on. */
  login(user: string): void {
    this.#user = user
  }

  async keys(): Promise<string[]> {
    return (await this.control('get', '', '--prefix', '--keys-only')).split('\n').filter((line) => line !== '')
  }

  async value(key: string): Promise<string> {
    return (await this.control('get', key, '--print-value-only')).trim()
  }

  async #leader(): Promise<Member> {
    for (;;) {
      for (const member of this.#members) {
        const { space } = member
        const status = await outputOf(space, 'etcdctl', ['--endpoints', `${space.address}:2379`, 'endpoint', 'status', '-w', 'json'])
        const [seen] = status === undefined ? [] : (JSON.parse(status) as { Status: { header: { member_id: number }; leader: number } }[])
        if (seen !== undefined && seen.Status.header.member_id === seen.Status.leader) return member
      }
      await sleep(200)
    }
  }

  async killLeader(): Promise<void> {
    await (await this.#leader()).space.kill()
  }

  /** Returns what lets it run on. */
  async freezeLeader(): Promise<() => void> {
    const { space } = await this.#leader()
    await space.freeze()
    return () => space.thaw()
  }

  async killAll(): Promise<void> {
    for (const { space } of this.#members) await space.kill()
  }

  /** Requests of clients that all members together have seen. */
  async requests(): Promise<number> {
    const seen = await Promise.all(this.#members.map(async ({ space }) => {
      const text = (await outputOf(space, process.execPath, ['-e', METRICS, `http://${space.address}:2379/metrics`])) ?? ''
      return [...text.matchAll(COUNTED)].reduce((sum, [, , count]) => sum + Number(count), 0)
    }))
    return seen.reduce((sum, count) => sum + count, 0)
  }

  /** Writes values until there is no space for one more: then each write is refused. */
  async fill(): Promise<void> {
    const large = 'x'.repeat(100_000)
    while ((await this.#control('put', 'filler', large)) !== undefined) continue
    await until(async () => (await this.#control('alarm', 'list'))?.includes('NOSPACE') === true, 'the alarm')
  }

  /** As an operator does it. */
  async makeSpace(): Promise<void> {
    const [status] = JSON.parse(await this.control('endpoint', 'status', '-w', 'json')) as { Status: { header: { revision: number } } }[]
    await this.control('compact', String(status!.Status.header.revision))
    await this.control('defrag')
    await this.control('alarm', 'disarm')
  }

  get #backup(): string {
    return join(this.#folder, 'backup')
  }

  async save(): Promise<void> {
    const { space } = this.#members[0]!
    await outputOf(space, 'etcdctl', ['--endpoints', `${space.address}:2379`, 'snapshot', 'save', this.#backup])
  }

  /** All members end, and begin with what they were at the last {@link save}. */
  async restore(): Promise<void> {
    await this.killAll()
    for (const { name, space } of this.#members) {
      rmSync(join(this.#folder, name), { recursive: true, force: true })
      await outputOf(space, 'etcdctl', [
        'snapshot', 'restore', this.#backup, '--name', name, '--data-dir', join(this.#folder, name),
        '--initial-cluster', this.#cluster, '--initial-advertise-peer-urls', `http://${space.address}:2380`,
      ])
    }
    await this.start()
  }
}
