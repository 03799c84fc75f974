/**
 * What a launch is waited for by, in words. A server that is ready by a connection or by a line of its log has no health check, and
 * a message that speaks of one sends its reader to look for it.
 */
import type { Match } from '../options/parse.js'
import { joinWords } from '../text/shell-words.js'
import { redactUrl } from '../text/redact-url.js'
import { kindOf, type Kind } from './kind.js'
import type { HealthPlan } from './plan.js'

/** The flag `m` is ours: a log is searched line by line. */
const regExp = ({ source, flags }: Exclude<Match, { text: string }>): string => `/${source}/${flags.replace('m', '')}`

const quoted = (match: Match): string => ('text' in match ? `with ${JSON.stringify(match.text)}` : `that matches ${regExp(match)}`)

const WORDS: Readonly<Record<Kind, (plan: HealthPlan) => string>> = {
  http: ({ urls }) => `the health check of ${redactUrl(urls[0]!)}`,
  tcp: ({ urls }) => `a connection to ${redactUrl(urls[0]!)}`,
  socket: ({ urls }) => `a connection to ${redactUrl(urls[0]!)}`,
  command: ({ command }) => `the command ${joinWords(command!)} to exit with 0`,
  log: ({ log }) => `a line of its log ${quoted(log!.match)}`,
}

/** As `the health check of http://127.0.0.1:3000/api/health`, or `a line of its log with "ready"`. */
export const awaited = (plan: HealthPlan): string => WORDS[kindOf(plan)](plan)

/** The same for the event, which has a URL for it. */
export const awaitedUrl = (plan: HealthPlan): string => {
  const match = plan.log?.match
  if (plan.command !== undefined) return `cmd:${joinWords(plan.command)}`
  if (match === undefined) return redactUrl(plan.urls[0]!)
  return `log:${'text' in match ? match.text : regExp(match)}`
}
