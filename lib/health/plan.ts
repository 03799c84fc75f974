/**
 * What is asked to learn whether a server is ready, as data: a client writes the plan into the record of its
 * launch, and every other client asks by that plan, whatever its own options say. So the shape is a format on
 * disk: it is checked here as it is read, and an older one-server must still understand it.
 */
import { isHeader, type Match, type Statuses } from '../options/parse.js'
import { isUrl } from '../text/is-url.js'

export interface HealthPlan {
  /** Literal URLs, tried in this order; one that answers is enough. The kind of readiness decides what they mean. */
  readonly urls: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  /** The statuses of a healthy answer; absent, 2xx. */
  readonly status?: Statuses
  /** What the body of a healthy answer must hold. */
  readonly match?: Match
  /** A line of the log shows that the server is ready, and the URLs only say where it is. `inode`: of this launch's own log. */
  readonly log?: { readonly file: string; readonly match: Match; readonly inode?: string }
  /** A program that exits with 0 shows that the server is ready, and the URLs only say where it is. The words are for people. */
  readonly command?: readonly string[]
  readonly [RUN]?: OwnCommand
}

/**
 * How this client itself runs the command of a plan. State is never executed: so a plan from disk has none, and none can be written
 * there, since JSON has no symbols. A client whose own options name the same command adds it (plan/own-command.ts).
 */
export const RUN: unique symbol = Symbol('run')

/** A program with its words, folder and environment. */
export interface OwnCommand {
  readonly words: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** A check that was passed. */
export interface Healthy {
  readonly healthy: true
  readonly url: string
  /** The launch id that the server gave, if it gave one: only the processes of that launch know it. */
  readonly launchId?: string
}

export type Probe = Healthy | { readonly healthy: false; readonly reason: string }

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isHealthUrl = (value: unknown): boolean => isUrl(value) && /^(?:(?:https?|tcp):\/\/|socket:\/)/.test(value)

const isMatch = (value: unknown): boolean => {
  if (!isObject(value)) return false
  if (typeof value['text'] === 'string') return true
  try {
    return new RegExp(value['source'] as string, value['flags'] as string) instanceof RegExp && typeof value['source'] === 'string'
  } catch {
    return false
  }
}

const isLog = (value: unknown): boolean =>
  isObject(value) && typeof value['file'] === 'string' && isMatch(value['match']) &&
  (value['inode'] === undefined || (typeof value['inode'] === 'string' && /^\d+$/.test(value['inode'])))

const isStatuses = (value: unknown): boolean => Array.isArray(value) && value.every((range) => isWords(range, 'number'))

const isWords = (value: unknown, type = 'string'): boolean => Array.isArray(value) && value.every((word) => typeof word === type)

/** Whether a value that was read from disk is a plan that can be asked. */
export const isHealthPlan = (value: unknown): value is HealthPlan =>
  isObject(value) && Array.isArray(value['urls']) && value['urls'].length > 0 && value['urls'].every(isHealthUrl) &&
  isObject(value['headers']) && Object.entries(value['headers']).every(([name, header]) => isHeader(name, header)) &&
  (value['match'] === undefined || isMatch(value['match'])) && (value['log'] === undefined || isLog(value['log'])) &&
  (value['status'] === undefined || isStatuses(value['status'])) && (value['command'] === undefined || isWords(value['command']))
