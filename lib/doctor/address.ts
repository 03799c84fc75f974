/**
 * Whether other hosts can reach the address that this one would tell them. The usual mistakes look well on the host itself: a name that
 * /etc/hosts leads to loopback, or the address of a container's bridge, which every machine with Docker has once more.
 */
import { lookup } from 'node:dns/promises'
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { bareHost } from '../health/address.js'
import { surroundings } from '../system/platform/current.js'
import { finding, type Finding } from './finding.js'

export interface Machine {
  /** Its addresses, and of which interface. */
  readonly addresses: Readonly<Record<string, string>>
  readonly isBridge: (name: string) => boolean
  readonly isContainer: boolean
}

/** What is wrong with an address for other hosts, in words. Undefined: nothing that shows. */
export const flawOf = (address: string, { addresses, isBridge, isContainer }: Machine): string | undefined => {
  const plain = address.toLowerCase().replace(/^::ffff:/, '')
  if (/^127\.|^::1$/.test(plain)) return 'a loopback address, which leads each host to itself'
  if (/^0\.0\.0\.0$|^::$/.test(plain)) return 'no address of a host: it only says where to listen'
  if (/^169\.254\.|^fe[89ab][0-9a-f]:/.test(plain)) return 'a link-local address, which other networks do not reach'
  if (plain.startsWith('172.17.')) return "an address of Docker's own bridge, which other machines do not reach"
  const name = addresses[plain]
  if (name !== undefined && isBridge(name)) return `the address of the bridge ${name}, which other machines do not reach`
  if (isContainer && /^172\.(1[6-9]|2\d|3[01])\./.test(plain)) {
    return "an address of the kind that a container's bridge has, which other machines do not reach"
  }
  return undefined
}

const thisMachine = (env: NodeJS.ProcessEnv): Machine => ({
  addresses: Object.fromEntries(Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
    all.map(({ address }) => [address.toLowerCase(), name]))),
  isBridge: (name) => existsSync(`/sys/class/net/${name}/bridge`),
  isContainer: (surroundings.box(env)?.kinds ?? []).some((kind) => /Docker|Podman|dev container/.test(kind)),
})

const ADVICE = 'Give the address by which other hosts reach this one: --advertise HOST[:PORT] (ONE_SERVER_ADVERTISE). ' +
  'Behind published ports or a NAT, also where the server listens: --listen 0.0.0.0.'

/** `given`: what the option says. `found`: the address by which this host reaches the engine. */
export const advertised = async (
  given: string | undefined, listen: string | undefined, found: string | undefined, env: NodeJS.ProcessEnv,
): Promise<Finding[]> => {
  const host = given === undefined ? found : bareHost(given)
  if (host === undefined) return [finding('address', 'note', 'it is not known by which address this host reaches the coordinator')]
  const how = given === undefined ? 'by which this host reaches the coordinator' : 'that advertise names'
  let address = host
  if (isIP(host) === 0) {
    try {
      address = (await lookup(host)).address
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      const text = `this host tells others ${host}, a name that this host does not resolve (${code})`
      return [finding('address', 'problem', text, { advice: ADVICE, data: { host } })]
    }
  }
  const machine = thisMachine(env)
  const shown = address === host ? host : `${host} (${address})`
  const data = { host, address, listen, interface: machine.addresses[address.toLowerCase()] }
  const flaw = flawOf(address, machine)
  if (flaw !== undefined) return [finding('address', 'note', `this host tells others ${shown}, ${flaw}`, { advice: ADVICE, data })]
  if (listen === undefined && data.interface === undefined) {
    const text = `this host tells others ${shown}, which is no address of this host, so nothing can listen there`
    return [finding('address', 'problem', text, {
      advice: 'Say where the server listens besides: --listen HOST (ONE_SERVER_LISTEN).', data,
    })]
  }
  return [finding('address', 'ok', `this host tells others ${shown}, ${how}`, { data })]
}
