/** `list` shows each server that has a name, the default one, and a file that cannot be judged as just that. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { home } from './command-line.js'

t.test('no servers', async (t) => {
  const { run } = home(t)
  t.match(await run(['list']), { code: 0, stdout: '', stderr: /^one-server: no servers/ })
  const { code, stdout, stderr } = await run(['list', '--json', '--quiet'])
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

  const { code, stdout, stderr } = await run(['list'])
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  t.match(lines[0], new RegExp(`^\\(default\\) +ready +${unnamed.pid} +${unnamed.url}$`))
  t.match(lines[1], /^broken +unusable +- +\S/)
  t.match(lines[2], /^gone +stopped +- +-$/)
  t.match(lines[3], new RegExp(`^web +ready +${web.pid} +${web.url}$`))
  t.equal(lines.length, 4)
  t.equal(new Set(lines.map((line) => line.search(/(ready|unusable|stopped)/))).size, 1, 'the states stand in a column')

  const json = JSON.parse((await run(['list', '--json'])).stdout) as { servers: object[] }
  t.match(json, { schemaVersion: 1, servers: [{ name: '(default)' }, { name: 'broken', state: 'unusable', reason: String }, { name: 'gone', state: 'stopped' }, { name: 'web', state: 'ready', pid: web.pid, url: web.url, reason: null }] })
})

t.test('a folder that cannot be read', async (t) => {
  const { run, env } = home(t)
  writeFileSync(env['ONE_SERVER_STATE_DIR'] as string, '')
  const { code, stdout, stderr } = await run(['list'])
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, 'the folder of named servers cannot be read')
})
