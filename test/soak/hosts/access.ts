/** Who may, and hosts that differ: users and roles of etcd, two users of one host, terms that differ; and what a warm call costs. */
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { send } from '../../support/clients.js'
import { codesOf, handover, type Case } from './case.js'
import { instant, type Host } from './world.js'

const TTL = 6000
const PASSWORD = 'x7-Garten-91'

const credentials = (user: string, password: string) => ({ ONE_SERVER_COORDINATOR_USER: user, ONE_SERVER_COORDINATOR_PASSWORD: password })

const NO_USER = credentials('', '')

const roles: Case = {
  name: 'a user with a role for the prefix', plan: { ttl: TTL },
  async act(world) {
    const { members } = world
    for (const words of [
      ['user', 'add', 'root:of-etcd'], ['role', 'add', 'ci'], ['role', 'grant-permission', 'ci', 'readwrite', 'ci/', '--prefix'],
      ['user', 'add', `ci:${PASSWORD}`], ['user', 'grant-role', 'ci', 'ci'], ['auth', 'enable'],
    ]) await members.control(...words)
    members.login('root:of-etcd')
    const own = { ...world.env }
    const { endpoints } = members
    Object.assign(world.env, credentials('ci', PASSWORD))
    await world.up(world.hosts[0]!)
    const wrong: readonly (readonly [string, Record<string, string>])[] = [
      ['a wrong password', credentials('ci', 'another')],
      ['no such user', credentials('nobody', PASSWORD)],
      ['no user', NO_USER],
      ['another prefix', { ONE_SERVER_COORDINATOR: own['ONE_SERVER_COORDINATOR']!.replace(/\/ci\/1$/, '/elsewhere') }],
      ['a wrong password in the URL', { ...NO_USER, ONE_SERVER_COORDINATOR: `etcd://ci:no-${PASSWORD}@${endpoints}/ci/1` }],
    ]
    for (const [what, env] of wrong) {
      const { error, info, stderr } = await world.call(world.hosts[1]!, env)
      if (error?.code !== 'COORDINATOR_REFUSED') world.wrong(`${what}: got ${error?.code ?? info?.url}: ${stderr}`)
      if (stderr.includes(PASSWORD) || stderr.includes('another')) world.wrong(`${what}: the message has the password: ${stderr}`)
    }
    const { epoch } = await world.settled()
    world.checkSecrets(PASSWORD)
    await world.reached(epoch)
    return { refused: wrong.length }
  },
}

const terms: Case = {
  // The fuse of the frozen steward's server burns after 16 s: a host that went by its own 5 s would start a second one before.
  name: "another host with a quarter of the owner's ttl", plan: { ttl: 20_000 },
  async act(world) {
    const [first, second] = world.hosts
    const { epoch } = await world.up(first!)
    world.env['ONE_SERVER_TTL'] = '5000ms'
    await world.up(second!)
    await world.reached(epoch)
    const { steward } = (await world.claim())!
    const at = instant()
    send(steward.pid, 'SIGSTOP')
    const { failed } = await world.later(epoch, [second!])
    return { ...handover(world, at, epoch), meanwhile: codesOf(failed) }
  },
}

/** Another user of the same host. */
const otherUser = (host: Host): Host => {
  const home = join(host.home, 'other')
  mkdirSync(home)
  return { ...host, home }
}

const twoUsers: Case = {
  name: "two users' state folders on one host", plan: { ttl: 60_000 },
  async act(world) {
    const [first] = world.hosts
    const other = otherUser(first!)
    const { epoch, url } = await world.up(first!)
    const there = await world.up(other)
    const isSame = there.url === url && there.epoch === epoch && !there.started
    if (!isSame) world.wrong(`the other user was given ${there.url}, epoch ${there.epoch}`)
    await world.reached(epoch)
    const { steward } = (await world.claim())!
    const at = instant()
    send(steward.pid, 'SIGKILL')
    const { failed } = await world.later(epoch, [other])
    if (Number(instant() - at) / 1e6 > world.ttl) world.wrong('the other user waited for the term of a steward that was seen dead')
    return { ...handover(world, at, epoch), meanwhile: codesOf(failed) }
  },
}

const ROUNDS = 20

const median = (values: readonly number[]): number => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!

const warm: Case = {
  name: 'a warm call on each host', plan: { ttl: 15_000 },
  async act(world) {
    const [first, second, third] = world.hosts
    await world.settled(first)
    world.hush()
    const local = (): Promise<unknown> => world.alone(third!, 'start')
    await local()
    const took: Record<string, number[]> = { owner: [], other: [], local: [] }
    const measured = async (which: string, call: () => Promise<unknown>): Promise<void> => {
      const began = performance.now()
      await call()
      took[which]!.push(performance.now() - began)
    }
    for (let round = 0; round < ROUNDS; round++) {
      await measured('owner', () => world.call(first!))
      await measured('local', local)
      await measured('other', () => world.call(second!))
    }
    await world.alone(third!, 'stop')
    const floor = median(took['local']!)
    const shown = (which: string): string => `${median(took[which]!).toFixed(0)} ms (${(median(took[which]!) / floor).toFixed(2)} ×)`
    return { "owner's host": shown('owner'), 'another host': shown('other'), 'without a coordinator': `${floor.toFixed(0)} ms` }
  },
}

export const access: readonly Case[] = [roles, terms, twoUsers, warm]
