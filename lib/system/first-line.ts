/**
 * What a process that was just started says first, if it says it in time. A loop that was blocked meanwhile (a
 * build, a breakpoint, a frozen container) finds that the time is over before it has read what has long been said, so
 * it reads once more: the loop polls between a timer and an immediate.
 */
export const lineWithin = (lines: AsyncIterator<string>, ms: number): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => resolve(undefined)), ms)
    lines.next().then(({ done, value }) => resolve(done === true ? undefined : value), reject).finally(() => clearTimeout(timer))
  })
