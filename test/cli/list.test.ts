/** `list` shows each server that has a name, the default one, and a file that cannot be judged as just that. */
import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive } from '../support/clients.js'
import { onLinux } from '../support/processes.js'
import { until } from '../support/until.js'
import { allGone, fixture, home, leaseFiles } from './command-line.js'

/** For a pattern: an address of IPv6 has brackets. */
const literally = (url: string): string => url.replace(/[[\]]/g, '\\$&')

t.test('no servers', async (t) => {
  const { run } = home(t)
  t.match(await run(['list', '--named']), { code: 0, stdout: '', stderr: /^one-server: no servers/ })
  const { code, stdout, stderr } = await run(['list', '--named', '--json', '--quiet'])
  t.same({ code, stderr, list: JSON.parse(stdout) }, { code: 0, stderr: '', list: { schemaVersion: 1, servers: [] } })
})

t.test('running, stopped, default and unusable', async (t) => {
  const { run, start, env } = home(t)
  const state = env['ONE_SERVER_STATE_DIR'] as string
  const web = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json'])).stdout) as { pid: number; url: string }
  const unnamed = JSON.parse((await start(['start', '--port', 'auto', '--json'])).stdout) as { pid: number; url: string }
  mkdirSync(join(state, 'broken.pid'))
  // A process that cannot be: above every limit of PIDs.
  writeFileSync(join(state, 'gone.pid'), '2147483646\n')

  const { code, stdout, stderr } = await run(['list', '--named'])
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  t.match(lines[0], new RegExp(`^\\(default\\) +ready +(?:- +)?${unnamed.pid} +pinned +${literally(unnamed.url)}$`))
  t.match(lines[1], /^broken +unusable +- +- +\S/)
  t.match(lines[2], /^gone +stopped +- +- +-$/)
  t.match(lines[3], new RegExp(`^web +ready +(?:- +)?${web.pid} +pinned +${literally(web.url)}$`))
  t.equal(lines.length, 4)
  t.notOk(existsSync(join(state, 'gone.pid')), 'what lied is removed')
  t.equal(new Set(lines.map((line) => line.search(/(ready|unusable|stopped)/))).size, 1, 'the states stand in a column')

  const json = JSON.parse((await run(['list', '--named', '--json'])).stdout) as { servers: object[] }
  t.match(json, { schemaVersion: 1, servers: [{ name: '(default)' }, { name: 'broken', state: 'unusable', reason: String }, { name: 'web', state: 'ready', pid: web.pid, url: web.url, leases: [], pinned: true, stopsAt: null }] })
  t.equal(json.servers.length, 3)
})

t.test('who uses it, and when it stops; where all who used it were killed, it is made to', async (t) => {
  const here = home(t)
  const { child, ended, prints } = here.begin(['hold', 'web', '--port', 'auto', '--idle-timeout', '1s', '--quiet', '--script', fixture('healthy')], { stdin: 'pipe' })
  await prints('\n')
  t.match(await here.run(['list', '--named']), { code: 0, stdout: /^web {2}ready {2}\d+ +1 client {2}http:\/\/[^ ]+\n$/ })
  const { servers: [held] } = JSON.parse((await here.run(['list', '--named', '--json'])).stdout) as { servers: [{ pid: number }] }
  t.match(held, { leases: [{ pid: child.pid, command: 'one-server hold web', since: String }], pinned: false, stopsAt: null })

  const watch = Number(leaseFiles(here).find((name) => name.endsWith('.watch'))?.split('.').at(-3))
  for (const pid of [child.pid as number, watch]) process.kill(pid, 'SIGKILL')
  await ended
  await until(() => !isAlive(watch), 'the watch to end')
  t.match(JSON.parse((await here.run(['status', 'web', '--json'])).stdout), { state: 'ready', leases: [], pinned: false, stopsAt: null }, 'nobody is left to stop it')
  t.match(await here.run(['list', '--named']), { code: 0, stdout: /^web {2}ready {2}\d+ +stops in (?:1s|\d+ms) {2}http/ })
  await allGone(here)
  t.notOk(isAlive(held.pid))
})

t.test('a server whose PID file was deleted', async (t) => {
  const here = home(t)
  const { pid } = JSON.parse((await here.start(['start', 'web', '--port', 'auto', '--json'])).stdout) as { pid: number }
  unlinkSync(join(here.env['ONE_SERVER_STATE_DIR'] as string, 'web.pid'))
  t.match(await here.run(['list', '--named']), { code: 0, stdout: new RegExp(`^web {2}ready {2}${pid} `) })
  await here.run(['start', 'dead', '--port', 'auto', '--', process.execPath, '-e', 'process.exit(3)'])
  t.notMatch((await here.run(['list', '--named'])).stdout, /dead/, 'what a failed start leaves is no server')
})

t.test('a folder that cannot be read', async (t) => {
  const { run, env } = home(t)
  writeFileSync(env['ONE_SERVER_STATE_DIR'] as string, '')
  const { code, stdout, stderr } = await run(['list', '--named'])
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, 'the folder of named servers cannot be read')
})

t.test('on Linux also what runs without a name here, called by its PID file, which is only looked at', onLinux, async (t) => {
  const [here, there] = [home(t), home(t)]
  const pidFile = join(there.folder, 'else where.pid')
  const { pid, url } = JSON.parse((await there.start(['start', '--pid-file', pidFile, '--port', 'auto', '--json'])).stdout) as { pid: number; url: string }
  const listed = JSON.parse((await here.run(['list', '--json'])).stdout) as { servers: { pidFile: string }[] }
  t.match(listed.servers.filter((one) => one.pidFile === pidFile), [{ name: pidFile, state: 'ready', pid, url, pinned: true }])
  t.match((await here.run(['list'])).stdout.split('\n').find((line) => line.startsWith(pidFile)), new RegExp(` +ready +(?:- +)?${pid} +pinned +${literally(url)}$`))
  t.same(JSON.parse((await here.run(['list', '--named', '--json'])).stdout), { schemaVersion: 1, servers: [] })
  // A PID file that is of another launch than the process says is not followed.
  writeFileSync(pidFile, '1\n')
  const after = JSON.parse((await here.run(['list', '--json'])).stdout) as { servers: { pidFile: string }[] }
  t.same(after.servers.filter((one) => one.pidFile === pidFile), [])
})
