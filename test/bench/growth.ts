/**
 * How costs grow: with clients at once, with leases on one server, and with servers of one user. What one client, lease or server costs
 * must not depend on how many others there are, and what is paid for all together must not grow faster than their number.
 */
import { clientsAtOnce } from './growth-clients.js'
import { leasesOnOneServer } from './growth-leases.js'
import { serversOfOneUser } from './growth-servers.js'
import type { Bench } from './sides.js'

export type Kind = 'clients' | 'leases' | 'servers'

/** Values by count. Lines that measure the same of two sides are one row of the table. */
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

const SERIES: Readonly<Record<Kind, (bench: Bench, most: number) => Promise<Line[]>>> =
  { clients: clientsAtOnce, leases: leasesOnOneServer, servers: serversOfOneUser }

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

/** What stands on the two sides of a slash. */
const SIDES: Readonly<Record<Kind, string>> = {
  clients: 'clients at once, one-server / bare', leases: 'leases, of one process / of a process each', servers: 'servers of one user',
}

/** Counts that the table shows; the last one of a series stands beside its value. */
const SHOWN = [1, 10, 100]

const rowOf = (sides: readonly Line[]): string => {
  const { of, what, unit, points } = sides[0]!
  const both = (show: (line: Line) => string): string => {
    const all = sides.map(show)
    return all.every((one) => one === '–') ? '–' : all.join(' / ')
  }
  const at = (count: number): string => both((line) => {
    const value = line.points.find(([one]) => one === count)?.[1]
    return value === undefined ? '–' : shown(value)
  })
  const last = both((line) => {
    const [count, value] = line.points.at(-1)!
    return `${shown(value)}${count === points.at(-1)![0] ? '' : ` (at ${count})`}`
  })
  const name = `${what}${unit === '' ? '' : `, ${unit}`}`
  return `| ${of} | ${name} | ${SHOWN.map(at).join(' | ')} | ${last} at ${points.at(-1)![0].toLocaleString('en')} | ${both(growthOf)} |`
}

const byRow = (lines: readonly Line[]): Map<string, Line[]> => {
  const rows = new Map<string, Line[]>()
  for (const line of lines) rows.set(`${line.of} ${line.what}`, [...(rows.get(`${line.of} ${line.what}`) ?? []), line])
  return rows
}

export const growthTable = (lines: readonly Line[]): string => {
  const rows = byRow(lines)
  const legend = [...new Set(lines.map(({ of }) => of))].map((of) => SIDES[of]).join('; ')
  return [
    `${legend}\n`, `| n | what it costs | ${SHOWN.join(' | ')} | most | grows by |\n|---|---|${'---|'.repeat(SHOWN.length)}---|---|`,
    ...[...rows.values()].map(rowOf),
  ].join('\n')
}
