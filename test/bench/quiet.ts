/**
 * Whether the machine has something else to do. Ratios bear a busy machine better than times do, and not well: a floor that waits for
 * other programs makes every side look alike, so a table that was measured beside them says so.
 */
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Share of all cores that others may use without a warning: what a desktop or a container does by itself. */
const NOISE = 0.1

/** ms of all cores since the machine began, and how many of them were idle. */
const spent = (): { all: number; idle: number } => cpus().reduce(({ all, idle }, { times }) => {
  const sum = Object.values(times).reduce((one, other) => one + other, 0)
  return { all: all + sum, idle: idle + times.idle }
}, { all: 0, idle: 0 })

/** The share of all cores that was used in a second in which the bench itself does nothing. */
export const othersUse = async (): Promise<number> => {
  const before = spent()
  await sleep(1000)
  const after = spent()
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

/** Warnings of a run, by the case before which others were seen. */
export const watchOthers = (): { look(before: string): Promise<void>; warning(): string | undefined } => {
  const seen: string[] = []
  return {
    async look(before) {
      const share = await othersUse()
      if (share > NOISE) seen.push(`${Math.round(share * 100)} % before ${before}`)
    },
    warning: () =>
      (seen.length === 0 ? undefined : `warning: others used the cores, so these figures are not to be kept: ${seen.join(', ')}`),
  }
}
