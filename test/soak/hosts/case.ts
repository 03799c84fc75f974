/** One case: what is done to three hosts that share a server, and the figures that it yields. Each round has a world of its own. */
import { round, type Series } from '../series.js'
import { whyNot } from './bench.js'
import { World, type Host, type Plan } from './world.js'

export type Figures = Readonly<Record<string, string | number | undefined>>

export interface Case {
  readonly name: string
  readonly plan: Plan
  act(world: World): Promise<Figures>
}

const shown = (figures: Figures): string =>
  Object.entries(figures).filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`).join(', ')

const once = (one: Case): Promise<{ violations: string[]; note: string }> => round(async (t) => {
  const world = await World.make(t, one.plan)
  const figures = await one.act(world).catch((error: unknown): Figures => {
    world.wrong(`the case could not go on: ${(error as Error).stack}`)
    return {}
  })
  const { requests, together, servedTogether } = await world.end()
  const time = (ms: number): string | undefined => (ms > 0 ? `${ms} ms` : undefined)
  const more = { requests, 'two running for': time(together), 'two serving for': time(servedTogether) }
  return { violations: world.violations, note: `ttl ${one.plan.ttl / 1000} s: ${shown({ ...figures, ...more })}` }
})

export const seriesOf = (one: Case): Series => ({
  name: `hosts: ${one.name}`, rounds: 1,
  async run(rounds, progress) {
    const reason = whyNot()
    if (reason !== undefined) return { cases: 0, violations: [], note: `skipped: ${reason}` }
    const [violations, notes]: [string[], string[]] = [[], []]
    for (let done = 1; done <= rounds; done++) {
      const found = await once(one)
      violations.push(...found.violations)
      notes.push(found.note)
      progress(done)
    }
    return { cases: rounds, violations, note: notes.join('\n  ') }
  },
})

const shortly = (world: World, ms: number): string => (ms < 0.1 * world.ttl ? `${Math.round(ms)} ms` : inTerms(world, ms))

/** Of `ttl`, since what a busy machine takes is no figure of the protocol. */
export const inTerms = (world: World, ms: number): string => `${(ms / world.ttl).toFixed(2)} ttl`

const between = (from: bigint, to: bigint): number => Number(to - from) / 1e6

/** What became of a server that something was done to at an instant, and of the one after it. */
export const handover = (world: World, at: bigint, epoch: number) => {
  const servers = world.servers()
  const older = servers.findLast((server) => server.epoch <= epoch)!
  const newer = servers.find((server) => server.epoch > epoch && server.served.length > 0)!
  // A server that stopped beating before that instant had been frozen, or killed.
  return {
    gone: shortly(world, Math.max(0, between(at, older.ended))),
    served: inTerms(world, between(at, newer.served[0]!.at)),
    apart: shortly(world, between(older.ended, newer.began)),
  }
}

/** How the calls failed that were made meanwhile. */
export const codesOf = (failed: readonly { readonly error: { readonly code: string } | undefined }[]): string | undefined => {
  const counts = new Map<string, number>()
  for (const { error } of failed) counts.set(error?.code ?? 'none', (counts.get(error?.code ?? 'none') ?? 0) + 1)
  return counts.size === 0 ? undefined : [...counts].map(([code, count]) => `${count} × ${code}`).join(' + ')
}

/** Another host has the server later, as soon as one of these calls. */
export const takenOver = async (world: World, at: bigint, epoch: number, callers: readonly Host[]) => {
  const { failed } = await world.later(epoch, callers)
  return { ...handover(world, at, epoch), meanwhile: codesOf(failed) }
}
