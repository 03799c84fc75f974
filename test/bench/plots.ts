/**
 * The two pictures in test/README.md, as SVG: how the time until the last client is ready grows with the number of
 * clients, and what each client of one crowd waited. Times are multiples of a floor of the same run, because
 * the machine's own speed says nothing about any of the sides.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../support/recovery.js'
import type { Crowd, Lived } from './processes.js'
import { bareCrowd, gathered, ours, plain, sockDaemon, type Bench } from './sides.js'
import { curve, GREY, line, names, picture, text, WIDTH } from './svg.js'

/** Told apart without colour, too: each line and panel bears its name. */
const COLOURS = new Map([
  ['floor', GREY], ['one-server', '#1d4ed8'], ['plain use of the packages', '#b45309'], ['sock-daemon', '#7c3aed'],
])

const timesOfCrowds = async (bench: Bench, place: string): Promise<string> => {
  const counts = [1, 2, 5, 10, 20, 50, 100]
  const sides = [bareCrowd, ours, sockDaemon, plain]
  const times = new Map(sides.map(({ name }) => [name, [] as number[]]))
  for (const count of counts) {
    const rounds = count > 20 ? 3 : 5
    const found = new Map(sides.map(({ name }) => [name, [] as number[]]))
    for (let round = 0; round < rounds; round++) {
      for (const side of sides) found.get(side.name)!.push((await gathered(bench, side, count)).wall)
    }
    for (const [name, walls] of found) times.get(name)!.push(median(walls))
  }

  const [left, right, top, bottom] = [64, WIDTH - 200, 56, 372]
  const unit = times.get('floor')![0]!
  const most = Math.max(...[...times.values()].flat()) / unit
  const x = (count: number): number => left + (Math.log(count) / Math.log(100)) * (right - left)
  const y = (value: number): number => bottom - (Math.log(value / 0.8) / Math.log((most * 1.15) / 0.8)) * (bottom - top)
  const ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500].filter((value) => value <= most * 1.15)

  const ends = [...times].map(([name, all]) => ({ name, at: y(all.at(-1)! / unit), colour: COLOURS.get(name)! }))
  return picture(440, 'Time until the last of n clients is ready, all started at once without a server', [
    text(16, 44, '1 = one bare client that spawns the server and polls it; both axes are logarithmic', 'fill="#6b7280"'),
    ...ticks.flatMap((value) => [line(left, y(value), right, y(value)), text(left - 8, y(value) + 4, `${value} ×`, 'text-anchor="end"')]),
    ...counts.map((count) => line(x(count), top, x(count), bottom, '#f3f4f6')),
    ...counts.map((count) => text(x(count), bottom + 18, String(count), 'text-anchor="middle"')),
    text((left + right) / 2, bottom + 38, 'clients', 'text-anchor="middle"'),
    ...[...times].map(([name, all]) => curve(all.map((ms, at) => [x(counts[at]!), y(ms / unit)] as const), COLOURS.get(name)!)),
    ...names(right + 10, top, ends), text(16, 430, place, 'fill="#6b7280" font-size="11"'),
  ])
}

const timeline = async (bench: Bench, place: string): Promise<string> => {
  const CLIENTS = 20
  const sides = [bareCrowd, ours, plain]
  const panels: { name: string; lived: readonly Lived[]; wall: number }[] = []
  for (const side of sides) {
    const rounds: Crowd[] = []
    while (rounds.length < 5) rounds.push(await gathered(bench, side, CLIENTS))
    // A whole round, and not the mean of several: what each client waited belongs together.
    panels.push({ name: side.name, ...rounds.toSorted((one, other) => one.wall - other.wall)[2]! })
  }

  const [left, right, row] = [16, WIDTH - 16, 7]
  const unit = panels[0]!.wall
  const most = Math.max(...panels.map(({ wall }) => wall)) / unit
  const x = (ms: number): number => left + (ms / unit / most) * (right - left)
  const below = '1 = the time in which 20 bare clients are ready; each bar is one process, from its spawn until it goes on'
  const parts: string[] = [text(16, 44, below, `fill="${GREY}"`)]
  let top = 60
  for (const { name, lived, wall } of panels) {
    const zero = Math.min(...lived.map(({ began }) => began))
    parts.push(text(left, top + 12, name, `fill="${COLOURS.get(name)}" font-weight="600"`))
    parts.push(text(left + 230, top + 12, `the last is ready at ${(wall / unit).toFixed(2)} ×`))
    for (let tick = 0; tick <= most; tick++) parts.push(line(x(tick * unit), top + 20, x(tick * unit), top + 22 + CLIENTS * row))
    lived.toSorted((one, other) => one.ended - other.ended).forEach(({ began, ended }, at) => {
      const width = Math.max(1, x(ended - zero) - x(began - zero)).toFixed(1)
      const [from, y] = [x(began - zero).toFixed(1), top + 22 + at * row]
      parts.push(`<rect x="${from}" y="${y}" width="${width}" height="${row - 2}" fill="${COLOURS.get(name)}"/>`)
    })
    top += 22 + CLIENTS * row + 14
  }
  for (let tick = 0; tick <= most; tick++) parts.push(text(x(tick * unit), top + 6, `${tick} ×`, tick === 0 ? '' : 'text-anchor="middle"'))
  parts.push(text(16, top + 30, place, `fill="${GREY}" font-size="11"`))
  return picture(top + 40, 'Twenty clients at once, and no server yet', parts)
}

/** Draws both into `folder`. */
export const drawPlots = async (bench: Bench, folder: string, place: string): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'time-to-ready.svg'), await timesOfCrowds(bench, place))
  writeFileSync(join(folder, 'crowd.svg'), await timeline(bench, place))
}
