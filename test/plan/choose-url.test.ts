/** Which URL callers get, for each thing that can listen beside the address that answered; and that it is the same whichever answered first. */
import t, { type Test } from 'tap'
import { addressesOf } from '../../lib/health/address.js'
import { chooseUrl, type Holder } from '../../lib/plan/choose-url.js'
import type { HealthPlan, Probe, System } from '../../lib/system/system.js'

const V4 = '127.0.0.1'
const V6 = '::1'
const PORT = 4000

interface Sockets {
  /** By address: the inode of the socket that listens there, or undefined where the kernel does not show it. */
  readonly [address: string]: string | undefined
}

interface Machine {
  readonly sockets: Sockets
  /** The addresses that `localhost` leads to. */
  readonly name?: readonly string[]
  /** What each address answers. */
  readonly answers?: Readonly<Record<string, Probe>>
  /** Sockets that neither accept nor refuse. */
  readonly busy?: boolean
}

const well = (url: string, launchId?: string): Probe => ({ healthy: true, url, ...(launchId === undefined ? {} : { launchId }) })
const bad: Probe = { healthy: false, reason: 'it answered 404' }

const machine = ({ sockets, name = [V4, V6], answers = {}, busy = false }: Machine): System => {
  const reached = (host: string): string[] => (host === 'localhost' ? [...name] : [host]).filter((address) => Object.hasOwn(sockets, address))
  const listenersAt: System['listenersAt'] = async (host) => reached(host).map((address) => ({ address, uid: undefined, inode: sockets[address] }))
  const probe: System['probe'] = async ({ urls }) => {
    const { protocol, hostname } = new URL(urls[0]!)
    const host = hostname.replace(/[[\]]/g, '')
    if (protocol === 'tcp:') return reached(host).length > 0 && !busy ? well(urls[0]!) : bad
    return answers[host] ?? bad
  }
  return { listenersAt, probe } as unknown as System
}

const planAt = (host: string, scheme = 'http', path = '/health'): HealthPlan =>
  ({ urls: addressesOf(host).map((address) => `${scheme}://${address}:${PORT}${path}`), headers: {} })

const never = async (): Promise<Holder> => { throw new Error('nobody need be asked') }
const says = (holder: Holder) => async () => holder

/** What callers get when the one and when the other address answered first. */
const chosen = async (on: Machine, holderOf: () => Promise<Holder> = never, plan = planAt('localhost')): Promise<string[]> => {
  const system = machine(on)
  const there = plan.urls.filter((url) => Object.hasOwn(on.sockets, new URL(url).hostname.replace(/[[\]]/g, '')))
  return Promise.all(there.map((url) => chooseUrl(system, { plan, url, timeout: 100, own: { id: 'a', leader: { pid: 1, start: '1', group: 1 } } }, holderOf)))
}

const LOCALHOST = 'http://localhost:4000'
const BOTH = [`http://${V4}:4000`, `http://[${V6}]:4000`]

const table = (t: Test, rows: readonly [what: string, got: Promise<string[]>, wanted: readonly string[]][]): Promise<unknown> =>
  Promise.all(rows.map(async ([what, got, wanted]) => t.same(await got, wanted, what)))

t.test('the name, unless a stranger listens on the other address', (t) => table(t, [
  ['IPv4 alone', chosen({ sockets: { [V4]: '1' } }), [LOCALHOST]],
  ['IPv6 alone', chosen({ sockets: { [V6]: '1' } }), [LOCALHOST]],
  ['one socket for both', chosen({ sockets: { [V4]: '1', [V6]: '1' } }), [LOCALHOST, LOCALHOST]],
  ['two sockets of one server', chosen({ sockets: { [V4]: '1', [V6]: '2' } }, says('own')), [LOCALHOST, LOCALHOST]],
  ['a stranger', chosen({ sockets: { [V4]: '1', [V6]: '2' } }, says('stranger')), BOTH],
]))

t.test('where the kernel shows no owner, what both addresses answer decides, and not which one answered first', (t) => {
  const sockets: Sockets = { [V4]: undefined, [V6]: undefined }
  const with4 = (four: Probe, six: Probe) => chosen({ sockets, answers: { [V4]: four, [V6]: six } }, says('unknown'))
  return table(t, [
    ['both are healthy', with4(well('x'), well('x')), [LOCALHOST, LOCALHOST]],
    ['both give the id of the launch', with4(well('x', 'a'), well('x', 'a')), [LOCALHOST, LOCALHOST]],
    ['one gives the id of another launch', with4(well('x', 'a'), well('x', 'b')), BOTH],
    ['one gives none', with4(well('x', 'a'), well('x')), BOTH],
    ['one is not healthy', with4(well('x'), bad), BOTH],
    ['a connection alone: the port was free before', chosen({ sockets }, says('unknown'), planAt('localhost', 'tcp', '')), ['tcp://localhost:4000', 'tcp://localhost:4000']],
  ])
})

t.test('the address, where the name does not lead to the server', (t) => table(t, [
  ['a hosts file that names localhost for IPv4 alone', chosen({ sockets: { [V6]: '1' }, name: [V4] }), [`http://[${V6}]:4000`]],
  ['no hosts file', chosen({ sockets: { [V4]: '1' }, name: [] }), [`http://${V4}:4000`]],
  ['the server is busy: the name still leads there', chosen({ sockets: { [V4]: '1' }, busy: true }), [LOCALHOST]],
]))

t.test('a server that is ready by its log and does not listen yet has the name', async (t) => {
  const plan = { ...planAt('localhost', 'tcp', ''), log: { file: '/x', match: { text: 'up' } } }
  t.equal(await chooseUrl(machine({ sockets: {} }), { plan, url: plan.urls[0]!, timeout: 100 }, never), 'tcp://localhost:4000')
})

t.test('each scheme, and nothing of what is only for the check', async (t) => {
  const one = async (scheme: string, path: string): Promise<string[]> => chosen({ sockets: { [V4]: '1' } }, never, planAt('localhost', scheme, path))
  t.same(await one('https', '/h?token=x'), ['https://localhost:4000'])
  t.same(await one('tcp', ''), ['tcp://localhost:4000'])
  const plan: HealthPlan = { urls: [`http://me:pass@${V4}/h`, `http://me:pass@[${V6}]/h`], headers: {} }
  t.same(await chosen({ sockets: { [V4]: '1' } }, never, plan), ['http://localhost'], 'without a port')
})

t.test('a host that was named stays as it is, and nobody is asked', async (t) => {
  const nothing = {} as System
  for (const host of [V4, V6, '0.0.0.0', '127.0.0.2', 'my.host', 'app.localhost']) {
    const plan = planAt(host)
    const { origin } = new URL(plan.urls[0]!)
    t.equal(await chooseUrl(nothing, { plan, url: plan.urls[0]!, timeout: 100 }, never), origin, host)
  }
  t.equal(await chooseUrl(nothing, { plan: { urls: ['socket:/run/x%20y.sock'], headers: {} }, url: 'socket:/run/x%20y.sock', timeout: 100 }, never), 'socket:/run/x%20y.sock')
})

t.test('of `::` callers get the first address on which the server listens, whichever answered first', (t) => table(t, [
  ['one socket for both', chosen({ sockets: { [V4]: '1', [V6]: '1' } }, never, planAt('::')), [BOTH[1]!, BOTH[1]!]],
  ['IPv4 alone', chosen({ sockets: { [V4]: '1' } }, never, planAt('::')), [BOTH[0]!]],
  ['a stranger', chosen({ sockets: { [V4]: '1', [V6]: '2' } }, says('stranger'), planAt('::')), [BOTH[1]!, BOTH[0]!]],
]))

t.test('localhost is localhost in whatever case', async (t) => {
  t.same(addressesOf('LocalHost'), addressesOf('localhost'))
})
