/** Leases with real processes: 32 holders round after round, releases against acquires, and a holder that is frozen for a minute. */
import { join } from 'node:path'
import { programOf } from '../cli/command-line.js'
import { start, startSpeaking } from '../support/child.js'
import { fixture, isAlive, place } from '../support/clients.js'
import { gone, holder } from '../support/holders.js'
import { execveNode, withExecve } from '../support/execve.js'
import { lastOneOut, lastProcessOut, releaseAgainstAcquire } from '../support/leases.js'
import { until } from '../support/until.js'
import { round, type Series } from './series.js'

const HOLDERS = 32
const IDLE = 500

/** One after the other, with what each found. */
const rounds = async (count: number, progress: (done: number) => void, one: () => Promise<string[]>): Promise<string[]> => {
  const violations: string[] = []
  for (let done = 1; done <= count; done++) {
    violations.push(...(await one()).map((what) => `round ${done}: ${what}`))
    progress(done)
  }
  return violations
}

const crowdOfHolders: Series = {
  name: `${HOLDERS} holders of leases, half of them killed`, rounds: 200,
  run: async (count, progress) => ({ cases: count, violations: await rounds(count, progress, () => round((t) => lastOneOut(t, HOLDERS, IDLE))) }),
}

/** In one place, so that each acquire meets the end of the server before it. */
const BATCH = 50

const comeAndGo: Series = {
  name: 'release against acquire', rounds: 1000,
  async run(count, progress) {
    const batches = Math.ceil(count / BATCH)
    let servers = 0
    const violations = await rounds(batches, (done) => progress(done * BATCH), () => round(async (t) => {
      const found = await releaseAgainstAcquire(t, BATCH)
      servers += found.servers
      return found.violations
    }))
    return { cases: batches * BATCH, violations, note: `${servers} servers` }
  },
}

const FROZEN = 60_000

const frozenHolder: Series = {
  name: 'a holder of a lease frozen for a minute', rounds: 1,
  run: async (count, progress) => ({
    cases: count,
    violations: await rounds(count, progress, () => round(async (t) => {
      const here = place(t)
      const options = here.options('healthy', { idleTimeout: IDLE })
      const [frozen, other] = [holder(t, here, options), holder(t, here, options)]
      const [{ pid }] = await Promise.all([frozen.held, other.held])
      frozen.signal('SIGSTOP')
      await other.release()
      const began = performance.now()
      await until(() => performance.now() - began > FROZEN || !isAlive(pid!), 'a minute to pass')
      const wrong = isAlive(pid!) ? [] : ['the server was ended under a frozen holder']
      frozen.signal('SIGCONT')
      const { failed } = await frozen.release()
      if (failed > 0) wrong.push(`${failed} health checks failed`)
      await gone(here)
      return wrong
    })),
  }),
}

const forOthers: Series = {
  name: 'leases in the names of 16 processes, killed at random moments', rounds: 100,
  run: async (count, progress) => ({
    cases: count,
    violations: await rounds(count, progress, () => round(async (t) => {
      const here = place(t)
      const manager = here.manager('healthy', { idleTimeout: 0 })
      return lastProcessOut(here, 16, async () => {
        const one = start(t, 'sleep', ['600'])
        await manager.acquire({ pid: one.pid! })
        return one
      })
    })),
  }),
}

const commands: Series = {
  name: 'run that is its command, 8 at once, killed at random moments', rounds: 100,
  run: async (count, progress) => ({
    cases: count,
    violations: await rounds(count, progress, () => round(async (t) => {
      const here = place(t)
      const which = ['--pid-file', here.pidFile, '--port', 'auto', '--idle-timeout', '0', '--quiet', '--script', fixture('healthy')]
      const [program, ...args] = [...programOf(execveNode), 'run', ...which, '--', '/bin/sh', '-c', 'echo ready; exec sleep 600']
      return lastProcessOut(here, 8, async () => {
        const { child, line } = startSpeaking(t, program!, args, { env: { ...here.env, LEDGER: join(here.folder, 'ledger') }, cwd: here.folder })
        await line()
        return child
      })
    })),
    ...('skip' in withExecve ? { note: 'without execve: the command is a child of run' } : {}),
  }),
}

export const leases: readonly Series[] = [crowdOfHolders, comeAndGo, frozenHolder, forOthers, commands]
