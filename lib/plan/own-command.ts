/**
 * The readiness command as this client itself would run it. A record on disk may name any program, and state is never executed: so a
 * client runs a command only where its own options name the very same one, in the folder and environment that its own options
 * give the server. Every other client, and every call that only looks, takes the word of the client that marked the launch as ready.
 */
import type { Context } from '../context.js'
import { readyBeforeStart, type OneServerError } from '../errors.js'
import { makePlan } from '../health/make-plan.js'
import { RUN, type HealthPlan, type OwnCommand } from '../health/plan.js'
import type { Settings } from '../options/settings.js'
import type { LaunchRecord } from '../state/launch-record.js'
import type { System } from '../system/system.js'
import { joinWords } from '../text/shell-words.js'
import { findProgram } from './command.js'
import { environmentFor } from './environment.js'

/** Undefined for another kind of readiness. Throws COMMAND_NOT_FOUND: a wait for a program that is not there would take the whole time. */
export const ownCommand = async (system: System, settings: Settings, port: number): Promise<OwnCommand | undefined> => {
  const { command } = makePlan(settings, port)
  if (command === undefined) return undefined
  const { cwd } = settings
  const env = environmentFor(settings, port, settings.command === undefined)
  const { program, args } = await findProgram(system, command, { cwd, env, what: 'The program of the readiness command (ready)' })
  return { words: [program, ...args], cwd, env }
}

/** The plan of a launch as this client may ask by it. Undefined: it names a command that this client's options do not name. */
export const askable = async ({ system, settings }: Context, { health, port }: LaunchRecord): Promise<HealthPlan | undefined> => {
  if (health.command === undefined) return health
  if (RUN in health) return health
  if (JSON.stringify(makePlan(settings, port).command) !== JSON.stringify(health.command)) return undefined
  return { ...health, [RUN]: (await ownCommand(system, settings, port))! }
}

/**
 * Why a launch must not begin: its readiness command exits with 0 before anything was started, so it would make any server look ready. A
 * command that has the port among its words asks there, and the port is free.
 */
export const whatPasses = async ({ system, settings }: Context): Promise<OneServerError | undefined> => {
  const { ready, healthTimeout } = settings
  if (ready?.kind !== 'command' || ready.words.some((word) => word.includes('{port}'))) return undefined
  const own = await ownCommand(system, settings, 0)
  const plan = { ...makePlan(settings, 0), [RUN]: own! }
  if (!(await system.probe(plan, healthTimeout)).healthy) return undefined
  return readyBeforeStart(
    `The readiness command ${joinWords(ready.words)} exits with 0`,
    'Let it ask at the port of the server, as {port} among its words or PORT in its environment; or stop the server that it finds.',
  )
}
