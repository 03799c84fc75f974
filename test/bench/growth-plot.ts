/**
 * The picture of the growth, as SVG: a panel each for clients, leases and servers, over one scale of processor time. Both axes are
 * logarithmic, so a line that lies flat grows not at all, and one as steep as the dashes grows with the count.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Line } from './growth.js'
import { curve, GREY, line, names, picture, text, WIDTH } from './svg.js'

/** Told apart on white, and by people who see few colours: light and dark in turn. */
const COLOURS = ['#1d4ed8', '#b45309', '#047857', '#7c3aed', '#be185d', '#0e7490']

const TITLES = { clients: 'clients at once', leases: 'leases on one server', servers: 'servers of one user' } as const

const [TOP, BOTTOM, LEFT, LABELS] = [86, 400, 68, 112]

const colourOf = ({ plotted }: Line, nth: number): string => (plotted === 'bare client' ? GREY : COLOURS[nth % COLOURS.length]!)

const powers = (low: number, high: number): number[] => {
  const all: number[] = []
  for (let power = 10 ** Math.ceil(Math.log10(low) - 1e-9); power <= high * 1.0001; power *= 10) all.push(power)
  return all
}

const short = (value: number): string => (value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1))))

export const growthPicture = (lines: readonly Line[], place: string): string => {
  const drawn = lines.filter(({ plotted, points }) => plotted !== undefined && points.every(([, value]) => value > 0))
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value))
  const [low, high] = [10 ** Math.floor(Math.log10(Math.min(...values))), 10 ** Math.ceil(Math.log10(Math.max(...values)))]
  const y = (value: number): number => BOTTOM - (Math.log(value / low) / Math.log(high / low)) * (BOTTOM - TOP)
  const kinds = [...new Set(drawn.map(({ of }) => of))]
  const room = (WIDTH - LEFT - 8) / kinds.length
  const parts = powers(low, high).map((power) => text(LEFT - 8, y(power) + 4, `${short(power)} ms`, 'text-anchor="end"'))
  for (const [at, kind] of kinds.entries()) {
    const own = drawn.filter(({ of }) => of === kind)
    const [left, right] = [LEFT + at * room, LEFT + (at + 1) * room - LABELS]
    const most = Math.max(...own.flatMap(({ points }) => points.map(([count]) => count)))
    const x = (count: number): number => left + (most === 1 ? 0 : Math.log(count) / Math.log(most)) * (right - left)
    // The last count is named in any case, and a power of ten so close to it that the two would lie on each other is not.
    const counts = [...powers(1, most / 3), most]
    const ends = own.map((one, nth) => ({ name: one.plotted!, at: y(one.points.at(-1)![1]), colour: colourOf(one, nth) }))
    // As steep as the count: it ends where it leaves the panel.
    const end = Math.min(most, high / low)
    parts.push(
      text(left, TOP - 14, TITLES[kind], 'font-weight="600"'),
      ...powers(low, high).map((power) => line(left, y(power), right, y(power))),
      ...counts.map((count) => line(x(count), TOP, x(count), BOTTOM, '#f3f4f6')),
      ...counts.map((count) => text(x(count), BOTTOM + 18, short(count), 'text-anchor="middle"')),
      line(x(1), y(low), x(end), y(low * end), '#9ca3af', 'stroke-dasharray="4 4"'),
      ...own.map((one, nth) => curve(one.points.map(([count, value]) => [x(count), y(value)] as const), colourOf(one, nth))),
      ...names(right + 8, TOP, ends, 11),
    )
  }
  return picture(454, 'Processor time of one call, client or lease beside n others', [
    text(16, 44, 'both axes are logarithmic: flat is no growth, as steep as the dashes is with the count', `fill="${GREY}"`), ...parts,
    text(16, 444, place, `fill="${GREY}" font-size="11"`),
  ])
}

/** Draws it into `folder`. */
export const drawGrowth = (lines: readonly Line[], folder: string, place: string): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'growth.svg'), growthPicture(lines, place))
}
