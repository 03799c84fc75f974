/** Leases over hosts: the last one out ends the server, and the owner's host stays for the others. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, send } from '../../support/clients.js'
import { until } from '../../support/until.js'
import type { Info } from './call.js'
import { inTerms, type Case } from './case.js'
import { instant, type Host, type World } from './world.js'

const TTL = 6000

export interface Lease {
  readonly info: Info
  /** Returns the exit code, once the process has ended. */
  release(): Promise<number | null>
  readonly pid: number
}

/** A lease of a process of its own. On the owner's host it does not wait for other hosts, unless the case is about that. */
export const hold = async (world: World, host: Host, linger = '0s'): Promise<Lease> => {
  const child = world.begin(host, [...world.server('hold', '--linger', linger), '--', ...world.command])
  const closed = once(child, 'close') as Promise<[number | null]>
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  for await (const line of createInterface({ input: child.stdout! })) {
    const info = JSON.parse(line) as Info
    world.given(info)
    return {
      info, pid: child.pid!,
      release: async () => {
        child.stdin!.end()
        return (await closed)[0]
      },
    }
  }
  throw new Error(`hold on ${host.name} failed: ${stderr}`)
}

const ended = async (world: World, pid: number): Promise<string> => {
  const began = performance.now()
  await until(async () => !isAlive(pid) || (await sleep(20)), 'the server to end after its last lease')
  return inTerms(world, performance.now() - began)
}

const lastOut: Case = {
  name: 'last one out, over hosts', plan: { ttl: TTL },
  async act(world) {
    const [first, second, third] = world.hosts
    const leases = [await hold(world, first!), await hold(world, second!), await hold(world, third!)]
    const { epoch, pid } = leases[0]!.info
    await world.reached(epoch)
    for (const lease of leases.slice(0, 2)) await lease.release()
    // Longer than an idle time, and a term: a host without a lease counts no more.
    await sleep(1.5 * world.ttl)
    if (!isAlive(pid)) world.wrong('the server ended while another host held a lease')
    await leases[2]!.release()
    return { 'gone after the last release': await ended(world, pid) }
  },
}

const lastHostKilled: Case = {
  name: 'last one out: the host of the last lease killed', plan: { ttl: TTL },
  async act(world) {
    const [first, second] = world.hosts
    const leases = [await hold(world, first!), await hold(world, second!)]
    const { epoch, pid } = leases[0]!.info
    await world.reached(epoch)
    await leases[0]!.release()
    await sleep(0.5 * world.ttl)
    if (!isAlive(pid)) world.wrong('the server ended while another host held a lease')
    await world.kill(second!)
    return { gone: await ended(world, pid) }
  },
}

/** The owner hears of the others with its renewals. What came after the last one is not waited for. */
const seenToBeUsed = async (world: World, owner: Host): Promise<void> => {
  await until(async () => {
    const { said } = await world.run(owner, ['status', 'web', '--json'])
    return (said as { users?: unknown[] } | undefined)?.users?.length === 1
  }, 'the owner to see that another host uses the server')
}

const lingers: Case = {
  name: "hold waits on the owner's host for the others", plan: { ttl: TTL },
  async act(world) {
    const [first, second] = world.hosts
    const [own, others] = [await hold(world, first!, '1h'), await hold(world, second!)]
    const { pid } = own.info
    await seenToBeUsed(world, first!)
    const released = own.release()
    await sleep(world.ttl)
    if (!isAlive(own.pid) || !isAlive(pid)) world.wrong("the owner's host took the server from the other")
    await others.release()
    if ((await released) !== 0) world.wrong(`hold exited with ${await released}`)
    return { 'gone after the last release': await ended(world, pid) }
  },
}

const lingererEnded: Case = {
  // A term that a cold start cannot take.
  name: "SIGTERM to a hold that waits on the owner's host", plan: { ttl: 30_000 },
  async act(world) {
    const [first, second] = world.hosts
    const own = await hold(world, first!, '1h')
    const { epoch } = own.info
    await world.up(second!)
    await seenToBeUsed(world, first!)
    const released = own.release()
    await sleep(2000)
    if (!isAlive(own.pid)) world.wrong("hold on the owner's host did not wait for the other host")
    const at = instant()
    send(own.pid, 'SIGTERM')
    await released
    await world.later(epoch, [second!])
    const took = Number(instant() - at) / 1e6
    if (took > world.ttl) world.wrong('another host waited for the term of an owner that was asked to end')
    return { 'served on another host after': `${Math.round(took)} ms` }
  },
}

export const leases: readonly Case[] = [lastOut, lastHostKilled, lingers, lingererEnded]
