/** Whether a text is one that was asked for: the body of an answer, or a log. */
import type { Context, Script } from 'node:vm'
import type { Match } from '../options.js'

let room: Context | undefined
let script: Script | undefined

/** ms: it holds the event loop meanwhile. */
const LONGEST = 500

/**
 * A regular expression that backtracks without end holds the event loop, and with it every deadline, signal and Ctrl-C, in each client
 * of the server. Only node:vm can interrupt one. Undefined: it has come to no end.
 */
const found = (text: string, { source, flags }: { source: string; flags: string }, timeout: number): boolean | undefined => {
  const vm = process.getBuiltinModule('node:vm')
  room ??= vm.createContext({})
  script ??= new vm.Script('new RegExp(source, flags).test(text)')
  try {
    return script.runInContext(Object.assign(room, { source, flags, text }), { timeout: Math.max(1, Math.ceil(timeout)) }) as boolean
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined
    throw error
  } finally {
    // Not kept for longer than it is looked at: a log may be long.
    Object.assign(room, { text: '' })
  }
}

/** Why a text is not the one that was asked for: `otherwise`, or that this could not be told in time. Undefined: it is. */
export const mismatch = (text: string, match: Match, atMost: number, otherwise: string): string | undefined => {
  const timeout = Math.min(atMost, LONGEST)
  const is = 'text' in match ? text.includes(match.text) : found(text, match, timeout)
  if (is === undefined && 'source' in match) return `the regular expression /${match.source}/ came to no end within ${timeout} ms`
  return is ? undefined : otherwise
}
