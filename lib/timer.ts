/**
 * A timer that decides something. A busy machine must not be taken for a broken one: where the event loop was blocked (a
 * build, a breakpoint, a frozen container, two busy processes beside this one), a plain timer fires before the answer is read that
 * came long ago, and it counts time in which nothing could have been read.
 *
 * So a wait is counted in turns of the event loop, each of an equal share of the time. However long a turn was held up, it
 * counts for its share. And after the last turn the loop reads once more what has arrived, since the poll for it lies between a timer
 * and an immediate.
 *
 * A test may put fake timers in the place of the host's. A call would wait for ever for a time that never comes, and so would each
 * call that joins it. So the timers are Node's own, as they were when this file was loaded. Where sinon's fakes were there first (Vitest
 * and Jest have them, too), each fake still has the true one.
 */

const trueOf = <Of, Name extends keyof Of & string>(of: Of, name: Name): Of[Name] =>
  (of[name] as { clock?: Record<string, Of[Name]> }).clock?.[`_${name}`] ?? of[name]

const timers = process.getBuiltinModule('node:timers')

export const setTimeout = trueOf(timers, 'setTimeout')
export const clearTimeout = trueOf(timers, 'clearTimeout')
export const setImmediate = trueOf(timers, 'setImmediate')
export const clearImmediate = trueOf(timers, 'clearImmediate')
/** Monotonic nanoseconds of this boot. */
export const clock = trueOf(process, 'hrtime').bigint

/** Turns of the event loop that a wait takes at least. A request needs four: connect, send, head and body of the answer. */
const TURNS = 8

/**
 * Calls `expire` when `ms` have been waited, unless the function that it returns is called first. `held`: this process stays
 * alive for it.
 */
export const startTimer = (ms: number, expire: () => void, held = true): (() => void) => {
  let turns = 0
  let timer: NodeJS.Timeout | NodeJS.Immediate
  const turn = (): void => {
    timer = turns++ < TURNS ? setTimeout(turn, Math.ceil(ms / TURNS)) : setImmediate(expire)
    if (!held) timer.unref()
  }
  turn()
  return () => {
    clearTimeout(timer as NodeJS.Timeout)
    clearImmediate(timer as NodeJS.Immediate)
  }
}
