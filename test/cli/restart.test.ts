/** `restart` ends with another process that is healthy; a server that did not run is simply started. */
import t from 'tap'
import type { ServerInfo } from '../../lib/server-info.js'
import { fixture, home } from './command-line.js'

t.test('a running server is replaced', async (t) => {
  const { start, run } = home(t)
  const args = ['web', '--port', 'auto', '--script', fixture('healthy')]
  const first = JSON.parse((await start(['start', ...args, '--json'])).stdout) as ServerInfo
  const { code, stdout, stderr } = await run(['restart', ...args, '--json'])
  const second = JSON.parse(stdout) as ServerInfo
  t.match({ code, second }, { code: 0, second: { schemaVersion: 1, started: true, adopted: false } })
  t.not(second.pid, first.pid)
  t.match(stderr, new RegExp(`^one-server: stopped \\(PID ${first.pid}\\)$`, 'm'))
  t.match(stderr, new RegExp(`^one-server: restarted \\(PID ${second.pid}\\), log: `, 'm'))
  t.match(await run(['status', 'web', '--json']), { code: 0, stdout: new RegExp(`"pid":${second.pid}`) })
})

t.test('nothing ran', async (t) => {
  const { start } = home(t)
  t.match(await start(['restart', 'web', '--port', 'auto', '--quiet']), { code: 0, stdout: /^http:\/\/.*:\d+\n$/, stderr: '' })
})

t.test('a server that dies while starting', async (t) => {
  const { start } = home(t)
  t.match(await start(['restart', 'web', '--port', 'auto', '--script', fixture('dies-at-once')]), { code: 5, stdout: '', stderr: /boom/ })
})

t.test('the URL stays the same where no other port is asked for', async (t) => {
  const { start, run } = home(t)
  const first = (await start(['start', 'web', '--port', 'auto', '--quiet'])).stdout
  t.match(await run(['restart', 'web', '--quiet']), { code: 0, stdout: first })
})

t.test('a server whose command is not given again is left running', async (t) => {
  const { start, run } = home(t)
  const { pid } = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json', '--', process.execPath, fixture('healthy')])).stdout) as ServerInfo
  t.match(await run(['restart', 'web']), { code: 2, stdout: '', stderr: /cannot know how the server \(PID \d+\) was started/ })
  t.match(await run(['status', 'web', '--json']), { code: 0, stdout: new RegExp(`"pid":${pid}`) })
})

t.test('a server that could not be started again is left running', async (t) => {
  const { start, run } = home(t)
  const args = ['--port', 'auto', '--script', fixture('healthy')]
  const { pid } = JSON.parse((await start(['start', 'web', ...args, '--json'])).stdout) as ServerInfo
  t.match(await run(['restart', 'web', '--', 'no-such-program']), { code: 1, stdout: '', stderr: /program was not found: no-such-program/ })
  t.match(await run(['restart', 'web', ...args, '--cwd', '/no/such/folder']), { code: 1, stdout: '', stderr: /working directory of the server does not exist/ })
  const other = JSON.parse((await start(['start', 'other', ...args, '--json'])).stdout) as ServerInfo
  t.match(await run(['restart', 'web', '--port', String(other.port), '--script', fixture('healthy')]), { code: 6, stdout: '', stderr: new RegExp(`by PID ${other.pid}`) })
  t.match(await run(['status', 'web', '--json']), { code: 0, stdout: new RegExp(`"pid":${pid}`) })
})

t.test('two at once: one of them restarts the server, and the other takes that fresh one', async (t) => {
  const { start, begin } = home(t)
  // It takes its time to end, so that both have seen it before it has.
  const args = ['web', '--port', 'auto', '--script', fixture('ignores-sigterm'), '--stop-timeout', '1500ms']
  const old = JSON.parse((await start(['start', ...args, '--json'])).stdout) as ServerInfo
  const both = [begin(['restart', ...args, '--json']), begin(['restart', ...args, '--json'])]
  await Promise.all(both.map(({ prints }) => prints(`stopping the server (PID ${old.pid})`, 'stderr')))
  const ended = await Promise.all(both.map((one) => one.ended))
  t.same(ended.map(({ code }) => code), [0, 0], ended.map(({ stderr }) => stderr).join())
  const fresh = ended.map(({ stdout }) => JSON.parse(stdout) as ServerInfo)
  t.equal(fresh[0]!.pid, fresh[1]!.pid)
  t.not(fresh[0]!.pid, old.pid)
  t.same(fresh.map(({ started }) => started).sort(), [false, true])
})
