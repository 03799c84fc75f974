/** `status` tells what is the case and changes nothing; its exit code alone says whether a server runs. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { run as runChild } from '../support/child.js'
import { until } from '../support/until.js'
import { fixture, home, PROGRAM, watched } from './command-line.js'

t.test('stopped', async (t) => {
  const { run, folder } = home(t)
  const { code, stdout, stderr } = await run(['status', 'web'])
  t.match({ code, stderr }, { code: 3, stderr: '' })
  t.match(stdout, /^state {5}stopped\npid file {2}\/.*web\.pid\nlog {7}\/.*web\.log\n$/)
  const json = await run(['status', 'web', '--json'])
  t.equal(json.code, 3)
  t.strictSame(Object.keys(JSON.parse(json.stdout) as object), ['schemaVersion', 'state', 'pidFile', 'logFile'])
  t.same(readdirSync(folder), [], 'it leaves no trace')
})

t.test('ready', async (t) => {
  const { run, start } = home(t)
  const server = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json'])).stdout) as { url: string; pid: number; launchId: string }
  const { code, stdout, stderr } = await run(['status', 'web'])
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, new RegExp(`^state {5}ready\nurl {7}${server.url}\npid {7}${server.pid}\nsince {5}\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\(\\d+m?s\\)\nlaunch {4}${server.launchId} by PID \\d+\nstops {5}not by itself: pinned, `))
  const json = JSON.parse((await run(['status', 'web', '--json'])).stdout) as { since: string }
  t.match(json, { schemaVersion: 1, state: 'ready', url: server.url, pid: server.pid, launchId: server.launchId, leases: [], pinned: true, stopsAt: null })
  t.ok(Math.abs(Date.now() - Date.parse(json.since)) < 60_000, json.since)
})

t.test('who uses it, and when it stops', async (t) => {
  const here = home(t)
  here.stopsAtEnd('web')
  const holding = here.begin(['hold', 'web', '--port', 'auto', '--idle-timeout', '20s', '--quiet', '--script', fixture('healthy')], { stdin: 'pipe' })
  await holding.prints('\n')
  const long = 'x'.repeat(100)
  const running = here.begin(['run', 'web', '--quiet', '--', 'sh', '-c', `echo; exec cat # ${long}`], { stdin: 'pipe' })
  await running.prints('\n')
  const { code, stdout } = await here.run(['status', 'web'])
  t.equal(code, 0)
  const [first = '', second = '', ending] = stdout.split('\n').filter((line) => /^(client|stops)/.test(line))
  t.match(first, new RegExp(`^client {4}PID ${holding.child.pid} for \\d+m?s: one-server hold web$`))
  t.match(second, new RegExp(`^client {4}PID ${running.child.pid} for \\d+m?s: sh -c 'echo; exec cat # x+…$`))
  t.equal(second.length, 80)
  t.match(ending, /^stops {5}when its last client has gone/)
  const json = JSON.parse((await here.run(['status', 'web', '--json'])).stdout) as { leases: { command: string }[] }
  t.match(json, { leases: [{ pid: Number, since: String }, { pid: Number, since: String }], pinned: false, stopsAt: null })
  t.same(json.leases.map(({ command }) => command).toSorted(), ['one-server hold web', `sh -c 'echo; exec cat # ${long}'`])
  for (const { child, ended } of [holding, running]) {
    child.stdin?.end()
    await ended
  }
  t.match(await here.run(['status', 'web']), { code: 0, stdout: /^stops {5}in (1\d|20)s, unless a client comes$/m })
})

t.test('starting', async (t) => {
  const { run, begin, start } = home(t)
  const { child, ended, prints } = begin(['start', 'web', '--port', 'auto', '--timeout', '1m', '--script', fixture('never-answers')])
  await prints('waiting for the health check', 'stderr')
  t.match(await run(['status', 'web']), { code: 0, stdout: /^state {5}starting\n/ })
  child.kill('SIGTERM')
  await ended
  await start(['start', 'web', '--timeout', '1ms'])
})

t.test('a server that one-server did not start', async (t) => {
  const { run, env } = home(t)
  const { child, prints, ended } = watched(spawn(process.execPath, [fixture('healthy')], { env: { ...env, PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] }))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let text = ''
  child.stdout?.on('data', (part: string) => (text += part))
  await prints('\n')
  const port = /port (\d+)/.exec(text)?.[1] as string
  const { code, stdout } = await run(['status', 'web', '--port', port])
  t.equal(code, 0)
  t.match(stdout, /^state {5}ready$/m)
  t.match(stdout, /^launch {4}none: not started by one-server$/m)
  t.notMatch(stdout, /^log/m)

  const stop = await run(['stop', 'web', '--port', port])
  t.match(stop, { code: 0, stdout: '' })
  t.match(stop.stderr, `one-server: http://localhost:${port} was not started by one-server\none-server: it was left running`)
  t.match(JSON.parse((await run(['stop', 'web', '--port', port, '--json'])).stdout), { schemaVersion: 1, stopped: false, adopted: true })

  t.match(await run(['start', 'web', '--port', port]), { code: 0, stdout: `http://localhost:${port}\n`, stderr: /not started by one-server\n$/ })
  t.match(await run(['restart', 'web', '--port', port]), { code: 6, stdout: '', stderr: /that one-server did not\s+start/ })
  t.equal(child.exitCode, null)
})

t.test('being ended: it has not stopped before it has exited', async (t) => {
  const { run, begin, start } = home(t)
  const { pid } = JSON.parse((await start(['start', 'web', '--port', 'auto', '--json', '--script', fixture('ignores-sigterm')])).stdout) as { pid: number }
  const stop = begin(['stop', 'web', '--stop-timeout', '1m'])
  await until(async () => /has not exited yet/.test((await run(['status', 'web'])).stdout), 'it to be ended')
  t.match(await run(['status', 'web']), { code: 0, stdout: new RegExp(`^state {5}unhealthy\npid {7}${pid}\n(?:.*\n)*stops {5}it is being ended, and has not exited yet\n`) })
  t.match(JSON.parse((await run(['status', 'web', '--json'])).stdout), { state: 'unhealthy', pid, isEnding: true })
  process.kill(pid, 'SIGKILL')
  await stop.ended
  t.match(await run(['status', 'web']), { code: 3, stdout: /^state {5}stopped\n/ })
})

t.test('in a working directory that was removed', async (t) => {
  const { env, folder } = home(t)
  const there = (...args: string[]) => runChild(t, '/bin/sh', ['-c', 'mkdir gone; cd gone; rmdir ../gone; exec "$@"', 'sh', ...PROGRAM, ...args], { env, cwd: folder })
  t.match(await there('status', 'web'), { code: 3, stderr: '' })
  t.match(await there('stop', 'web'), { code: 0 })
  t.match(await there('list'), { code: 0 })
  t.match(await there('start', 'web', '--script', 'x.js'), { code: 2, stderr: /serverScript must be an absolute path, since the working directory \(cwd\) of this process was removed/ })
  t.match(await there('start', 'web', '--', 'node'), { code: 1, stderr: /The working directory of the server does not exist/ })
})
