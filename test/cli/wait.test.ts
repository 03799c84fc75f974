/** `wait` starts nothing: it returns when another client's server is ready, and ends as start does when that fails. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fixture, home } from './command-line.js'

t.test('until it is ready, with the same words as start', async (t) => {
  const here = home(t)
  const waiting = here.begin(['wait', 'web', '--timeout', '10m'])
  const both = here.begin(['wait', 'web,other', '--timeout', '10m'])
  await here.start(['start', 'other', '--port', 'auto', '--script', fixture('healthy'), '--quiet'])
  const { stdout } = await here.start(['start', 'web', '--port', 'auto', '--script', fixture('boots-after-300ms'), '--quiet'])
  t.match(await waiting.ended, { code: 0, stdout })
  t.match(await both.ended, { code: 0, stdout: new RegExp(`^${stdout}http:\\S+\n$`) })
  const { url, started } = JSON.parse((await here.run(['wait', 'web', '--json', '--quiet'])).stdout) as { url: string; started: boolean }
  t.same([`${url}\n`, started], [stdout, false])
})

t.test('it starts nothing and leaves nothing, and its time is its own', async (t) => {
  const here = home(t)
  t.match(await here.run(['wait', 'web', '--timeout', '50ms']), { code: 4, stdout: '', stderr: /failed to start within 50 ms: nobody has started it/ })
  t.notOk(existsSync(join(here.folder, 'state')))
  t.match(JSON.parse((await here.run(['wait', 'web', '--timeout', '50ms', '--json', '--quiet'])).stdout), { error: { code: 'START_TIMEOUT' } })
})

t.test('a launch that fails meanwhile fails it as it fails start', async (t) => {
  const here = home(t)
  const waiting = here.begin(['wait', 'web', '--timeout', '2m'])
  const fails = "setInterval(() => require('node:fs').existsSync('go') && process.exit(7), 10)"
  const start = here.begin(['start', 'web', '--port', 'auto', '--timeout', '10m', '--', process.execPath, '-e', fails])
  await waiting.prints(/waiting for the launch/, 'stderr')
  writeFileSync(join(here.folder, 'go'), '')
  t.match(await start.ended, { code: 5, stderr: /exited with code 7/ })
  t.match(await waiting.ended, { code: 5, stdout: '', stderr: /exited with code 7/ })
})
