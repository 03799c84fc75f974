/** `restart` ends with another process that is healthy; a server that did not run is simply started. */
import t from 'tap'
import type { ServerInfo } from '../../lib/launch/server-info.js'
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
