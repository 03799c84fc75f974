/** What the clients of the simulated runs do. */
import type { Act, Choice, RunPlan } from './schedule.js'
import type { WorldOptions } from './world.js'

export const ensure: Act = (manager) => manager.ensureServerRunning()
export const stopServer: Act = (manager) => manager.stopServer()
const start: Act = (manager) => manager.startServer()
const isRunning: Act = (manager) => manager.isServerRunning()

/** Every fault that the exhaustive search places once. */
export const FAULTS: readonly Choice['kind'][] = ['crash', 'freeze', 'server-dies', 'leader-dies', 'leader-leaves']

const anyAct = (random: () => number): Act => {
  const drawn = random()
  return drawn < 0.7 ? ensure : drawn < 0.85 ? stopServer : drawn < 0.95 ? start : isRunning
}

const childrenFor = (drawn: number): WorldOptions => (drawn < 0.25 ? { withChildren: 'serving' } : drawn < 0.4 ? { withChildren: 'idle' } : {})

/** 3 to 6 clients, most of which want the server; in some runs it has a child that outlives its leader. */
export const anyActs = (random: () => number): RunPlan => ({
  acts: Array.from({ length: 3 + Math.floor(random() * 4) }, () => anyAct(random)),
  world: childrenFor(random()),
})
