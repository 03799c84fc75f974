/**
 * Whatever stands in the PID file and in the folder: one call ends with a working server or with an
 * error of ours, and a process that is somebody else's is never signalled. Property: any content, made
 * by fast-check from what such files look like and from noise.
 */
import fc from 'fast-check'
import { OneServerError } from '../../lib/errors.js'
import { FORMAT } from '../../lib/state/launch-record.js'
import { ensure } from './series.js'
import { run, type Chooser } from './schedule.js'
import { HOST_FOLDER, PID_FILE, type World } from './world.js'

/** A process that is no server and lives all the time. Its start time is seven times its PID, as everybody's there. */
const STRANGER = 50
const LAUNCH = '00000000000000aa'

const calm: Chooser = { random: () => 0.5, faults: new Set(), choose: () => 0 }

const record = {
  format: FORMAT, launch: LAUNCH, host: 'host', pid: STRANGER, start: '350', group: STRANGER, port: 3000,
  health: { urls: ['http://127.0.0.1:3000/api/health'], headers: {} }, healthTimeout: 500, healthCheckInterval: 200,
  launcher: { pid: 2, start: '14' }, deadline: 0, startupTimeout: 1000, stopSignal: 'SIGTERM', stopTimeout: 500, idleTimeout: 100,
  logFile: '/home/user/server.log', since: '1970-01-01T00:00:00.000Z', bundled: false, identity: { command: [], cwd: '/', env: {} },
}

/** PIDs that mean something, and any. */
const pid = fc.oneof(fc.constantFrom(0, 1, 2, STRANGER, 100, 4294967296), fc.integer())

/** A record with some fields replaced by anything, and sometimes cut short. */
const damagedRecord = fc.record({ changes: fc.dictionary(fc.constantFrom(...Object.keys(record)), fc.jsonValue()), cut: fc.nat(600) })
  .map(({ changes, cut }) => JSON.stringify({ ...record, ...changes }).slice(0, cut < 300 ? cut : undefined))

const pidFileText = fc.oneof(
  fc.constant(`${STRANGER}\n${JSON.stringify(record)}\n`), fc.string(), pid.map((one) => `${one}\n`), fc.tuple(pid, damagedRecord).map(([one, text]) => `${one}\n${text}\n`), fc.tuple(pid, fc.json()).map(([one, text]) => `${one}\n${text}`),
)

/** Wrong start times of the stranger, or anybody's. */
const identity = fc.tuple(pid, fc.oneof(fc.nat(), fc.constant(350)), pid).map((parts) => parts.join('.'))

const fileName = fc.oneof(
  identity.map((one) => `${LAUNCH}.${one}.claim`), identity.map((one) => `${LAUNCH}.${one}.tmp`), identity.map((one) => `${LAUNCH}.${one}.locking`),
  fc.constantFrom('gate', 'ready', 'unattended', 'ended', 'outcome', `${LAUNCH}.ending`, 'claim', 'claim2').map((mark) => `${LAUNCH}.${mark}`),
  fc.string({ minLength: 1 }).map((name) => name.replaceAll('/', '_')),
)

const state = fc.record({
  pidFile: fc.option(pidFileText, { nil: undefined }),
  files: fc.dictionary(fileName, fc.oneof(fc.string(), damagedRecord, fc.constant('')), { maxKeys: 4 }),
})

const prepare = ({ pidFile, files }: typeof state extends fc.Arbitrary<infer State> ? State : never) => (world: World): void => {
  world.addStranger(STRANGER)
  if (pidFile !== undefined) world.files.set(PID_FILE, pidFile)
  for (const folder of [`${PID_FILE}.d`, HOST_FOLDER]) world.folders.add(folder)
  for (const [name, body] of Object.entries(files)) {
    // A claim with a true identity can be forged only by this very user, who could signal the process as well.
    if (!name.includes(`.${STRANGER}.350.`)) world.files.set(`${HOST_FOLDER}/${name}`, body)
  }
}

/** Goes through `cases` states. Rejects with the smallest one that breaks the property. */
export const exploreHostileStates = (cases: number): Promise<void> =>
  fc.assert(fc.asyncProperty(state, async (there) => {
    const { violations } = await run({
      acts: [ensure], prepare: prepare(there),
      check: (world, [result]) => {
        const found: string[] = []
        if (!world.isRunning(STRANGER)) found.push('a stranger was signalled')
        const isServer = typeof result === 'object' && result !== null && 'url' in result
        if (!isServer && !(result instanceof OneServerError)) found.push(`neither a server nor an error of ours: ${result instanceof Error ? result.stack : String(result)}`)
        if (isServer && world.runningServers.length !== 1) found.push(`${world.runningServers.length} servers`)
        if (!isServer && world.runningServers.length > 0) found.push('an error, and yet a server runs')
        return found
      },
    }, calm)
    if (violations.length > 0) throw new Error(violations.join('\n'))
  }), { numRuns: cases, endOnFailure: false })
