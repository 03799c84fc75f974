/**
 * The server of an owner: a child in the steward's process group, so that the fuse ends both. It carries the launch id and holds the
 * descriptors by which the local protocol knows its own, so what leaves the group, erases its environment or turns into a daemon is found
 * as ever.
 */
import type { ChildProcess } from 'node:child_process'
import type { Context } from '../context.js'
import { startTimeout, type OneServerError } from '../errors.js'
import { bareHost, baseUrl, endpointOf } from '../health/address.js'
import { awaited } from '../health/awaited.js'
import { makeLaunchPlan } from '../health/make-plan.js'
import { resolveCommand } from '../plan/command.js'
import { environmentFor, withLaunchId } from '../plan/environment.js'
import { ownCommand } from '../plan/own-command.js'
import { choosePort } from '../plan/port.js'
import { confirm } from '../protocol/readiness.js'
import { whyItExited } from '../protocol/tear-down.js'
import type { Launch } from '../state/directory.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { LOG_LINES } from '../state/outcome.js'
import type { Exit, Kin } from '../system/system.js'
import { cannotListen } from './errors.js'
import { openDoor, type Door } from './door.js'
import type { Running } from './local.js'
import { isErrand, type Errand } from './settings.js'

export interface Launched {
  /** The context of the server: its options, and the launch of the steward. */
  readonly context: Context
  readonly launch: Launch
  readonly record: LaunchRecord
  readonly errand: Errand
  /** Processes of the launch that are not the server's: the steward and its fuse. */
  readonly isOurs: (process: Kin) => boolean
  /** The address of this host that other hosts reach. */
  readonly address: () => string | undefined
  /** Gets why the server is not ready yet. */
  readonly awaits: (why: string | undefined) => void
}

/** ms between two looks at processes that have been asked to end. */
const PAUSE = 20
/** Share of `ttl` before the fuse's instant at which a server that does not stop is killed. */
const BEFORE_FUSE = 0.1
/** ms between two looks at a server whose first process has left with 0. */
const HEADLESS_PAUSE = 1000

const serverEnvironment = ({ context, errand, launch }: Launched, port: number, epoch: number): Record<string, string> => {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isErrand(name)))
  const own = { ...inherited, ...(errand.nodeOptions === undefined ? {} : { NODE_OPTIONS: errand.nodeOptions }) }
  const { settings, paths } = context
  const env = withLaunchId(environmentFor(settings, port, settings.command === undefined, own), launch.id, paths.pidFile)
  return { ...env, ONE_SERVER_EPOCH: String(epoch) }
}

export const startServer = async (launched: Launched, epoch: number): Promise<Running> => {
  const { context, launch, errand } = launched
  const { system, settings } = context
  // Nothing is adopted for other hosts, so a port is all that comes.
  const port = (await choosePort({ ...context, settings: { ...settings, reuseExisting: false } }, new Set())) as number
  const env = serverEnvironment(launched, port, epoch)
  const { program, args } = await resolveCommand(system, settings, port, env)
  const asked = await ownCommand(system, settings, port)
  const plan = await makeLaunchPlan(settings, port, () => system.inodeOf(settings.logFile), asked)
  const record = { ...launched.record, port, health: plan }
  const { spawn } = process.getBuiltinModule('node:child_process')
  // By 8 and 9 a process is known that erases its environment (protocol/README.md).
  const child = spawn(program, args, { cwd: settings.cwd, env, stdio: [0, 1, 2, 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 8, 9] })
  let exit: Exit | undefined
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = signal === null ? { exitCode: code! } : { signal }
      resolve()
    })
    child.once('error', () => resolve())
  })
  const pid = await pidOf(child, launched)
  const kin = async (): Promise<Kin[]> => (await system.kin(launch.leader, launch.id)).filter((one) => !launched.isOurs(one))
  let isStopping = false
  const gone = exited.then(async () => {
    // A daemon, or `sh -c "server &"`: the first process has left, and others serve on.
    while (exit?.exitCode === 0 && !isStopping && (await kin()).length > 0) await system.sleep(HEADLESS_PAUSE)
    return whyItExited(context, record, exit ?? {})
  })
  let answered: string | undefined
  const becomeReady = async (): Promise<OneServerError | undefined> => {
    // The clients of this host wait so long, and then end this launch: a steward that gave up before them would be started once more.
    const longest = settings.startupTimeout + errand.ttl
    const until = system.now() + longest
    let isGone = false
    void gone.then(() => { isGone = true })
    for (let last = 'it was not asked yet'; ; ) {
      if (isGone || isStopping) return undefined
      const answer = await system.probe(plan, settings.healthTimeout, undefined, launch)
      const confirmed = answer.healthy ? await confirm(context, launch, answer) : answer
      if (confirmed.healthy) {
        launched.awaits(undefined)
        answered = confirmed.url
        return undefined
      }
      last = `waiting for ${awaited(plan)}: ${confirmed.reason}`
      launched.awaits(last)
      if (system.now() >= until) {
        const { logFile } = settings
        return startTimeout(longest, last, { pid, port, logFile, logTail: await system.tail(logFile, LOG_LINES) })
      }
      await system.sleep(settings.healthCheckInterval, { wake: gone })
    }
  }
  let door: Door | undefined
  return {
    pid,
    // `gone` alone speaks of a server that has ended.
    ready: becomeReady().then((failed) => (answered === undefined && failed === undefined ? new Promise(() => {}) : failed)),
    gone,
    open: async (serves) => {
      door = await openAt(errand, launched.address(), answered!, port, serves)
      return urlAt(door, errand, launched.address(), answered!)
    },
    shut: () => door?.shut(),
    stop: async (within) => {
      isStopping = true
      const killAt = system.now() + settings.stopTimeout
      const signalled = new Set<number>()
      for (;;) {
        const left = await kin()
        if (left.length === 0 && (exit !== undefined || child.pid === undefined)) return
        // The fuse would take the steward along, and the claim would not be given back.
        const hard = system.now() >= killAt || within() <= BEFORE_FUSE * errand.ttl
        for (const one of left) {
          if (hard || !signalled.has(one.pid)) await system.signal(one, hard ? 'SIGKILL' : settings.stopSignal)
          signalled.add(one.pid)
        }
        await system.sleep(PAUSE)
      }
    },
  }
}

const pidOf = async (child: ChildProcess, { context }: Launched): Promise<number> => {
  if (child.pid !== undefined) return child.pid
  const cause = await new Promise<Error>((resolve) => { child.once('error', resolve) })
  const { commandNotFound } = await import('../errors.js')
  const hint = 'Check the command and the limits of this host (ulimit -u).'
  throw commandNotFound(`The server could not be started: ${cause.message}`, hint, context.settings.command)
}

/** The door, which listens at the one address that other hosts get, unless `listen` names another. */
const openAt = async (
  { advertise, listen }: Errand, address: string | undefined, answered: string, port: number, serves: () => boolean,
): Promise<Door> => {
  const host = listen ?? advertise.host ?? address ?? '127.0.0.1'
  const at = endpointOf(answered) ?? { host: '127.0.0.1', port }
  try {
    return await openDoor({ host: bareHost(host), port: advertise.port, to: at, serves })
  } catch (error) {
    const where = advertise.port === 0 ? host : `${host}:${advertise.port}`
    throw cannotListen(where, (error as Error).message, listen === undefined ? 'advertise' : 'listen')
  }
}

const urlAt = (door: Door, { advertise }: Errand, address: string | undefined, answered: string): string => {
  const host = advertise.host ?? address ?? '127.0.0.1'
  const scheme = answered.slice(0, answered.indexOf(':'))
  const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return baseUrl(`${scheme}://${shown}:${door.port}`)
}
