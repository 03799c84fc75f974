/**
 * Clients of different patience, for the simulation: a server that boots slowly, first clients that do not wait for so long, and
 * others that do. A launch may not be ended past its deadline while a client that lives and has time left waits for it.
 */
import { ClientProcessManager } from '../../lib/client-process-manager.js'
import { MARGIN } from '../../lib/deadline.js'
import { OneServerError } from '../../lib/errors.js'
import type { System } from '../../lib/system/system.js'
import { OPTIONS, type Act, type RunPlan } from './schedule.js'
import { HOST_FOLDER, type World } from './world.js'

/** ms that the server takes. */
const BOOT = 3000

const launchOf = (world: World, leader: number): string | undefined => {
  const claim = [...world.files.keys()].find((path) => path.startsWith(HOST_FOLDER) && path.includes(`.${leader}.`) && path.endsWith('.claim'))
  return claim === undefined ? undefined : /(\w+)\.\d+\.\d+\.\d+\.claim$/.exec(claim)?.[1]
}

/** Waits for so long, and `after` so many ms. An impatient one may fail by its own time, and not before. */
export const waits = (startupTimeout: number, after = 0): Act => async (_, system, world) => {
  await system.sleep(after)
  const { pid } = await system.self()
  const began = system.now()
  let followed: string | undefined
  /** What a client has written before its first pause is what others can know of it. */
  const telling: System = { ...system, sleep: (ms, options) => {
    if (followed !== undefined) world.waiting.push({ launch: followed, actor: pid, until: began + startupTimeout - MARGIN })
    followed = undefined
    return system.sleep(ms, options)
  } }
  const manager = new ClientProcessManager({
    ...OPTIONS, startupTimeout,
    onEvent: (event) => { if (event.type === 'waiting' && event.for === 'launch' && event.pid !== undefined) followed = launchOf(world, event.pid) },
  }, telling)
  try {
    return await manager.ensureServerRunning()
  } catch (error) {
    if (!(error instanceof OneServerError) || error.code !== 'START_TIMEOUT') throw error
    if (!error.message.includes(`within ${startupTimeout} ms`)) world.violations.push(`a client that waits ${startupTimeout} ms is told: ${error.message}`)
    if (system.now() < began + startupTimeout - MARGIN) world.violations.push(`a client that waits ${startupTimeout} ms is told so after ${system.now() - began} ms`)
    throw error
  } finally {
    for (const one of world.waiting.filter(({ actor }) => actor === pid)) world.waiting.splice(world.waiting.indexOf(one), 1)
  }
}

/** Gives up, as a caller's signal makes it. */
export const aborts = (after: number): Act => async (_, system) => {
  const abort = new AbortController()
  void system.sleep(after).then(() => abort.abort())
  const manager = new ClientProcessManager({ ...OPTIONS, startupTimeout: 1500 }, system)
  return manager.ensureServerRunning({ signal: abort.signal }).catch((error: OneServerError) => {
    if (error.code !== 'ABORTED') throw error
  })
}

const IMPATIENT = 1500
const PATIENT = 6000

export const impatient = waits(IMPATIENT)
export const patient = waits(PATIENT, 100)
/** Comes as the time of the impatient one ends. */
export const late = waits(PATIENT, IMPATIENT - 10)

export const patiencePlan = (acts: readonly Act[], boot = BOOT, withoutWaits = false): RunPlan =>
  ({ acts, options: { ...OPTIONS, startupTimeout: 10_000 }, world: { boot, withoutWaits } })

/** 2 to 5 clients, each of one of three patiences, beside a server that is ready in time for some of them, or for none. */
export const anyPatience = (random: () => number): RunPlan =>
  patiencePlan(Array.from({ length: 2 + Math.floor(random() * 4) }, () => {
    const after = Math.floor(random() * 1600)
    const drawn = random()
    return drawn < 0.1 ? aborts(after) : waits(drawn < 0.5 ? IMPATIENT : drawn < 0.75 ? BOOT : PATIENT, after)
  }), random() < 0.7 ? BOOT : 8000)
