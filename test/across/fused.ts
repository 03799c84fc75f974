/** A process in a group of its own that has lit a fuse and does what it is asked to, line by line, as a steward would. */
import { once } from 'node:events'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Test } from 'tap'
import { library, startModule } from '../support/child.js'
import { allProcesses, processesIn, processesWith } from '../support/processes.js'
import { until } from '../support/until.js'

const STEWARD = `
  import { spawn } from 'node:child_process'
  import { createInterface } from 'node:readline'
  import { fuseClock, lightFuse } from '${library('across/fuse.js')}'
  const [launch, shell] = process.argv.slice(1)
  const fuse = lightFuse(launch, shell)
  let isGone = false
  void fuse.gone.then(() => { isGone = true })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => {})
  const orders = {
    arm: (ms) => fuse.arm(fuseClock() + Math.ceil(ms / 10)).then(() => 'armed'),
    many: async (times) => {
      for (let left = Number(times); left > 0; left--) await fuse.arm(fuseClock() + 6000 + left)
      return 'armed'
    },
    begin: (ms) => (void fuse.arm(fuseClock() + Math.ceil(ms / 10)), 'sent'),
    run: (json) => {
      const { command, args, env, detached } = JSON.parse(json)
      const child = spawn(command, args, { detached, env: { ...process.env, ...env }, stdio: 'ignore' })
      return String(child.pid)
    },
    gone: async () => (await fuse.gone, 'gone'),
    isGone: () => String(isGone),
    fuse: () => String(fuse.pid),
  }
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, ...rest] = line.split(' ')
    void Promise.resolve(orders[word](rest.join(' '))).then(console.log)
  }
`

export interface Fused {
  readonly child: ChildProcess
  readonly pid: number
  /** Sends an order, and returns the next line that it says. */
  ask(order: string): Promise<string>
  /** The next line that it says. */
  line(): Promise<string>
  /** Runs a program as the server's process. */
  runs(command: string, args: readonly string[], more?: { env?: object; detached?: boolean }): Promise<number>
  /** Live processes of its group without itself. */
  group(): number[]
  readonly exited: Promise<unknown>
}

/** Timers of a fuse, by the form in which it gives the time to sleep(1). */
export const sleepsOf = (group: number): number => allProcesses().filter(({ group: of, state, command }) => of === group && state !== 'Z' && / sleep \d+\.\d+ $/.test(command)).length

export const zombiesOf = (group: number): number => allProcesses().filter(({ group: of, state }) => of === group && state === 'Z').length

let launches = 0

/** An id as a launch has it. */
export const newLaunchId = (): string => (process.pid * 1000 + ++launches).toString(16).padStart(16, '0')

export const startFused = async (t: Pick<Test, 'teardown'>, launch = newLaunchId(), shell?: string, options: SpawnOptions = {}): Promise<Fused> => {
  const { child, line } = startModule(t, STEWARD, shell === undefined ? [launch] : [launch, shell], { detached: true, ...options })
  const pid = child.pid!
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await until(() => allProcesses().every(({ command, state }) => state === 'Z' || !command.includes(` one-server ${launch} `)), 'what sweeps strays to end')
    for (const left of processesWith(`ONE_SERVER_LAUNCH_ID=${launch}`) ?? []) process.kill(left, 'SIGKILL')
  })
  const ask = async (order: string): Promise<string> => {
    child.stdin!.write(`${order}\n`)
    return line()
  }
  await line()
  return {
    child, pid, exited, ask, line,
    runs: async (command, args, more = {}) => Number(await ask(`run ${JSON.stringify({ command, args, ...more })}`)),
    group: () => processesIn(pid).filter((one) => one !== pid),
  }
}
