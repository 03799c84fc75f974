/** The two series about leases: `npm test` takes a few rounds of each, `npm run soak` hundreds. */
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'
import { isAlive, now, place, type Place } from './clients.js'
import { gone, holder } from './holders.js'
import { isWithin } from './within.js'

type Teardown = Pick<Test, 'teardown'>

/**
 * Holders that come at once and end one after the other, at random moments, half of them by SIGKILL. Resolves with
 * what went wrong: the server must outlive all but the last, and be gone `idleTimeout` and a second after it.
 */
export const lastOneOut = async (t: Teardown, count: number, idleTimeout: number): Promise<string[]> => {
  const here = place(t)
  const holders = Array.from({ length: count }, () => holder(t, here, here.options('healthy', { idleTimeout })))
  const servers = await Promise.all(holders.map(({ held }) => held))
  const wrong: string[] = []
  const pid = servers[0]!.pid!
  if (servers.some((server) => server.pid !== pid)) wrong.push('not all have the same server')
  const order = holders.map((one, index) => ({ one, killed: index % 2 === 0, at: Math.random() })).toSorted((one, other) => one.at - other.at)
  const endings = order.map(async ({ one, killed, at }) => {
    // The moments are spread over half a second, some of them within the idle time of others, some not.
    await new Promise((resolve) => { setTimeout(resolve, at * 500) })
    if (!isAlive(pid)) wrong.push('it ended before its last holder let go')
    if (killed) return one.kill()
    const { failed } = await one.release()
    if (failed > 0) wrong.push(`${failed} health checks of a holder failed`)
  })
  await Promise.all(endings)
  const last = now()
  const took = (await gone(here)) - last
  if (!isWithin(took, idleTimeout + 1000)) wrong.push(`it ended only ${Math.round(took)} ms after its last holder`)
  if (here.starts().length !== 1) wrong.push(`${here.starts().length} servers were started`)
  return wrong
}

/**
 * Leases in the names of other processes, which end at random moments, by whatever signal: the server must outlive all but the last, and
 * go after it. `begin` starts one of them, and resolves when its lease is there.
 */
export const lastProcessOut = async (here: Place, count: number, begin: () => Promise<ChildProcess>): Promise<string[]> => {
  const processes = await Promise.all(Array.from({ length: count }, begin))
  const [first] = here.starts()
  const wrong: string[] = []
  if (here.starts().length !== 1) wrong.push(`${here.starts().length} servers were started`)
  const order = processes.toSorted(() => Math.random() - 0.5)
  for (const [index, one] of order.entries()) {
    await new Promise((resolve) => { setTimeout(resolve, Math.random() * 300) })
    if (!isAlive(first!.pid)) wrong.push('it ended before its last holder')
    if (index % 3 === 2) one.kill('SIGSTOP')
    one.kill(index % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    if (index % 3 === 2) one.kill('SIGCONT')
  }
  await gone(here)
  return wrong
}

/**
 * Two holders that let go and take the next lease in turn, without any idle time, so that each acquire meets the end of
 * the server that the release before it began. A lease must come with a server that stays healthy while it is held.
 */
export const releaseAgainstAcquire = async (t: Teardown, rounds: number): Promise<{ violations: string[]; servers: number }> => {
  const here = place(t)
  const violations: string[] = []
  const options = here.options('healthy', { idleTimeout: 0 })
  const [first, second] = [holder(t, here, options), holder(t, here, options)]
  await Promise.all([first.held, second.held])
  for (let round = 0; round < rounds; round++) {
    for (const one of [first, second]) {
      const { failed } = await one.release()
      if (failed > 0) violations.push(`round ${round + 1}: ${failed} health checks failed`)
      // Sometimes both are out, and the server has begun to end.
      if (one === second && round % 2 === 0) await new Promise((resolve) => { setTimeout(resolve, Math.random() * 150) })
    }
    await Promise.all([first.again(), second.again()])
  }
  await Promise.all([first.release(), second.release()])
  await gone(here)
  return { violations, servers: here.starts().length }
}
