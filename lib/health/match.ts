/** Whether a text is one that was asked for: the body of an answer, or a log. */
import type { Match } from '../options.js'

export const matches = (body: string, match: Match): boolean => ('text' in match ? body.includes(match.text) : new RegExp(match.source, match.flags).test(body))
