/**
 * Whether a text holds what the options ask for: the body of an answer (`healthMatch`), or a log (`ready: { log }`).
 *
 * A regular expression that backtracks without end would hold the event loop, and with it each deadline, signal and
 * Ctrl-C of each client of the server. Only `node:vm` can interrupt one.
 */
import type { Context, Script } from 'node:vm'
import type { Match } from '../options/parse.js'

let room: Context | undefined
let script: Script | undefined

/** ms that a regular expression may run, of the processor's time: it holds the event loop for so long. */
const LONGEST = 500

/** How often one is begun again that had less than half of the processor, each time with twice as long. */
const STARVED = 4

/** Undefined: the regular expression was interrupted. */
const isFound = (text: string, { source, flags }: { source: string; flags: string }, timeout: number): boolean | undefined => {
  const vm = process.getBuiltinModule('node:vm')
  room ??= vm.createContext({})
  script ??= new vm.Script('new RegExp(source, flags).test(text)')
  try {
    for (let times = 0; ; times++) {
      const before = process.cpuUsage()
      try {
        const limit = Math.max(1, Math.ceil(timeout)) * 2 ** times
        return script.runInContext(Object.assign(room, { source, flags, text }), { timeout: limit }) as boolean
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
        // The limit is on the clock, and beside busy processes the clock shows nothing about the expression.
        const { user, system } = process.cpuUsage(before)
        if (times === STARVED || (user + system) / 1000 > timeout / 2) return undefined
      }
    }
  } finally {
    // A log may be long, and the context would keep it in memory.
    Object.assign(room, { text: '' })
  }
}

/**
 * Undefined: the text matches. Else why not: `otherwise`, that the regular expression ran for `atMost` ms (500 at most), or that it could
 * not be tried. A check is judged in a callback, where an error would end the process; Node 20 once refused a context that it had made.
 */
export const mismatch = (text: string, match: Match, atMost: number, otherwise: string): string | undefined => {
  const timeout = Math.min(atMost, LONGEST)
  if ('text' in match) return text.includes(match.text) ? undefined : otherwise
  try {
    const is = isFound(text, match, timeout)
    if (is === undefined) return `the regular expression /${match.source}/ did not end within ${timeout} ms`
    return is ? undefined : otherwise
  } catch (error) {
    room = undefined
    return `the regular expression /${match.source}/ could not be tried: ${(error as Error).message}`
  }
}
