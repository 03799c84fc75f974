/** `hold` prints one line, and uses the server until its stdin ends or a signal comes. */
import t from 'tap'
import { isAlive } from '../support/clients.js'
import { allGone, fixture, home, leaseFiles } from './command-line.js'

t.test('until its stdin ends', async (t) => {
  const here = home(t)
  const { child, ended, prints } = here.begin(['hold', 'web', '--port', 'auto', '--idle-timeout', '100ms', '--script', fixture('healthy')], { stdin: 'pipe' })
  await prints('\n')
  const { pid } = child
  const status = JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { pid: number; url: string }
  t.match(status, { state: 'ready', pinned: false, stopsAt: null, leases: [{ pid, command: 'one-server hold web', since: String }] })
  child.stdin?.write('what comes through it is ignored\n'.repeat(10_000))
  await new Promise<void>((resolve) => { child.stdin?.end(resolve) })
  const { code, stdout, stderr } = await ended
  t.equal(code, 0)
  t.match(stdout, /^\{.*\}\n$/, 'one line')
  t.match(JSON.parse(stdout), { schemaVersion: 1, url: status.url, pid: status.pid, started: true, adopted: false, launchId: String, pidFile: String, logFile: String })
  t.match(stderr, /^one-server: started \(PID \d+\), log: .*\n$/m)
  await allGone(here)
  t.notOk(isAlive(status.pid))
})

t.test('of a server that runs', async (t) => {
  const here = home(t)
  await here.start(['start', 'web', '--port', 'auto', '--quiet', '--script', fixture('healthy')])
  const server = (await here.run(['start', 'web', '--json', '--quiet'])).stdout

  for (const redirection of ['<&-', '</dev/null']) {
    t.test(`with stdin ${redirection} it ends at once`, async (t) => {
      t.same(await here.shell(['hold', 'web', '--quiet'], redirection), { code: 0, signal: null, stdout: server, stderr: '' })
      t.same(leaseFiles(here), [])
    })
  }

  for (const [signal, code] of [['SIGTERM', 143], ['SIGINT', 130], ['SIGHUP', 129]] as const) {
    t.test(`${signal} ends it, and the lease before it`, async (t) => {
      const { child, ended, prints } = here.begin(['hold', 'web', '--quiet', '--json'], { stdin: 'pipe' })
      await prints('\n')
      t.equal(leaseFiles(here).length, 1)
      child.kill(signal)
      t.same(await ended, { code, signal: null, stdout: server, stderr: '' })
      t.same(leaseFiles(here), [])
    })
  }
})

t.test('a failure is one line, too', async (t) => {
  const { run } = home(t)
  const { code, stdout, stderr } = await run(['hold', 'web', '--port', 'auto', '--', process.execPath, fixture('dies-at-once')])
  t.equal(code, 5)
  t.match(JSON.parse(stdout), { schemaVersion: 1, error: { code: 'SERVER_EXITED', exitCode: 7 } })
  t.match(stderr, /boom: cannot start/)
})
