/**
 * The kind: a file that somebody else put where one-server looks. A FIFO holds a reader for good, a device has no end or
 * acts when it is opened, and a file can be larger than memory. Each command ends, and says what it saw.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, chownSync, closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { fixture as path, run, start } from '../support/child.js'
import { commandOf, onLinux } from '../support/processes.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { fixture, home, type Home } from './command-line.js'

const BIN = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))
const asRoot = { skip: process.platform === 'linux' && process.getuid?.() === 0 ? false : 'only root can be two users' }
const onPosix = { skip: process.platform === 'win32' ? 'there are no FIFOs' : false }

const fifo = (at: string): string => {
  execFileSync('mkfifo', ['-m', '666', at])
  return at
}

const huge = (at: string): string => {
  const file = openSync(at, 'w')
  ftruncateSync(file, 3 * 1024 ** 3)
  closeSync(file)
  return at
}

const stateOf = ({ env }: Home): string => {
  const folder = env['ONE_SERVER_STATE_DIR'] as string
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** Names of files that a command opens or reads, of those that lie outside of the package. */
const filesRead = async (t: Test, here: Home, args: readonly string[]): Promise<string[]> => {
  const { code, stderr } = await run(t, process.execPath, ['--import', path('kill-before-call.mjs'), BIN, ...args], { env: here.env, cwd: here.folder })
  t.equal(code, 0, stderr)
  return stderr.split('\n').flatMap((line) => /^call \d+ (?:readFileSync|openSync|open|readFile) (\S+)/.exec(line)?.[1] ?? [])
}

/** A process that says of itself that it belongs to a launch with this PID file. */
const claimant = async (t: Test, pidFile: string, identity: { uid?: number; gid?: number } = {}): Promise<void> => {
  const env = { PATH: process.env['PATH'], ONE_SERVER_LAUNCH_ID: randomBytes(8).toString('hex'), ONE_SERVER_PID_FILE: pidFile }
  const child = start(t, 'sleep', ['600'], { env, cwd: '/', ...identity })
  await until(() => commandOf(child.pid!).startsWith(' sleep '), 'the process to begin')
}

t.test('what is no plain file in the state folder is listed as unusable', onPosix, async (t) => {
  const here = home(t)
  const folder = stateOf(here)
  fifo(join(folder, 'pipe.pid'))
  huge(join(folder, 'huge.pid'))
  symlinkSync('/dev/zero', join(folder, 'endless.pid'))
  fifo(join(folder, 'elsewhere'))
  symlinkSync('elsewhere', join(folder, 'link.pid'))
  const { code, stdout } = await here.run(['list', '--named', '--json'])
  t.equal(code, 0)
  const { servers } = JSON.parse(stdout) as { servers: { name: string; state: string; reason: string }[] }
  t.same(servers.map(({ name, state }) => [name, state]), ['endless', 'huge', 'link', 'pipe'].map((name) => [name, 'unusable']))
  t.match(servers.map(({ reason }) => reason), [/is a symbolic link/, /is 3221225472 bytes long/, /is a symbolic link/, /is a FIFO/])
  t.match(await here.run(['doctor', 'pipe']), { code: 1, stdout: /is a FIFO/ })
  t.match(await here.run(['doctor', 'endless']), { code: 1, stdout: /is a symbolic link/ })
})

t.test('what an environment of this user names as a PID file is opened only if it is a plain file', onLinux, async (t) => {
  const here = home(t)
  const pipe = fifo(join(here.folder, 'pipe'))
  const large = huge(join(here.folder, 'large'))
  for (const named of [pipe, large, '/dev/zero', '/dev/full', 'relative.pid', here.folder, join(here.folder, 'gone')]) await claimant(t, named)
  const read = await filesRead(t, here, ['list', '--json'])
  t.ok(read.length > 0, 'the calls are seen')
  t.same(read.filter((file) => [pipe, '/dev/zero', '/dev/full', 'relative.pid', here.folder].includes(file)), [])
  const { servers } = JSON.parse((await here.run(['list', '--json'])).stdout) as { servers: { pidFile: string; state: string }[] }
  // A process whose PID file has gone may be all that is left of a launch.
  t.match(servers.filter(({ pidFile }) => pidFile.startsWith(here.folder) || pidFile.startsWith('/dev/')), [{ pidFile: join(here.folder, 'gone'), state: 'unhealthy' }])
})

t.test("root's list looks at nothing that another user's process names", asRoot, async (t) => {
  const here = home(t)
  const theirs = tempFolder(t)
  chmodSync(theirs, 0o755)
  const [pipe, file] = [fifo(join(theirs, 'pipe')), join(theirs, 'file.pid')]
  writeFileSync(file, '1\n')
  for (const at of [pipe, file]) chownSync(at, 65534, 65534)
  for (const at of [pipe, file]) await claimant(t, at, { uid: 65534, gid: 65534 })
  const read = await filesRead(t, here, ['list'])
  t.same(read.filter((one) => one.startsWith(theirs)), [])
})

t.test('a log that is no plain file is refused', onPosix, async (t) => {
  const here = home(t)
  const log = fifo(join(here.folder, 'web.log'))
  t.match(await here.run(['logs', 'web', '--log-file', log]), { code: 1, stdout: '', stderr: /web\.log: this is a FIFO, not a log/ })
  t.match(await here.run(['logs', 'web', '-f', '--log-file', '/dev/zero']), { code: 1, stdout: '', stderr: /\/dev\/zero: this is a device, not a log/ })
  fifo(`${log}.prev`)
  t.match(await here.run(['logs', 'web', '--prev', '--log-file', log]), { code: 1, stderr: /this is a FIFO/ })
})

t.test('a FIFO that takes the place of a log which is followed ends that', onPosix, async (t) => {
  const here = home(t)
  const log = join(here.folder, 'web.log')
  writeFileSync(log, 'a line\n')
  const { ended, prints } = here.begin(['logs', 'web', '-f', '--log-file', log])
  await prints('a line\n')
  renameSync(fifo(join(here.folder, 'pipe')), log)
  t.match(await ended, { code: 1, stdout: 'a line\n', stderr: /this is a FIFO, not a log/ })
})

t.test('a log that becomes a device or a FIFO while a server boots by its log says so', onPosix, async (t) => {
  for (const [make, what] of [[fifo, /it\s+is\s+a\s+FIFO/], [(at: string) => symlinkSync('/dev/zero', at), /it\s+is\s+a\s+device/]] as const) {
    const here = home(t)
    const log = join(here.folder, 'web.log')
    const starting = here.begin(['start', 'web', '--ready', 'log:never', '--timeout', '1500ms', '--log-file', log, '--', process.execPath, fixture('never-listens')])
    await until(() => readdirSync(stateOf(here)).includes('web.pid'), 'the launch to be claimed')
    renameSync(log, join(here.folder, 'taken.log'))
    make(log)
    t.match(await starting.ended, { code: 4, stderr: what })
  }
})

t.test('a package.json without an end, or larger than memory, configures nothing', onPosix, async (t) => {
  const here = home(t)
  huge(join(here.folder, 'package.json'))
  appendFileSync(join(here.folder, 'package.json'), '"one-server"')
  t.match(await here.run(['status', 'web']), { code: 3, stderr: '' })
})
