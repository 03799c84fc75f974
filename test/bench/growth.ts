/**
 * How costs grow: with clients at once, with leases on one server, and with servers of one user. What one client, lease or server costs
 * must not depend on how many others there are, and what is paid for all together must not grow faster than their number.
 */
import { clientsAtOnce } from './growth-clients.js'
import { leasesOnOneServer } from './growth-leases.js'
import { serversOfOneUser } from './growth-servers.js'
import type { Bench } from './sides.js'

export type Kind = 'clients' | 'leases' | 'servers'

/** One line of the table: values by count. */
export interface Line {
  readonly of: Kind
  readonly what: string
  readonly unit: 'ms' | 's' | 'MB' | ''
  readonly points: readonly (readonly [count: number, value: number])[]
  /** What is paid for all of them together may grow as their number does. */
  readonly isInAll?: boolean
  /** Its name in the plot, where it is in it. */
  readonly plotted?: string
}

const SERIES: Readonly<Record<Kind, (bench: Bench, most: number) => Promise<Line[]>>> = { clients: clientsAtOnce, leases: leasesOnOneServer, servers: serversOfOneUser }

export const measureGrowth = async (bench: Bench, only: string, most: number): Promise<Line[]> => {
  const all: Line[] = []
  for (const [kind, measure] of Object.entries(SERIES)) if (kind.includes(only)) all.push(...await measure(bench, most))
  return all
}

/** Exponents above these are growth: what is measured beside other work is never quite flat. */
const BOUNDS = { one: 0.2, all: 1.1 } as const

/** By which power of the count a line grows over its last tenfold: 0 is not at all, 1 is with the count. */
export const exponentOf = ({ points }: Pick<Line, 'points'>): number | undefined => {
  const [most, last] = points.at(-1)!
  const [count, value] = points.findLast(([at]) => at * 10 <= most) ?? []
  return count === undefined || value! <= 0 || last <= 0 ? undefined : Math.log(last / value!) / Math.log(most / count)
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

const growthOf = (line: Line): string => {
  const exponent = exponentOf(line)
  if (exponent === undefined) return '–'
  const isTooMuch = exponent > (line.isInAll ? BOUNDS.all : BOUNDS.one)
  return `n^${exponent.toFixed(2)}${isTooMuch ? ' **grows**' : ''}`
}

/** Counts that the table shows; the last one of a series stands beside its value. */
const SHOWN = [1, 10, 100]

export const growthTable = (lines: readonly Line[]): string => [
  `| of n | what it costs | ${SHOWN.join(' | ')} | most | grows by |\n|---|---|${'---|'.repeat(SHOWN.length)}---|---|`,
  ...lines.map((line) => {
    const cells = SHOWN.map((count) => line.points.find(([at]) => at === count)?.[1])
    const [most, last] = line.points.at(-1)!
    const unit = line.unit === '' ? '' : ` ${line.unit}`
    const values = cells.map((value) => (value === undefined ? '–' : `${shown(value)}${unit}`))
    return `| ${line.of} | ${line.what} | ${values.join(' | ')} | ${shown(last)}${unit} at ${most.toLocaleString('en')} | ${growthOf(line)} |`
  }),
].join('\n')
