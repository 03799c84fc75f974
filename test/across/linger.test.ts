/**
 * `run` and `hold` on the host that runs a server which other hosts use: the first job that ends must not take the server from the others.
 * Real processes over a real etcd; two homes are two hosts.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { allGone, fixture, home, type Home, type Running } from '../cli/command-line.js'
import { until } from '../support/until.js'
import { noEtcd, startEtcd } from './etcd-server.js'

const WAITS = /waiting for .+, which still uses the server on this host/

/** Commands that end when they are let go, on two hosts that share one server. */
const twoJobs = async (t: Test, ...more: string[]) => {
  const { members } = await startEtcd(t)
  const hosts: Home[] = []
  const begin = async (name: string, ...flags: string[]): Promise<{ running: Running; letGo: () => void; here: Home }> => {
    const here = home(t)
    here.env['ONE_SERVER_COORDINATOR'] = `etcd://127.0.0.1:${members[0]!.port}/ci/1`
    const go = join(here.folder, 'go')
    const job = `console.log(process.env.ONE_SERVER_URL, process.env.ONE_SERVER_COORDINATOR !== undefined); const look = () => require('fs').existsSync(${JSON.stringify(go)}) ? process.exit(${name === 'first' ? 7 : 3}) : setTimeout(look, 20); look()`
    const running = here.begin(['run', 'web', '--port', 'auto', '--health', '/', '--timeout', '60s', '--idle-timeout', '0', ...flags, '--server', `${process.execPath} ${fixture('echo')}`, '--', process.execPath, '-e', job])
    await running.prints(/http:\S+ true\n/)
    hosts.push(here)
    return { running, letGo: () => { writeFileSync(go, '') }, here }
  }
  const first = await begin('first', ...more)
  const second = await begin('second')
  t.equal(second.running.printed(), first.running.printed(), 'one server')
  const url = first.running.printed().split(' ')[0]!
  const nothingLeft = async (): Promise<void> => { for (const one of hosts) await allGone(one) }
  return { first, second, url, nothingLeft }
}

const answers = (url: string): Promise<boolean> => fetch(url).then(({ ok }) => ok, () => false)

t.test('run waits at its end for the other host, and then ends as its command did', { skip: noEtcd }, async (t) => {
  const { first, second, url, nothingLeft } = await twoJobs(t)
  first.letGo()
  await first.running.prints(WAITS, 'stderr')
  t.ok(await answers(url), 'the server serves on')
  t.equal(first.running.child.exitCode, null)
  second.letGo()
  t.match(await second.running.ended, { code: 3 })
  t.match(await first.running.ended, { code: 7 })
  await until(async () => !(await answers(url)), 'the last one out to end the server')
  await nothingLeft()
})

t.test('the other host does not wait: its server is not its own', { skip: noEtcd }, async (t) => {
  const { first, second, url, nothingLeft } = await twoJobs(t)
  second.letGo()
  const { code, stderr } = await second.running.ended
  t.equal(code, 3)
  t.notMatch(stderr, WAITS)
  t.ok(await answers(url))
  first.letGo()
  t.match(await first.running.ended, { code: 7 })
  await nothingLeft()
})

t.test('--linger 0s does not wait, and the server stays for the other host', { skip: noEtcd }, async (t) => {
  const { first, second, url, nothingLeft } = await twoJobs(t, '--linger', '0s')
  first.letGo()
  const { code, stderr } = await first.running.ended
  t.equal(code, 7)
  t.notMatch(stderr, WAITS)
  t.ok(await answers(url), 'nobody has ended this host')
  second.letGo()
  t.match(await second.running.ended, { code: 3 })
  await nothingLeft()
})

t.test('SIGTERM while it waits ends the server cleanly, and the command ends as it did', { skip: noEtcd }, async (t) => {
  const { first, second, url, nothingLeft } = await twoJobs(t)
  first.letGo()
  await first.running.prints(WAITS, 'stderr')
  first.running.child.kill('SIGTERM')
  t.match(await first.running.ended, { code: 7, stderr: /stopping the server, since this host was asked to end/ })
  t.notOk(await answers(url))
  const again = await second.here.run(['run', 'web', '--port', 'auto', '--health', '/', '--timeout', '60s', '--idle-timeout', '0', '--server', `${process.execPath} ${fixture('echo')}`, '--', process.execPath, '-e', ''])
  t.match(again, { code: 0, stderr: /started/ }, 'the claim was given back: the next call starts one at once')
  second.letGo()
  await second.running.ended
  await nothingLeft()
})

t.test('Ctrl-C while it waits ends the waiting alone', { skip: noEtcd }, async (t) => {
  const { first, second, url, nothingLeft } = await twoJobs(t)
  first.letGo()
  await first.running.prints(WAITS, 'stderr')
  first.running.child.kill('SIGINT')
  t.match(await first.running.ended, { code: 7 })
  t.ok(await answers(url))
  second.letGo()
  await second.running.ended
  await nothingLeft()
})
