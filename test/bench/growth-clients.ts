/** Clients at once: what each of them pays in processor time, and when the last one is ready, beside as many bare ones. */
import { median } from '../support/recovery.js'
import type { Line } from './growth.js'
import { crowd, program, type Crowd } from './processes.js'
import { bareCrowd, gathered, onGround, ours, withOurs, withServer, type Bench } from './sides.js'

const COUNTS = [1, 3, 10, 30, 100, 200]

const roundsOf = (count: number): number => (count > 30 ? 3 : 5)

/** A crowd that finds its server. */
const warm = (bench: Bench, count: number, isBare: boolean): Promise<Crowd> => onGround(0, async (ground) => {
  if (isBare) return withServer(bench, ground, () => crowd(count, [bench.node, program('get-once')], ground.env))
  return withOurs(bench, ground, async (env, manager) => {
    await manager.ensureServerRunning()
    return crowd(count, [bench.node, program('ours')], env)
  })
})

type Gather = (count: number) => Promise<Crowd>

/** Of each count the wall time, and the processor time of one client; sides in alternation. */
const measured = async (sides: readonly Gather[], counts: readonly number[]): Promise<{ wall: number; cpu: number }[][]> => {
  const all: { wall: number; cpu: number }[][] = []
  for (const count of counts) {
    const found = sides.map(() => [] as Crowd[])
    // Of small crowds the kernel's steps of 10 ms tell little, and many rounds together enough.
    const rounds = Math.max(roundsOf(count), Math.ceil(20 / count))
    for (let round = 0; round < rounds; round++) for (const [at, gather] of sides.entries()) found[at]!.push(await gather(count))
    all.push(found.map((crowds) => ({
      wall: median(crowds.map(({ wall }) => wall)), cpu: crowds.reduce((sum, { cpu }) => sum + (cpu ?? Number.NaN), 0) / rounds / count,
    })))
  }
  return all
}

export const clientsAtOnce = async (bench: Bench, most: number): Promise<Line[]> => {
  const counts = COUNTS.filter((count) => count <= most)
  const all = await measured([
    (count) => gathered(bench, ours, count), (count) => gathered(bench, bareCrowd, count),
    (count) => warm(bench, count, false), (count) => warm(bench, count, true),
  ], counts)
  const line = (side: number, of: 'wall' | 'cpu') => counts.map((count, at) => [count, all[at]![side]![of]] as const)
  return [
    { of: 'clients', what: 'no server yet: CPU of one client', unit: 'ms', points: line(0, 'cpu'), plotted: 'no server yet' },
    { of: 'clients', what: 'no server yet: CPU of one client', unit: 'ms', points: line(1, 'cpu'), plotted: 'bare client' },
    { of: 'clients', what: 'no server yet: until the last is ready', unit: 'ms', points: line(0, 'wall'), isInAll: true },
    { of: 'clients', what: 'no server yet: until the last is ready', unit: 'ms', points: line(1, 'wall'), isInAll: true },
    { of: 'clients', what: 'server up: CPU of one client', unit: 'ms', points: line(2, 'cpu'), plotted: 'server up' },
    { of: 'clients', what: 'server up: CPU of one client', unit: 'ms', points: line(3, 'cpu') },
  ]
}
