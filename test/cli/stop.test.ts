/** `stop` returns when the server has exited; nothing to stop is what was asked for. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { fixture, home } from './command-line.js'

/** Zombies count as gone: whoever must reap the server may take its time. */
const runs = (pid: number): boolean => /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim())

t.test('nothing to stop', async (t) => {
  const { run, folder } = home(t)
  t.same(await run(['stop', 'web']), { code: 0, signal: null, stdout: '', stderr: 'one-server: nothing to stop\n' })
  t.same(await run(['stop', 'web', '--quiet']), { code: 0, signal: null, stdout: '', stderr: '' })
  t.match(JSON.parse((await run(['stop', 'web', '--json'])).stdout), { schemaVersion: 1, stopped: false, adopted: false, pid: null })
  t.notOk(readdirSync(folder).includes('web.log'), 'it starts nothing')
})

t.test('a server', async (t) => {
  const { run, start } = home(t)
  const { pid, url } = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json'])).stdout) as { pid: number; url: string }
  t.ok(runs(pid))
  t.same(await run(['stop', 'web']), {
    code: 0, signal: null, stdout: '', stderr: `one-server: stopping the server (PID ${pid})\none-server: stopped (PID ${pid})\n`,
  })
  t.notOk(runs(pid))
  await t.rejects(fetch(url))
  t.match(await run(['status', 'web']), { code: 3 })
})

t.test('a server that ignores the signal is killed past --stop-timeout', async (t) => {
  const { run, start } = home(t)
  const started = await start(['start', 'web', '--port', 'auto', '--json', '--script', fixture('ignores-sigterm')])
  const { pid } = JSON.parse(started.stdout) as { pid: number }
  const stopped = await run(['stop', 'web', '--stop-timeout', '200ms', '--json', '--quiet'])
  t.match({ ...stopped, stdout: JSON.parse(stopped.stdout) }, { code: 0, stderr: '', stdout: { schemaVersion: 1, stopped: true, adopted: false, pid } })
  t.notOk(runs(pid))
})
