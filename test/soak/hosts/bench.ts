/**
 * Hosts of one machine: network namespaces on a bridge, each with an address and a name of its own. The library tells hosts by boot and
 * namespaces, so to it these are as many hosts. All have one clock, so that what ran and served on them can be compared.
 *
 * Names are of one run, and everything is removed at its end, also after a failure and when the run is interrupted. A process is one of
 * ours if it is in one of our namespaces, so a host that is killed or frozen takes nothing else along.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Test } from 'tap'
import { send } from '../../support/clients.js'
import { bareEnv } from '../../support/child.js'
import { isAlive, stateOf } from '../../support/processes.js'
import { until } from '../../support/until.js'

const command = (program: string, ...args: string[]): { readonly ok: boolean; readonly text: string } => {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  return { ok: status === 0, text: error?.message ?? `${stdout}${stderr}`.trim() }
}

const need = (program: string, ...args: string[]): string => {
  const { ok, text } = command(program, ...args)
  if (!ok) throw new Error(`${program} ${args.join(' ')}: ${text}`)
  return text
}

let benches = 0

/** Why this machine has no such hosts; undefined: it has. */
export const whyNot = (): string | undefined => {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
  const programs = { ip: '-V', nsenter: '--version', unshare: '--version', etcd: '--version', etcdctl: 'version' }
  for (const [program, asked] of Object.entries(programs)) {
    if (!command(program, asked).ok) return `needs ${program} (apt-get install iproute2 util-linux etcd-server etcd-client)`
  }
  const probe = `os${process.pid.toString(36)}x`
  const made = command('ip', 'netns', 'add', probe)
  command('ip', 'netns', 'del', probe)
  return made.ok ? undefined : `needs network namespaces: ${made.text}`
}

export interface Space {
  readonly name: string
  readonly address: string
  /** Starts a program here. It has a session of its own. */
  start(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /** The live processes here. */
  pids(): number[]
  kill(): Promise<void>
  freeze(): Promise<void>
  /** Lets all of it run on, but these. */
  thaw(not?: readonly number[]): void
  /** Nothing comes in or goes out any more. */
  cut(): void
  heal(): void
  /** Reaches these addresses no more. */
  lose(addresses: readonly string[]): void
  find(addresses: readonly string[]): void
}

export class Bench {
  readonly #id = `os${process.pid.toString(36)}${(benches++).toString(36)}`
  readonly #spaces: Space[] = []
  readonly #undo: (() => void)[] = []
  #isRemoved = false

  constructor(t: Pick<Test, 'teardown'>) {
    const remove = (): void => this.#remove()
    const interrupted = (): void => { process.exit(130) }
    process.once('exit', remove).once('SIGINT', interrupted).once('SIGTERM', interrupted)
    t.teardown(() => {
      process.off('exit', remove).off('SIGINT', interrupted).off('SIGTERM', interrupted)
      remove()
    })
    this.#undo.push(() => { command('ip', 'link', 'del', this.#id) })
    need('ip', 'link', 'add', this.#id, 'type', 'bridge')
    need('ip', 'link', 'set', this.#id, 'up')
  }

  space(name: string): Space {
    const ns = `${this.#id}${name}`
    const address = `10.99.0.${this.#spaces.length + 11}`
    this.#undo.push(() => { command('ip', 'netns', 'del', ns) })
    need('ip', 'netns', 'add', ns)
    need('ip', 'link', 'add', ns, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns)
    need('ip', 'link', 'set', ns, 'master', this.#id, 'up')
    need('ip', '-n', ns, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) need('ip', '-n', ns, 'link', 'set', device, 'up')
    // Keeps the host's name. It is outside of the network namespace, so that a host that was killed has its name still.
    const named = spawn('unshare', ['--uts', 'sh', '-c', `hostname ${name} && exec sleep infinity`], { stdio: 'ignore' })
    this.#undo.push(() => { named.kill('SIGKILL') })
    const naming = `--uts=/proc/${named.pid}/ns/uts`
    while (named.exitCode === null && command('nsenter', naming, 'hostname').text !== name) spawnSync('sleep', ['0.02'])
    const inode = /\d+/.exec(need('nsenter', `--net=/run/netns/${ns}`, 'readlink', '/proc/self/ns/net'))![0]
    const space = spaceOf({ ns, name, address, inode, keeper: named.pid! })
    this.#spaces.push(space)
    return space
  }

  #remove(): void {
    if (this.#isRemoved) return
    this.#isRemoved = true
    // A process may start another one before it dies, so until none is left.
    for (let looks = 0; looks < 100; looks++) {
      const left = this.#spaces.flatMap((space) => space.pids())
      if (left.length === 0) break
      for (const pid of left) send(pid, 'SIGKILL')
      spawnSync('sleep', ['0.05'])
    }
    for (const undo of this.#undo.toReversed()) undo()
  }
}

interface Made {
  readonly ns: string
  readonly name: string
  readonly address: string
  readonly inode: string
  readonly keeper: number
}

const isIn = (pid: string, inode: string): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`).includes(`[${inode}]`)
  } catch {
    // It has ended.
    return false
  }
}

const spaceOf = ({ ns, name, address, inode, keeper }: Made): Space => {
  const pids = (): number[] =>
    readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isIn(pid, inode)).map(Number).filter(isAlive)
  const all = async (signal: 'SIGKILL' | 'SIGSTOP', isDone: (pid: number) => boolean): Promise<void> => {
    await until(() => {
      const left = pids().filter((pid) => !isDone(pid))
      for (const pid of left) send(pid, signal)
      return left.length === 0
    }, `${signal} to reach all of ${name}`)
  }
  return {
    name, address, pids,
    start: (program, args, options = {}) => {
      const words = [`--net=/run/netns/${ns}`, `--uts=/proc/${keeper}/ns/uts`, program, ...args]
      return spawn('nsenter', words, { env: bareEnv(), stdio: 'ignore', detached: true, ...options })
    },
    kill: () => all('SIGKILL', () => false),
    freeze: () => all('SIGSTOP', (pid) => stateOf(pid) === 'T'),
    thaw: (not = []) => { for (const pid of pids()) if (!not.includes(pid)) send(pid, 'SIGCONT') },
    cut: () => { need('ip', 'link', 'set', ns, 'down') },
    heal: () => { need('ip', 'link', 'set', ns, 'up') },
    lose: (addresses) => { for (const one of addresses) need('ip', '-n', ns, 'route', 'add', 'blackhole', one) },
    find: (addresses) => { for (const one of addresses) need('ip', '-n', ns, 'route', 'del', 'blackhole', one) },
  }
}

/** What a process was started with. */
export const wordsOf = (pid: number): { readonly argv: string; readonly env: string } => {
  const read = (what: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${what}`, 'utf8').replaceAll('\0', '\n')
    } catch {
      return ''
    }
  }
  return { argv: read('cmdline'), env: read('environ') }
}

/** The fuses of a host: shells with their mark, their `sleep`, and what ends those that left the group. */
export const fusesOf = (host: Space): number[] => host.pids().filter((pid) => wordsOf(pid).env.split('\n').includes('ONE_SERVER_FUSE=1'))
