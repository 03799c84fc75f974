/** What sessions and their servers keep in memory, from the kernel: Pss shares out what processes have in common, so that it adds up. */
import { readFileSync } from 'node:fs'
import type { Seen } from '../servers/machine.js'

export interface Memory {
  readonly what: string
  readonly processes: number
  readonly mb: number
}

const pssOf = (pid: number): number => {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** The agents themselves are there in any case, so what `isHost` says is not counted. */
export const measure = (what: string, found: readonly Seen[], isHost: (seen: Seen) => boolean = () => false): Memory => {
  const counted = found.filter((seen) => !isHost(seen))
  return { what, processes: counted.length, mb: Math.round(counted.reduce((sum, { pid }) => sum + pssOf(pid), 0)) }
}

/** The rows of the table in fixtures/README.md. */
export const tableOf = (rows: readonly Memory[]): string =>
  ['| six sessions | processes | MB |', '|---|---|---|', ...rows.map(({ what, processes, mb }) => `| ${what} | ${processes} | ${mb} |`)].join('\n')
