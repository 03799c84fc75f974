/**
 * What a client writes down about the server that it is about to start: the body of its claim and the second line of the
 * PID file. It holds everything that another client needs to find, follow and stop the server, so the options of the
 * client that reads it do not matter.
 *
 * Format 1, one JSON object; unknown fields are ignored. Each program bundles its own copy of one-server and may meet a
 * newer one, so a higher `format` is never judged.
 */
import { isHealthPlan, type HealthPlan } from '../health/plan.js'
import { isSignal, LONGEST } from '../options/parse.js'
import type { ProcessId } from '../system/system.js'

export const FORMAT = 1

/** How a server was started, as far as its client said so. Two clients with other fingerprints want other servers. */
export interface Fingerprint {
  /** As the client gave it, before `{port}` is filled in; empty for the bundled server. */
  readonly command: readonly string[]
  readonly cwd: string
  /** Each name with a hash of its value: values may be secret. */
  readonly env: Readonly<Record<string, string>>
  /** The same of names to which its client gave the value that its own environment has: no wish, and right where another names it. */
  readonly spread?: Readonly<Record<string, string>>
  readonly version?: string
  /** The engine and the prefix that its hosts share, in words. */
  readonly coordinator?: string | undefined
}

export interface LaunchRecord {
  readonly format: typeof FORMAT
  readonly launch: string
  /** The host's folder: on another host, PID and start time mean nothing. */
  readonly host: string
  /** The server: the leader of its process group. */
  readonly pid: number
  readonly start: string
  /** Its process group. */
  readonly group: number
  /** The parent of the server until it is ready. */
  readonly keeper?: ProcessId
  /** In the PID file alone, of a launch whose leader has gone: the process that serves. */
  readonly serving?: ProcessId
  readonly port: number
  readonly health: HealthPlan
  readonly healthTimeout: number
  readonly healthCheckInterval: number
  /** The client that launches it. */
  readonly launcher: ProcessId
  /** Monotonic ms of this boot: until then it may boot. */
  readonly deadline: number
  readonly startupTimeout: number
  readonly stopSignal: NodeJS.Signals
  readonly stopTimeout: number
  /** ms that it lives on after its last lease. */
  readonly idleTimeout: number
  readonly logFile: string
  /** ISO 8601, for people. */
  readonly since: string
  /** Whether it is the bundled session server. */
  readonly bundled: boolean
  /** What was launched, as far as its client said so. */
  readonly identity: Fingerprint
  /** Its name in the config file of a folder, where it has one. */
  readonly configured?: { readonly name: string; readonly folder: string }
}

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === 'string'
const count: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
// A record must not bring in what the options refuse.
const duration: Check = (value) => count(value) && (value as number) <= LONGEST
const pid: Check = (value) => Number.isSafeInteger(value) && (value as number) > 1
const digits: Check = (value) => typeof value === 'string' && /^\d+$/.test(value)
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const identity: Check = (value) =>
  isObject(value) && Array.isArray(value['command']) && value['command'].every(text) && text(value['cwd']) &&
  isObject(value['env']) && Object.values(value['env']).every(text) &&
  (value['spread'] === undefined || (isObject(value['spread']) && Object.values(value['spread']).every(text))) &&
  [value['version'], value['coordinator']].every((one) => one === undefined || text(one))

/** A client may be the first process of its container. A server is a child, so it never is. */
const client: Check = (value) => isObject(value) && (value['pid'] === 1 || pid(value['pid'])) && digits(value['start'])

const configured: Check = (value) => value === undefined || (isObject(value) && text(value['name']) && text(value['folder']))

const FIELDS: Readonly<Record<Exclude<keyof LaunchRecord, 'format'>, Check>> = {
  launch: (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value),
  host: text, pid, start: digits, group: pid, keeper: (value) => value === undefined || client(value),
  serving: (value) => value === undefined || client(value),
  port: (value) => Number.isInteger(value) && (value as number) > 0 && (value as number) < 65536,
  health: isHealthPlan, healthTimeout: duration, healthCheckInterval: duration,
  launcher: client, deadline: count, startupTimeout: duration,
  stopSignal: isSignal, stopTimeout: duration, idleTimeout: duration, logFile: text, since: text,
  bundled: (value) => typeof value === 'boolean', identity, configured,
}

export type Parsed = LaunchRecord | 'newer' | 'cut-short' | 'foreign'

let last: { readonly line: string; readonly parsed: Parsed } | undefined

/**
 * `cut-short`: begins as a record and does not end. `foreign`: something else. A process that calls often reads the
 * same line, so the last answer is kept.
 */
export const parseRecord = (line: string): Parsed => {
  if (last?.line !== line) last = { line, parsed: parse(line) }
  return last.parsed
}

const parse = (line: string): Parsed => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return line.trimStart().startsWith('{') || line.trim() === '' ? 'cut-short' : 'foreign'
  }
  if (!isObject(value) || typeof value['format'] !== 'number') return 'foreign'
  if (value['format'] > FORMAT) return 'newer'
  for (const [name, check] of Object.entries(FIELDS)) if (!check(value[name])) return 'foreign'
  return value as unknown as LaunchRecord
}
