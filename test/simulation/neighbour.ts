/**
 * A stranger comes to the other address of a server's port, before, while or after the server becomes ready. All that use one launch must
 * have one URL all the same: it is chosen once, and written down before any of them has it.
 */
import type { ServerInfo } from '../../lib/server-info.js'
import type { Act, RunPlan } from './schedule.js'
import { ensure } from './series.js'
import { HOST_FOLDER } from './world.js'

/** Takes the other address of each port on which a server listens or will listen. */
export const early: Act = async (_, system, world) => {
  await system.list(HOST_FOLDER)
  for (const { port } of world.processes.values()) world.neighbours.add(port)
  return 'came'
}

/** The same, once the server is ready. It gives up in the end: in a run that was cut short no sleep takes time. */
export const late: Act = async (manager, system, world) => {
  const isReady = (): boolean => [...world.files.keys()].some((path) => path.endsWith('.ready'))
  for (let looks = 0; looks < 100 && !isReady(); looks++) await system.sleep(20)
  return early(manager, system, world)
}

/** Calls twice, so that one call finds the server ready, and the stranger there. */
const ensureTwice: Act = async (manager, system, world) => {
  const first = await ensure(manager, system, world)
  await system.sleep(500)
  return [first, await ensure(manager, system, world)]
}

const isInfo = (result: unknown): result is ServerInfo => typeof result === 'object' && result !== null && 'launchId' in result

/** The URLs that callers got of each launch. */
const urlsByLaunch = (results: readonly unknown[]): Map<string | undefined, Set<string>> => {
  const found = new Map<string | undefined, Set<string>>()
  for (const { launchId, url } of results.flat().filter(isInfo)) found.set(launchId, (found.get(launchId) ?? new Set()).add(url))
  return found
}

/** `seen` receives each URL that a client got, without its port. */
export const neighbourPlan = (neighbour: Act, seen: Set<string>): RunPlan => ({
  acts: [ensureTwice, ensureTwice, neighbour],
  check: (_, results) => {
    const failed = results.filter((result) => result instanceof Error).map((error) => `a call failed: ${String(error)}`)
    const urls = [...urlsByLaunch(results)]
    for (const [, all] of urls) for (const url of all) seen.add(url.replace(/:\d+$/, ''))
    return [...failed, ...urls.filter(([, all]) => all.size > 1).map(([id, all]) => `launch ${id} has ${[...all].join(' and ')}`)]
  },
})
