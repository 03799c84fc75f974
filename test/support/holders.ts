/** Client processes that hold leases, and what is to be seen of leases from outside: their files, and the processes that watch. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ClientProcessManagerOptions, ServerInfo } from '../../lib/index.js'
import { fixture, startSpeaking } from './child.js'
import { isAlive, now, type Place } from './clients.js'
import { allProcesses } from './processes.js'
import { until } from './until.js'

export interface Released {
  readonly at: number
  /** Health checks that it made while it held the lease. */
  readonly checks: number
  readonly failed: number
}

export interface Holder {
  readonly pid: number
  /** The server, once it holds a lease on it. */
  readonly held: Promise<ServerInfo>
  release(): Promise<Released>
  /** Takes the next lease. */
  again(): Promise<ServerInfo>
  /** Ends it by a signal, without a word. */
  kill(signal?: NodeJS.Signals): Promise<void>
  signal(signal: NodeJS.Signals): void
}

export const holder = (t: Pick<Test, 'teardown'>, at: Place, options: ClientProcessManagerOptions): Holder => {
  const { child, line } = startSpeaking(t, process.execPath, [fixture('holder.mjs'), JSON.stringify(options)], { env: at.env, cwd: at.folder })
  const next = async <Line>(event: string): Promise<Line> => {
    const said = JSON.parse(await line()) as Line & { event: string; message?: string }
    if (said.event !== event) throw new Error(`a holder said ${said.event}, and not ${event}: ${said.message ?? ''}`)
    return said
  }
  const held = next<{ info: ServerInfo }>('held').then(({ info }) => info)
  held.catch(() => {})
  return {
    pid: child.pid!, held,
    release: () => {
      child.stdin!.write('release\n')
      return next<Released>('released')
    },
    again: async () => {
      child.stdin!.write('again\n')
      return (await next<{ info: ServerInfo }>('held')).info
    },
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal)
      await until(() => !isAlive(child.pid!), 'a holder to end')
    },
    signal: (signal) => { child.kill(signal) },
  }
}

/** Where the files of leases are. Undefined before there are any. */
export const hostFolder = ({ pidFile }: Place): string | undefined => {
  try {
    const [host] = readdirSync(`${pidFile}.d`)
    return host === undefined ? undefined : join(`${pidFile}.d`, host)
  } catch {
    return undefined
  }
}

/** Names of the leases, or of the watches. */
export const holdsOf = (at: Place, kind: 'lease' | 'watch'): string[] => {
  const folder = hostFolder(at)
  try {
    return folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(`.${kind}`))
  } catch (error) {
    // The folder goes with the launch, in any moment.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** PIDs of the watches: the third part of their names. */
export const watchesOf = (at: Place): number[] => holdsOf(at, 'watch').map((name) => Number(name.split('.')[2]))

/** Returns when the watchdog of a lease has looked at the holder again: between two looks it naps, in a process of its own. */
export const looked = async (at: Place, watch: number): Promise<void> => {
  const naps = (): number[] => allProcesses().filter(({ parent }) => parent === watch).map(({ pid }) => pid)
  const all = new Set(naps())
  const before = all.size
  await until(() => {
    if (holdsOf(at, 'lease').length === 0) throw new Error('the lease has ended')
    for (const pid of naps()) all.add(pid)
    // Before the first new one it may have looked already.
    return all.size > before + 1
  }, 'the watchdog to look again')
}

/** When nothing of the server lived any more, on the clock of `now()`. */
export const gone = async (at: Place): Promise<number> => {
  // Its environment goes some ms before it does.
  await until(() => at.alive().length === 0 && !at.starts().some(({ pid }) => isAlive(pid)), 'the server to end')
  // One that a signal ended before it could answer signals has not written down its end.
  at.sawDead(at.starts())
  return now()
}
