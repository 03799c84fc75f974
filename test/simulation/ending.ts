/**
 * The rule of ending a launch, for the simulation: a launch past its deadline that is not marked
 * ready, clients that find it healthy just now, and clients that find that it does not answer and mean
 * to end it. Whoever was told that it is ready must have a server that nobody ends.
 */
import { startTimeout } from '../../lib/errors.js'
import { listClaims, markPath, tempPath, type Launch } from '../../lib/state/directory.js'
import { contextOf, type Context } from '../../lib/context.js'
import { endPastDeadline, markReady } from '../../lib/protocol/ending-rule.js'
import { tearDown } from '../../lib/protocol/tear-down.js'
import { settingsFrom } from '../../lib/options/settings.js'
import { FORMAT, type LaunchRecord } from '../../lib/state/launch-record.js'
import type { Leader, System } from '../../lib/system/system.js'
import type { Act, RunPlan } from './schedule.js'
import { HOST_FOLDER, PID_FILE } from './world.js'

const ID = '00000000000000aa'
const PORT = 3000
const URL_READY = `http://127.0.0.1:${PORT}/api/health`

const contextOn = (system: System): Promise<Context> => contextOf(settingsFrom({ pidFile: PID_FILE, stopTimeout: 500 }), system)

const recordFor = ({ pid, start, group }: Leader): LaunchRecord => ({
  format: FORMAT, launch: ID, host: 'host', pid, start, group, port: PORT, health: { urls: [URL_READY], headers: {} }, healthTimeout: 500,
  healthCheckInterval: 200, launcher: { pid: 2, start: '14' }, deadline: 0, startupTimeout: 1000, stopSignal: 'SIGTERM', stopTimeout: 500, idleTimeout: 100,
  logFile: '/home/user/server.log', since: new Date(0).toISOString(), bundled: false, identity: { command: [], cwd: '/', env: {} },
})

const theLaunch = async (system: System): Promise<Launch | undefined> =>
  (await listClaims(await contextOn(system))).launches.find(({ id }) => id === ID)

/** Has had a 200 just now. */
export const waiter: Act = async (_, system) =>
  (await markReady(await contextOn(system), recordFor({ pid: 0, start: '0', group: 0 }), URL_READY)) === undefined ? 'ended' : 'ready'

/** Wrong on purpose: looks for the one who ends first, and objects afterwards. */
export const waiterThatLooksFirst: Act = async (_, system) => {
  const { paths } = await contextOn(system)
  const names = await system.list(paths.host)
  if (names.includes(`${ID}.ended`)) return 'ended'
  await system.create(markPath(paths, ID, 'ready'), JSON.stringify({ format: FORMAT, url: URL_READY }), await tempPath(system, paths))
  return 'ready'
}

/** Has had no answer, three times, past the deadline. */
export const reaper: Act = async (_, system) => {
  const context = await contextOn(system)
  const launch = await theLaunch(system)
  if (launch === undefined) return 'gone'
  const record = recordFor(launch.leader)
  const because = startTimeout(1000, 'simulated', {})
  if ((await endPastDeadline(context, launch, record, because)) !== 'ended') return 'given up'
  await tearDown(context, launch, record, because)
  return 'ended it'
}

/** `reapers` come after the waiters, and their health checks fail. */
export const endingPlan = (waiters: readonly Act[], reapers: number): RunPlan => ({
  acts: [...waiters, ...Array.from({ length: reapers }, () => reaper)],
  world: { deafClients: Array.from({ length: reapers }, (_, index) => `c${waiters.length + index + 1}`) },
  prepare: (world) => {
    const leader = world.addServer(ID, PORT)
    world.files.set(`${HOST_FOLDER}/${ID}.${leader.pid}.${leader.start}.${leader.group}.claim`, JSON.stringify(recordFor(leader)))
    world.files.set(`${HOST_FOLDER}/${ID}.gate`, '\n')
  },
  check: (world, results) => {
    const violations = results.filter((result) => result instanceof Error).map((error) => `failed: ${(error as Error).stack}`)
    const isUsed = results.includes('ready')
    if (isUsed && (world.runningServers.length !== 1 || results.includes('ended it'))) violations.push('somebody was told ready, and the server was ended')
    if (isUsed && [...world.files.keys()].some((path) => path.endsWith('.ended'))) violations.push('somebody was told ready, and it is marked as being ended')
    return violations
  },
})
