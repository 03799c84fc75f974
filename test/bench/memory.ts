/**
 * What a client keeps for as long as it uses a server: processes, memory and processor time beside the server, of each way to hold a
 * lease. The kernel is asked, and not the library: a process is counted if it names the folder of its way, and is neither the server nor
 * the user's own program. Linux alone shows what is a process's own.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bareEnv } from '../support/child.js'
import { entriesOf } from '../support/ledger.js'
import { until } from '../support/until.js'
import { belongTo, killAll, type Seen } from '../servers/machine.js'
import { program } from './processes.js'
import { onGround, optionsOn, type Bench, type Ground } from './sides.js'

/** Seconds in which nothing happens: the kernel counts processor time in steps of 10 ms. */
const IDLE = 60

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))

/** Looks at what there is: a watchdog that looks has a child for most of the time, and not for all of it. */
const LOOKS = 7

/** KiB, and ms of processor time, with that of children that have ended. */
interface Cost {
  readonly own: number
  /** What it has written itself: `own` shrinks when another process shares the program. */
  readonly written: number
  readonly resident: number
  readonly cpu: number
}

const NOTHING: Cost = { own: 0, written: 0, resident: 0, cpu: 0 }

export const costOf = (pid: number): Cost => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)![1])
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const times = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).map(Number)
  return { own: kib('Pss'), written: kib('Private_Dirty'), resident: kib('Rss'), cpu: times.reduce((sum, ticks) => sum + ticks * 10, 0) }
}

const sum = (costs: readonly Cost[]): Cost => costs.reduce((all, one) => ({
  own: all.own + one.own, written: all.written + one.written, resident: all.resident + one.resident, cpu: all.cpu + one.cpu,
}), NOTHING)

/** A way to hold a lease. `own` is the user's own program, which is there without it, too. */
interface Way {
  readonly name: string
  begin(ground: Ground, bench: Bench): Promise<{ child: ChildProcess; own?: ChildProcess; before?: Cost }>
}

/** Starts a process; `line` resolves with the next line that it prints. */
const speaking = (command: readonly string[], env: Readonly<Record<string, string>>) => {
  const [file, ...args] = command
  const child = spawn(file!, args, { env: { ...bareEnv(), ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, line: async () => (await lines.next()).value as string | undefined }
}

const cli = ({ env: { HOME, LEDGER, SERVER } }: Ground, { node }: Bench, ...words: readonly string[]) => {
  const [method, ...rest] = words
  const command = [node, CLI, method!, '--pid-file', `${HOME}/s.pid`, '--port', 'auto', '--health', '/api/health', '--quiet', ...rest]
  return speaking(command, { HOME: HOME!, LEDGER: LEDGER!, SERVER: SERVER! })
}

const serverWords = ({ env: { SERVER } }: Ground, { node }: Bench): readonly string[] => ['--', node, SERVER!]

/** A shell, editor or agent of the user, which is no client. */
const another = (): ChildProcess => spawn('sleep', ['100000'], { stdio: 'ignore' })

const ways: readonly Way[] = [
  {
    name: '`run`, with its command',
    begin: async (ground, bench) => {
      const server = ['--server', `${bench.node} ${ground.env.SERVER}`]
      const { child, line } = cli(ground, bench, 'run', ...server, '--', 'sh', '-c', 'echo begun; exec sleep 100000')
      await line()
      // A `run` that has become its command is the user's own program; one that stays is not.
      const isCommand = readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').startsWith('sleep')
      return isCommand ? { child, own: child } : { child }
    },
  },
  {
    name: '`hold`',
    begin: async (ground, bench) => {
      const { child, line } = cli(ground, bench, 'hold', ...serverWords(ground, bench))
      await line()
      return { child }
    },
  },
  {
    name: '`hold --pid`',
    begin: async (ground, bench) => {
      const own = another()
      const { child, line } = cli(ground, bench, 'hold', '--pid', String(own.pid), ...serverWords(ground, bench))
      await line()
      await new Promise((resolve) => { child.once('close', resolve) })
      return { child: own, own }
    },
  },
  {
    name: 'a leased library call',
    begin: async (ground, bench) => {
      const options = JSON.stringify(optionsOn(ground, bench))
      const { child, line } = speaking([bench.node, program('leased')], { ...ground.env, OPTIONS: options })
      await line()
      await settled(child.pid!)
      const before = costOf(child.pid!)
      child.stdin!.write('go\n')
      await line()
      return { child, own: child, before }
    },
  },
]

/** Returns when a process has not grown or shrunk for a second: the last steps of a start follow, and a collection of garbage. */
const settled = async (pid: number): Promise<void> => {
  for (let before = Number.NaN, now = costOf(pid).resident; before !== now; now = costOf(pid).resident) {
    before = now
    await sleep(1000)
  }
}

/** Of several looks the one that found the most processes, with what they cost. */
const fullest = async (look: () => readonly Seen[]): Promise<{ found: readonly Seen[]; costs: readonly Cost[] }> => {
  const looks: { found: readonly Seen[]; costs: readonly Cost[] }[] = []
  while (looks.length < LOOKS) {
    const found = look()
    try {
      looks.push({ found, costs: found.map(({ pid }) => costOf(pid)) })
    } catch {
      // One has ended between the two looks.
    }
    await sleep(500)
  }
  return looks.toSorted((one, other) => other.found.length - one.found.length)[0]!
}

const mb = (kib: number): string => (kib / 1024).toFixed(1)

const measure = (way: Way, bench: Bench): Promise<string> => onGround(0, async (ground) => {
  const { child, own, before } = await way.begin(ground, bench)
  try {
    const servers = (): number[] => entriesOf(ground.env.LEDGER!).map(({ pid }) => pid)
    const counted = (): Seen[] => belongTo(ground.folder, []).filter(({ pid }) => pid !== own?.pid && !servers().includes(pid))
    await until(() => servers().length > 0, 'the server')
    await settled(child.pid!)
    // A child that has ended counts for its parent.
    const begun = counted()
    const lasting = begun.filter(({ parent }) => !begun.some(({ pid }) => pid === parent)).map(({ pid }) => pid)
    const spent = (): number => sum(lasting.map(costOf)).cpu
    const [first, began] = [spent(), performance.now()]
    await sleep(IDLE * 1000)
    const share = (spent() - first) / (performance.now() - began) * 100
    const { found, costs } = await fullest(counted)
    const grown = before === undefined ? '' : `, and its own process has grown by ${mb(costOf(child.pid!).written - before.written)}`
    const { own: all, resident } = sum(costs)
    const names = found.map(({ commandLine }) => commandLine.split(' ')[0]!.split('/').at(-1))
    return `| ${way.name} | ${found.length} (${names.join(', ')}) | ${mb(all)}${grown} | ${mb(resident)} | ${share.toFixed(2)} % |`
  } finally {
    child.kill('SIGKILL')
    await killAll(ground.folder, [])
  }
})

/** The rows of the table, one way after the other: what two of them share would make both look smaller. */
export const measureMemory = async function* (bench: Bench): AsyncGenerator<string> {
  if (process.platform !== 'linux') return
  yield `| what a client keeps | processes | MB of its own (Pss) | MB resident | of a core, ${IDLE} s idle |\n|---|---|---|---|---|`
  for (const way of ways) yield await measure(way, bench)
}
