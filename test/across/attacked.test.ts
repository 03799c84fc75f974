/**
 * What attacks on servers of several hosts found, each as the kind that it stands for. Real processes over a real etcd; two homes are two
 * hosts.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hostUnreachable } from '../../lib/across/errors.js'
import { fixture, home, type Home } from '../cli/command-line.js'
import { noEtcd, startEtcd } from './etcd-server.js'

const PREFIX = 'ci/1'

/** Two hosts that renew so seldom that nothing here waits for a renewal. */
const twoHosts = async (t: Test): Promise<[Home, Home]> => {
  const { members } = await startEtcd(t)
  const aHost = (): Home => {
    const here = home(t)
    Object.assign(here.env, { ONE_SERVER_COORDINATOR: `etcd://127.0.0.1:${members[0]!.port}/${PREFIX}`, ONE_SERVER_TTL: '60s' })
    here.stopsAtEnd('web')
    return here
  }
  return [aHost(), aHost()]
}

const WELL = ['--timeout', '60s', '--json', '--quiet', '--script', fixture('echo')]

/** Starts it on the first host, and uses it on the second. */
const shared = async (t: Test): Promise<{ owner: Home; follower: Home; steward: number; claim: string }> => {
  const [owner, follower] = await twoHosts(t)
  for (const here of [owner, follower]) {
    const { code, stderr } = await here.run(['start', 'web', ...WELL])
    t.equal(code, 0, stderr)
  }
  const state = join(follower.env['ONE_SERVER_STATE_DIR']!, 'web.pid.d')
  const claim = readdirSync(state, { recursive: true, encoding: 'utf8' }).find((file) => file.endsWith('.claim'))!
  return { owner, follower, steward: Number(/\.(\d+)\.\d+\.\d+\.claim$/.exec(claim)![1]), claim: join(state, claim) }
}

const stateOf = async (here: Home): Promise<string> => (JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { state: string }).state

t.test('a server that ends while it boots is seen at once, whatever it says at its end', { skip: noEtcd }, async (t) => {
  const hosts = await twoHosts(t)
  const endings: readonly (readonly [what: string, code: number, ...command: string[]])[] = [
    ['it leaves with 0', 0, process.execPath, '-e', 'setTimeout(() => { console.log("no more to do") }, 300)'],
    ['so does what it has left in the background', 0, '/bin/sh', '-c', '(sleep 0.3; echo no more to do) & exit 0'],
    ['it leaves with 3', 3, process.execPath, '-e', 'setTimeout(() => { console.log("no more to do"); process.exit(3) }, 300)'],
  ]
  for (const [what, exitCode, ...command] of endings) {
    const ended = await Promise.all(hosts.map((here) => here.run(['start', 'web', '--json', '--quiet', '--timeout', '60s', '--port', 'auto', '--', ...command])))
    for (const { code, stdout } of ended) {
      t.equal(code, 5, `${what}: ${stdout}`)
      t.match(JSON.parse(stdout), { error: { code: 'SERVER_EXITED', exitCode, message: /no more to do/ } }, what)
    }
  }
})

t.test('a failure that another host shares says whose log, port and program it speaks of', { skip: noEtcd }, async (t) => {
  const hosts = await twoHosts(t)
  const hangs = ['--timeout', '2s', '--port', 'auto', '--', process.execPath, '-e', 'setTimeout(() => process.exit(3), 1500)']
  const all = await Promise.all(hosts.map(async (here) => {
    const { stdout } = await here.run(['start', 'web', '--json', '--quiet', ...hangs])
    const { message, logFile } = (JSON.parse(stdout) as { error: { message: string; logFile: string } }).error
    return { message, isOwn: logFile.startsWith(here.env['ONE_SERVER_STATE_DIR']!) }
  }))
  t.ok(all.some(({ isOwn }) => isOwn))
  for (const { message, isOwn } of all) t.equal(message.startsWith(`On ${hostname()}: `), !isOwn, message)
})

t.test('a server that is never ready: callers learn what was waited for', { skip: noEtcd }, async (t) => {
  const [here] = await twoHosts(t)
  here.env['ONE_SERVER_TTL'] = '5s'
  const { code, stdout } = await here.run(['start', 'web', '--json', '--quiet', '--timeout', '200ms', '--port', 'auto', '--', process.execPath, '-e', 'setInterval(() => {}, 1000)'])
  t.equal(code, 4)
  t.match(JSON.parse(stdout), { error: { code: 'START_TIMEOUT', message: /waiting for the health check of http:\/\/\S+: the connection was refused/, hint: /--timeout.*--port, --host, --health/ } })
})

t.test('a server in use is spared by stop --if-idle, though its host has not heard of the use yet', { skip: noEtcd }, async (t) => {
  const { owner, follower } = await shared(t)
  t.match(await owner.run(['stop', 'web', '--if-idle']), { code: 0, stderr: /left running/ })
  t.match(await follower.run(['stop', 'web', '--if-idle']), { code: 0, stderr: /left running/ })
  t.equal(await stateOf(owner), 'ready')
  t.match(await follower.run(['stop', 'web']), { code: 0, stderr: /stopped/ })
})

for (const [what, breakIt] of [
  ['it is frozen', ({ steward }) => { process.kill(steward, 'SIGSTOP') }],
  ['it is killed', ({ steward }) => { process.kill(steward, 'SIGKILL') }],
  // As on a full disk: the mark is there, and has no room for the reason.
  ['it cannot read why it ends', ({ claim }) => { writeFileSync(claim.replace(/(\.\d+){3}\.claim$/, '.ended'), '') }],
] as const satisfies readonly (readonly [string, (found: Awaited<ReturnType<typeof shared>>) => void])[]) {
  t.test(`a stop is one for all hosts, though the steward of its host passes nothing on: ${what}`, { skip: noEtcd }, async (t) => {
    const found = await shared(t)
    breakIt(found)
    if (what === 'it is frozen') t.match(JSON.parse((await found.follower.run(['status', 'web', '--json'])).stdout), { coordinator: `unknown, keys below ${PREFIX}/` })
    t.match(await found.follower.run(['stop', 'web', '--stop-timeout', '100ms']), { code: 0, stderr: /stopped/ })
    t.equal(await stateOf(found.owner), 'stopped')
  })
}

t.test('what answers is reached: another address is no advice then', async (t) => {
  const refused = hostUnreachable('ci-3', 'http://10.0.0.7:1', 'the connection was refused')
  t.match(refused, { message: /does not answer this host/, hint: /--advertise/ })
  const answered = hostUnreachable('ci-3', 'http://10.0.0.7:1', 'it answered 503')
  t.match(answered, { message: /fails its health check from this host at http:\/\/10\.0\.0\.7:1: it answered 503\.$/, hint: /--health/ })
  t.notMatch(answered.hint, /advertise/)
})

t.test('secrets are no words of a command', async (t) => {
  const here = home(t)
  for (const words of [['--coordinator', 'etcd://ci:SECRET@etcd:2379/ci'], ['--coordinator=etcds://SECRET@etcd'], ['--coordinator', 'etcd://ci:SEC/RET@etcd']]) {
    for (const command of [['start', 'web'], ['run', 'web'], ['stop', 'web']]) {
      const { code, stderr } = await here.run([...command, ...words])
      t.equal(code, 2)
      t.match(stderr, /ONE_SERVER_COORDINATOR/)
      t.notMatch(stderr, /SEC/)
    }
  }
  here.env['ONE_SERVER_COORDINATOR'] = 'etcd://ci:SECRET@127.0.0.1:1/ci'
  t.match(await here.run(['stop', 'web']), { code: 8, stderr: /connection\s+refused/ }, 'a variable may have them')
})
