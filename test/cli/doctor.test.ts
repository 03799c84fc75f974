/**
 * `doctor` says of each thing what was seen and what to do, never shows a secret, and changes nothing. Its exit code tells
 * whether somebody has to do something.
 */
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { pathsOf, type Paths } from '../../lib/paths.js'
import { ClientProcessManager } from '../../lib/index.js'
import { run as runProgram } from '../support/child.js'
import { isAlive } from '../support/clients.js'
import { aRecord } from '../support/a-record.js'
import { until } from '../support/until.js'
import { fixture, home, type Home } from './command-line.js'
import { hostName, self } from '../support/processes.js'

interface Finding {
  readonly topic: string
  readonly level: string
  readonly text: string
  readonly advice: string | null
  readonly data: Record<string, unknown> | null
}

interface Told {
  readonly code: number | null
  readonly findings: readonly Finding[]
  readonly summary: Record<string, number>
  readonly stdout: string
}

const isRoot = process.getuid?.() === 0
const ID = '0123456789abcdef'

/** What is there, so that any change shows. */
const pictureOf = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted().map((name) => {
    const { mode, size, mtimeMs, ino } = lstatSync(join(folder, name))
    // A log is written to by its server.
    return name.endsWith('.log') ? name : [name, mode, size, mtimeMs, ino].join(' ')
  })

const pathsIn = (here: Home): Paths => pathsOf(join(here.env['ONE_SERVER_STATE_DIR'] as string, 'web.pid'), hostName)

const makeHost = (here: Home): Paths => {
  const paths = pathsIn(here)
  mkdirSync(paths.host, { recursive: true, mode: 0o700 })
  return paths
}

/** Asks for both forms, and sees that nothing changes and that both say the same. */
const examine = async (t: Test, here: Home, env: NodeJS.ProcessEnv = {}): Promise<Told> => {
  const before = pictureOf(here.folder)
  const json = await here.run(['doctor', 'web', '--json'], env)
  const text = await here.run(['doctor', 'web'], env)
  t.same(pictureOf(here.folder), before, 'nothing was changed')
  t.match({ code: json.code, stderr: json.stderr }, { code: text.code, stderr: '' })
  const { findings, summary, schemaVersion } = JSON.parse(json.stdout) as Told & { schemaVersion: number }
  t.equal(schemaVersion, 1)
  t.match(text.stdout, new RegExp(`${summary['problem']} problems?, ${summary['note']} notes?, ${summary['ok']} ok\n$`))
  t.equal(json.code, summary['problem'] === 0 ? 0 : 1)
  // A line is longer only where it has a single word, such as a path.
  t.same(text.stdout.split('\n').filter((line) => line.length > 80 && line.slice(22).trim().replace(/^→ /, '').includes(' ')), [])
  return { code: json.code, findings, summary, stdout: json.stdout + text.stdout }
}

const problems = ({ findings }: Told): string[] => findings.filter(({ level }) => level === 'problem').map(({ topic }) => topic)

const about = ({ findings }: Told, topic: string): readonly Finding[] => findings.filter((finding) => finding.topic === topic)

t.test('where nothing is', async (t) => {
  const here = home(t)
  const told = await examine(t, here)
  t.same(problems(told), [])
  t.match(about(told, 'PID file'), [{ level: 'ok', text: /^none at / }])
  t.match(about(told, 'versions'), [{ data: { node: process.versions.node, platform: process.platform } }])
  t.same(readdirSync(here.folder), [], 'it leaves no trace')
  t.match(await here.run(['doctor', 'web', 'more']), { code: 2, stdout: '' })
})

t.test('a server that is well, as the installed command tells it', async (t) => {
  const here = home(t)
  const server = JSON.parse((await here.start(['start', 'web', '--port', 'auto', '--json'])).stdout) as { pid: number; port: number; launchId: string }
  const told = await examine(t, here)
  t.same(problems(told), [])
  t.match(about(told, 'claims'), [{ level: 'ok', text: new RegExp(`^launch ${server.launchId}: PID ${server.pid} lives \\(ready, pinned\\)`) }])
  t.match(about(told, 'processes'), [{ level: 'ok', data: { leader: server.pid } }])
  t.match(about(told, 'leases'), [{ level: 'ok', text: 'nobody holds a lease; pinned, so that no lease ends it' }])
  t.match(about(told, 'health'), [{ level: 'ok', text: /answers$/ }])
  t.match(about(told, 'port'), [{ level: 'ok', text: new RegExp(`^port ${server.port} .* belongs to PID ${server.pid} \\(node.*\\), a process of this launch$`) }])
  t.match(about(told, 'lock'), [{ level: 'ok', text: 'free' }])
  t.match(about(told, 'log'), [{ level: 'ok', text: /web\.log, \d+ bytes/ }])
  const bin = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
  t.match(await runProgram(t, process.execPath, [bin, 'doctor', 'web'], { env: here.env }), { code: 0, stdout: /^ok {7}versions .*\n(.*\n)*nothing is wrong: 0 problems, / })
})

t.test('a server that boots, and is used', async (t) => {
  const here = home(t)
  here.stopsAtEnd('web')
  const holding = here.begin(['hold', 'web', '--port', 'auto', '--idle-timeout', '1s', '--timeout', '1m', '--quiet', '--script', fixture('never-answers')], { stdin: 'pipe' })
  await until(() => readdirSync(here.folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.lease')), 'a lease')
  await until(async () => (await here.run(['status', 'web'])).stdout.startsWith('state     starting'), 'the launch')
  const told = await examine(t, here)
  t.same(problems(told), [])
  t.match(about(told, 'processes').at(-1), { level: 'ok', text: new RegExp(`^the server boots: \\d+[sm] of its 1m are left; its launcher, PID ${holding.child.pid}, is alive, its keeper, PID \\d+, is alive$`) })
  t.match(about(told, 'leases'), [{ text: new RegExp(`^held by PID ${holding.child.pid}; watched by PID \\d+$`) }])
  t.match(about(told, 'health'), [{ level: 'note', text: /does not answer yet/ }])
})

t.test('what would be secret', async (t) => {
  const here = home(t)
  const pidFile = pathsIn(here).pidFile
  const manager = new ClientProcessManager({
    pidFile, serverScript: fixture('echo'), port: 'auto', host: '127.0.0.1', healthUrl: 'http://127.0.0.1:{port}/api/health', healthHeaders: { 'x-token': 'SECRET1' },
    inheritEnv: ['PATH'], env: { RUNNER_TRACKING_ID: 'SECRET2', TOKEN: 'SECRET3' },
  })
  await manager.ensureServerRunning()
  t.teardown(() => manager.stopServer())
  const env = {
    HTTP_PROXY: 'http://me:SECRET4@proxy:1', ONE_SERVER_TOKEN: 'SECRET6', RUNNER_TRACKING_ID: 'SECRET7', JENKINS_NODE_COOKIE: 'SECRET8', CI: 'SECRET9', NODE_USE_ENV_PROXY: '0',
  }
  const told = await examine(t, here, env)
  t.notMatch(told.stdout, /SECRET/)
  t.same(problems(told), [])
  t.match(about(told, 'health'), [{ text: /answers \(asked with x-token\)$/ }])
  const texts = about(told, 'environment').map(({ text }) => text)
  for (const expected of [
    /^HTTP_PROXY is set, NO_PROXY does not spare localhost/, /^ONE_SERVER_STATE_DIR=\//, /^a CI runner has marked this process: RUNNER_TRACKING_ID, JENKINS_NODE_COOKIE$/,
    /^the server, PID \d+, carries RUNNER_TRACKING_ID$/, /^also set: ONE_SERVER_TOKEN$/, /^CI is set/,
  ]) t.ok(texts.some((text) => expected.test(text)), `${expected} in ${texts.join(' | ')}`)
  t.match(await here.run(['doctor', '--pid-file', pidFile], { NO_PROXY: 'x,127.0.0.1,localhost', HTTPS_PROXY: 'x' }), { code: 0, stdout: /HTTPS_PROXY is set, NO_PROXY spares/ })
})

t.test('the address of a health check that was never answered', async (t) => {
  const here = home(t)
  const start = await here.run(['start', 'web', '--port', 'auto', '--health', 'http://me:SECRET1@127.0.0.1:{port}/h?token=SECRET2', '--timeout', '300ms', '--script', fixture('never-listens')])
  t.match(start.stderr, /check\s+of\s+http:\/\/127\.0\.0\.1:\d+\/h\?…: the\s+connection\s+was\s+refused/)
  t.notMatch(start.stderr, /SECRET/)
  const failed = await examine(t, here)
  t.match(about(failed, 'outcome'), [{ text: /START_TIMEOUT: .* of http:\/\/127\.0\.0\.1:\d+\/h\?…: the connection was refused\.$/ }])
  t.notMatch(failed.stdout, /SECRET/)
})

t.test('what a server that failed has printed', async (t) => {
  const here = home(t)
  await here.run(['start', 'web', '--port', 'auto', '--', 'sh', '-c', 'echo SECRET; exit 7'])
  const told = await examine(t, here)
  t.same(problems(told), ['outcome'])
  t.match(about(told, 'outcome'), [{ text: /SERVER_EXITED: Server exited with code 7 before its health check answered\.$/, data: { exitCode: 7 } }])
  t.notMatch(told.stdout, /SECRET/)
  t.match(told.stdout, /web\.log, 7 bytes/)
})

/** A server of the fixtures, known by what its claim says. */
const started = async (here: Home, script = 'healthy', ...more: string[]): Promise<{ pid: number; port: number; launchId: string; logFile: string; claim: string }> => {
  const server = JSON.parse((await here.start(['start', 'web', '--port', 'auto', '--json', '--script', fixture(script), ...more])).stdout)
  const { host } = pathsIn(here)
  return { ...server, claim: join(host, readdirSync(host).find((name) => name.endsWith('.claim'))!) }
}

t.test('a server that is stopped, and whose log was deleted', async (t) => {
  const here = home(t)
  const { pid, logFile } = await started(here)
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => { process.kill(pid, 'SIGCONT') })
  rmSync(logFile)
  const told = await examine(t, here)
  t.equal(told.code, 1)
  t.same(problems(told), ['processes', 'health'])
  t.match(about(told, 'processes'), [{ text: new RegExp(`^PID ${pid} is stopped`), advice: new RegExp(`kill -CONT ${pid}$`) }])
  t.match(about(told, 'health'), [{ text: /answered once and does not now: it did not answer within 500 ms$/ }])
  t.match(about(told, 'log'), [{ level: 'note', text: /was deleted while the server runs$/ }])
  process.kill(pid, 'SIGCONT')
})

t.test('one whose leader has died', async (t) => {
  const here = home(t)
  const { pid } = await started(here, 'leader-dies-child-serves')
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), 'the leader to die')
  const told = await examine(t, here)
  t.match(about(told, 'claims'), [{ level: 'note', data: { verdict: 'headless' }, advice: /^The launch is used while one of them listens/ }])
  t.match(about(told, 'processes'), [{ level: 'note', text: new RegExp(`^the leader, PID ${pid}, has ended, and PID \\d+ of its launch run on$`) }])
})

t.test('one that was killed, and whose port somebody else has', async (t) => {
  const here = home(t)
  const { pid, port, launchId } = await started(here)
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), 'the server to end')
  const other = createServer().listen(port, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => other.close())
  const told = await examine(t, here)
  t.same(problems(told), [])
  t.match(about(told, 'PID file'), [{ level: 'note', text: /has ended$/, advice: /the next call/ }])
  t.match(about(told, 'claims')[0], { level: 'note', text: `launch ${launchId}: PID ${pid} has ended, its claim is left` })
  t.match(about(told, 'port'), [{ level: 'note', text: new RegExp(`belongs to PID ${process.pid} \\(`), data: { owner: { pid: process.pid } } }])
})

t.test('claims that are damaged, forged, or lost', async (t) => {
  const here = home(t)
  const { pid, claim, launchId } = await started(here)
  const { pidFile, host } = pathsIn(here)
  const [record, body] = [readFileSync(pidFile, 'utf8'), readFileSync(claim, 'utf8')]
  writeFileSync(claim, body.slice(0, 40))
  rmSync(pidFile)
  t.match(about(await examine(t, here), 'claims'), [{ level: 'problem', text: `launch ${launchId}: PID ${pid} lives, and its claim does not say where it listens` }])
  rmSync(claim)
  writeFileSync(pidFile, record)
  t.match(about(await examine(t, here), 'PID file'), [{ level: 'note', text: `PID ${pid} lives and its claim was deleted from outside` }])
  writeFileSync(claim, body)
  // Some process of this boot, which nothing shows to be a server.
  const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true })
  t.teardown(() => { child.kill('SIGKILL') })
  const forged = join(host, `${ID}.2147483646.1.${child.pid}.claim`)
  writeFileSync(forged, '')
  const told = await examine(t, here)
  t.equal(told.code, 0, 'a group that has been given anew is none of the launch')
  rmSync(forged)
})

t.test('the state itself', async (t) => {
  const newer = `${ID}.12.34.12.claim2`
  const cases: readonly { name: string; make: (paths: Paths, here: Home) => void; topic: string; level: string; text: RegExp; skip?: boolean }[] = [
    { name: 'a folder in the place of the PID file', make: ({ pidFile }) => mkdirSync(pidFile), topic: 'PID file', level: 'problem', text: /web\.pid: is a folder$/ },
    { name: 'a file of somebody else', make: ({ pidFile }) => writeFileSync(pidFile, 'precious SECRET\n'), topic: 'PID file', level: 'problem', text: /is there and is not a PID file$/ },
    { name: 'a bare number of nobody', make: ({ pidFile }) => writeFileSync(pidFile, '2147483646\n'), topic: 'PID file', level: 'note', text: /no process has that PID$/ },
    { name: 'a bare number of somebody', make: ({ pidFile }) => writeFileSync(pidFile, `${process.pid}\n`), topic: 'PID file', level: 'note', text: /some process has that PID$/ },
    { name: 'the record of another host', make: ({ pidFile }) => writeFileSync(pidFile, `4711\n${JSON.stringify(aRecord({ pid: 4711, host: 'elsewhere' }))}\n`), topic: 'PID file', level: 'note', text: /^.*names PID 4711 of another host/ },
    { name: 'a newer claim', make: ({ host }) => writeFileSync(join(host, newer), ''), topic: 'claims', level: 'problem', text: /claim2/ },
    { name: 'a folder that others may write to', make: ({ folder }) => chmodSync(folder, 0o777), topic: 'claims', level: 'problem', text: /may be written to by other users$/ },
    { name: 'marks without a claim', make: ({ host }) => writeFileSync(join(host, `${ID}.ready`), ''), topic: 'claims', level: 'note', text: /^1 file is left of/ },
    { name: 'a failed launch', make: ({ host }) => writeFileSync(join(host, `${ID}.outcome`), JSON.stringify({ format: 1, at: 1, code: 'SERVER_EXITED', message: 'Server exited with code 7.\nSECRET', hint: '', data: { exitCode: 7, logTail: 'SECRET' } })), topic: 'outcome', level: 'problem', text: /^launch 0123456789abcdef failed \d+m?s ago, SERVER_EXITED: Server exited with code 7\.$/ },
    { name: 'what a reboot left', make: ({ folder }) => { mkdirSync(join(folder, 'feedfeedfeedfeed-1-2-3')); writeFileSync(join(folder, 'feedfeedfeedfeed-1-2-3', `${ID}.12.34.12.claim`), '') }, topic: 'other hosts', level: 'note', text: /^feedfeedfeedfeed-1-2-3: another machine .* before a reboot, 1 claim, / },
    { name: 'a container', make: ({ folder }) => mkdirSync(join(folder, `${hostName.split('-')[0]}-1-2-3`)), topic: 'other hosts', level: 'note', text: /other namespaces of this kernel .*, 0 claims/, skip: process.platform !== 'linux' },
    { name: 'a lock that was left', make: ({ lock }) => mkdirSync(lock), topic: 'lock', level: 'note', text: /^left over: no live client holds it; refreshed \d+m?s ago$/ },
    { name: 'a lock with something in it', make: ({ lock }) => { mkdirSync(lock); writeFileSync(join(lock, 'precious'), '') }, topic: 'lock', level: 'problem', text: /with something in it$/ },
    { name: 'a file in the place of the lock', make: ({ lock }) => writeFileSync(lock, ''), topic: 'lock', level: 'problem', text: /is not a folder/ },
    { name: 'a lock that is held', make: ({ lock, host }) => { mkdirSync(lock); const { pid, start } = self(); writeFileSync(join(host, `ab.${pid}.${start}.locking`), ''); writeFileSync(join(host, `${ID}.${pid}.${start}.locking`), '') }, topic: 'lock', level: 'ok', text: new RegExp(`^held or waited for by PID ${process.pid}, refreshed`) },
    { name: 'a lock that is held and not refreshed', make: ({ lock, host }) => { mkdirSync(lock); utimesSync(lock, 1, 1); const { pid, start } = self(); writeFileSync(join(host, `${ID}.${pid}.${start}.locking`), '') }, topic: 'lock', level: 'note', text: /refreshed \d+y/ },
    { name: 'a large log', make: ({ pidFile }) => { const log = pidFile.replace('.pid', '.log'); writeFileSync(log, ''); truncateSync(log, 2e8) }, topic: 'log', level: 'note', text: /has 200 MB$/ },
    { name: 'a folder in the place of the log', make: ({ pidFile }) => mkdirSync(pidFile.replace('.pid', '.log')), topic: 'log', level: 'problem', text: /is not a plain file$/ },
    { name: 'a folder above that all may write to', make: ({ pidFile }) => chmodSync(join(pidFile, '..'), 0o777), topic: 'folder', level: 'note', text: /^every user may rename files in / },
    { name: 'the home of another user', make: (_, { folder }) => chownSync(folder, 65534, 65534), topic: 'user', level: 'note', text: /^HOME .* belongs to uid 65534, and this is uid 0/, skip: !isRoot },
    { name: "another user's PID file", make: ({ pidFile }) => { writeFileSync(pidFile, '12\n'); chownSync(pidFile, 65534, 65534) }, topic: 'PID file', level: 'problem', text: /belongs to another user \(uid 65534\)$/, skip: !isRoot },
    { name: "another user's lock", make: ({ lock }) => { mkdirSync(lock); chownSync(lock, 65534, 65534) }, topic: 'lock', level: 'problem', text: /belongs to another user \(uid 65534\)$/, skip: !isRoot },
  ]
  for (const { name, make, topic, level, text, skip = false } of cases) {
    t.test(name, { skip: skip && 'not to be had here' }, async (t) => {
      const here = home(t)
      make(makeHost(here), here)
      const told = await examine(t, here)
      t.ok(about(told, topic).some((finding) => finding.level === level && text.test(finding.text)), JSON.stringify(about(told, topic)))
      t.same(problems(told), level === 'problem' ? [topic] : [])
      t.notMatch(told.stdout, /SECRET/)
    })
  }
})

t.test('the environment', async (t) => {
  const here = home(t)
  for (const [env, code, text] of [
    [{ ONE_SERVER_STATE_DIR: 'state' }, 1, /ONE_SERVER_STATE_DIR is a relative path/], [{ ONE_SERVER_LAUNCH_ID: ID }, 0, /this process runs inside a server that one-server has\s+started/],
    [{ PATH: '' }, 0, /PATH is not set/], [{ NODE_OPTIONS: '--title=SECRET --no-warnings' }, 0, /NODE_OPTIONS has --title, --no-warnings\n/], [{ HOME: '/nonexistent' }, 0, /HOME does not exist/],
  ] as const) {
    const bin = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))
    const told = await runProgram(t, process.execPath, [bin, 'doctor', 'web'], { env: { ...here.env, ...env }, cwd: here.folder })
    t.equal(told.code, code, told.stdout)
    t.match(told.stdout, text)
    t.notMatch(told.stdout, 'SECRET')
  }
})
