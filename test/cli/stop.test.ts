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
  t.match(JSON.parse((await run(['stop', 'web', '--json'])).stdout), { schemaVersion: 1, stopped: false, adopted: false, pid: null, leases: [] })
  t.same(await run(['stop', 'web', '--if-idle']), { code: 0, signal: null, stdout: '', stderr: 'one-server: nothing to stop\n' })
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

t.test('one that is in use: left alone where that was asked for, else stopped, and whom it affects is told', async (t) => {
  const here = home(t)
  const { run, begin } = here
  here.stopsAtEnd('web')
  const holding = begin(['hold', 'web', '--port', 'auto', '--idle-timeout', '20s', '--script', fixture('healthy')], { stdin: 'pipe' })
  await holding.prints('\n')
  const running = begin(['run', 'web', '--quiet', '--', 'sh', '-c', 'echo; cat'], { stdin: 'pipe' })
  await running.prints('\n')
  const { pid } = JSON.parse((await run(['status', 'web', '--json'])).stdout) as { pid: number }
  const clients = [
    'one-server: 2 clients use it:',
    `one-server:   PID ${holding.child.pid} for \\d+m?s: one-server hold web`,
    `one-server:   PID ${running.child.pid} for \\d+m?s: sh -c 'echo; cat'`,
  ]

  const pids = [holding.child.pid, running.child.pid].toSorted()
  const pidsIn = (stdout: string): number[] => (JSON.parse(stdout) as { leases: { pid: number }[] }).leases.map((lease) => lease.pid).toSorted()

  const left = await run(['stop', 'web', '--if-idle'])
  t.match(left, { code: 0, stdout: '' })
  t.match(left.stderr, new RegExp(`^${[...clients, `one-server: it was left running \\(PID ${pid}\\)`, ''].join('\n')}$`))
  const json = await run(['stop', 'web', '--if-idle', '--json', '--quiet'])
  t.match({ ...json, stdout: JSON.parse(json.stdout) }, { code: 0, stderr: '', stdout: { schemaVersion: 1, stopped: false, adopted: false, pid, leases: [{ pid: Number, command: String, since: String }] } })
  t.same(pidsIn(json.stdout), pids)
  t.ok(runs(pid))

  const stopped = await run(['stop', 'web', '--json'])
  t.match(stopped.stderr, new RegExp(`^${[...clients, `one-server: stopping the server \\(PID ${pid}\\)`, `one-server: stopped \\(PID ${pid}\\)`, ''].join('\n')}$`))
  t.match(JSON.parse(stopped.stdout), { stopped: true, pid })
  t.same(pidsIn(stopped.stdout), pids)
  t.notOk(runs(pid))
  for (const { child, ended } of [holding, running]) {
    child.stdin?.end()
    t.equal((await ended).code, 0, 'they go on without it, and end in order')
  }
})

t.test('--if-idle stops one that nobody uses', async (t) => {
  const { run, start } = home(t)
  const { pid } = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json', '--script', fixture('healthy')])).stdout) as { pid: number }
  t.match(await run(['stop', 'web', '--if-idle']), { code: 0, stdout: '', stderr: new RegExp(`one-server: stopped \\(PID ${pid}\\)\n$`) })
  t.notOk(runs(pid))
})
