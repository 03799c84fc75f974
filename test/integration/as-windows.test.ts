/**
 * The promises as one-server keeps them on Windows, on Linux over stand-ins (support/windows.ts): real clients, gates, watchdogs and
 * servers, and programs of Windows that write down each question. Under Node's own build for Windows: test/wine/.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { windows } from '../../lib/system/platform/windows.js'
import { run } from '../support/child.js'
import { allEnded, client, fixture, place, resultOf, together, type ClientPlan, type Place } from '../support/clients.js'
import { until } from '../support/until.js'
import { AS_WINDOWS, aWindows, program, type Windows } from '../support/windows.js'

const HOST = String(windows(() => Promise.reject(new Error('nothing may be run'))).host())

const CLI = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url))

const machine = (t: Test, options: Parameters<typeof aWindows>[1] = {}) => {
  const here = place(t)
  const at = aWindows(t, options)
  const plan = (more: ClientPlan = {}): ClientPlan => ({ ...more, nodeArgs: [...AS_WINDOWS, ...(more.nodeArgs ?? [])], env: { ...at.env, HOME: here.folder, ...more.env } })
  return {
    here, at, plan,
    call: (method: string, options: ClientProcessManagerOptions, more: ClientPlan = {}) => client(t, here, options, plan({ ...more, method })).ended,
    cli: (args: readonly string[], env: Record<string, string> = {}) =>
      run(t, process.execPath, [...AS_WINDOWS, CLI, ...args], { cwd: here.folder, env: { ...here.env, ...at.env, HOME: here.folder, ...env } }),
  }
}

/** The server has ended, and nothing of it is left but its log. */
const ended = async (here: Place): Promise<void> => {
  await until(() => here.alive().length === 0 && here.left().length === 0, `the end of ${here.alive().join(', ')}, and of ${here.left().join(', ')}`)
}

/** What a call asked of programs of Windows. */
const asks = async (at: Windows, call: () => Promise<unknown>): Promise<string[]> => {
  const before = at.questions().length
  await call()
  return at.questions().slice(before).map((question) => question.split(' ')[0]!)
}

t.test('eight clients at once start one server, and no call but a stop asks a program, which the gate does and not its client', async (t) => {
  const { here, at, plan, call } = machine(t, { slow: 0.2 })
  const options = here.options('healthy')
  const table: Record<string, string[]> = {}
  table['cold, 8 clients'] = await asks(at, async () => {
    const results = (await allEnded(await together(t, here, 8, options, plan()))).map(resultOf)
    t.equal(new Set(results.map(({ info }) => info.url)).size, 1)
    t.equal(results.filter(({ info }) => info.started).length, 1)
    t.same(results.map(({ status }) => status), Array(8).fill(200))
  })
  t.equal(here.starts().length, 1)
  table['warm'] = await asks(at, async () => resultOf(await call('ensureServerRunning', options)))
  table['status'] = await asks(at, async () => resultOf(await call('status', options)))
  table['stop'] = await asks(at, async () => t.equal((await call('stopServer', options)).result?.info as unknown, true))
  t.same(table, { 'cold, 8 clients': [], warm: [], status: [], stop: ['powershell.exe'] })
  await ended(here)
  t.match(here.ledger().at(-1), { event: 'stop' }, 'it was asked to end, and ended in its own way')
})

t.test('a server that does not end when it is asked is killed after stopTimeout, with all below it', async (t) => {
  const { here, at, call } = machine(t)
  const options = here.options('ignores-sigterm', { stopTimeout: 300 })
  resultOf(await call('ensureServerRunning', options))
  const questions = await asks(at, async () => t.equal((await call('stopServer', options)).result?.info as unknown, true))
  t.match(questions, ['powershell.exe', 'taskkill.exe'])
  // The gate asks PowerShell. What the client runs is a kill, and another one where the first was too slow to be seen.
  t.ok(questions.filter((question) => question !== 'powershell.exe').length <= 2, questions.join(', '))
  await ended(here)
})

for (const how of ['lets its lease go', 'is killed']) {
  t.test(`a server for leases ends after the last holder ${how}`, async (t) => {
    const { here, at, plan, call, cli } = machine(t)
    const options = here.options('healthy', { idleTimeout: 200 })
    if (how === 'is killed') {
      // A client of acquire() ends without a release.
      const [one, other] = [client(t, here, options, plan({ method: 'acquire' })), client(t, here, options, plan({ method: 'acquire' }))]
      await Promise.all([one.said('result'), other.said('result')])
      one.child.kill('SIGKILL')
    } else {
      const server = `${at.node} ${fixture('healthy')}`
      const { code, stderr } = await cli(['run', '--pid-file', here.pidFile, '--port', 'auto', '--idle-timeout', '200ms', '--server', server, '--', at.node, '-e', ''], { LEDGER: join(here.folder, 'ledger') })
      t.equal(code, 0, stderr)
    }
    t.equal(here.starts().length, 1)
    await ended(here)
    t.same((await call('status', options)).result?.info, { ...(await call('status', options)).result?.info, state: 'stopped' })
    t.notMatch(at.questions().join(), /taskkill/)
  })
}

t.test('a lease keeps its server beside one that ends, and a watchdog of a launch that was stopped ends with it', async (t) => {
  const { here, plan, call } = machine(t)
  const options = here.options('healthy', { idleTimeout: 100 })
  const holder = (barrier: string) => client(t, here, options, plan({ method: 'acquire', nodeArgs: ['--import', `data:text/javascript,globalThis.${barrier} = setInterval(() => {}, 1000)`] }))
  const [stays, goes] = [holder('stays'), holder('goes')]
  await Promise.all([stays.said('result'), goes.said('result')])
  const watches = (): string[] => readdirSync(`${here.pidFile}.d`).flatMap((host) => readdirSync(join(`${here.pidFile}.d`, host))).filter((name) => name.endsWith('.watch'))
  t.equal(watches().length, 2)
  const watchdogs = watches().map((name) => Number(name.split('.')[2]))
  goes.child.kill('SIGKILL')
  await until(() => watches().length === 1, 'the watchdog of the one that ended to end')
  t.match((await call('status', options)).result?.info, { state: 'ready', leases: [{ pid: stays.pid }] })
  t.equal((await call('stopServer', options)).result?.info as unknown, true)
  await until(() => !watchdogs.some((pid) => existsSync(`/proc/${pid}/exe`)), 'both watchdogs to end')
  await ended(here)
})

t.test('a client whose clock is an hour ahead, or that asks after the clock was set, finds the same server', async (t) => {
  const { here, call } = machine(t)
  const options = here.options('healthy')
  const { info } = resultOf(await call('ensureServerRunning', options))
  for (const step of [3_600_000, -3_600_000, 31_000]) {
    const shift = `data:text/javascript,const now = Date.now; Date.now = () => now() + ${step}`
    t.equal(resultOf(await call('ensureServerRunning', options, { nodeArgs: ['--import', shift] })).info.url, info.url)
  }
  t.equal(here.starts().length, 1)
  await call('stopServer', options)
  await ended(here)
})

t.test('files that a reader or a scanner has open for a moment cost a moment, whichever call meets them', async (t) => {
  for (const refusal of [
    'renameSync:s.pid:3', 'renameSync:s.log:2', 'unlinkSync:.tmp:4', 'unlinkSync:.claim:2', 'openSync:s.pid:3', 'mkdir:.lock:3', 'linkSync:.claim:2',
    `readdirSync:.d/${HOST}:2`, `rmdirSync:.d/${HOST}:2`,
  ]) {
    const { here, call } = machine(t)
    const options = here.options('healthy')
    const first = await call('ensureServerRunning', options, { env: { REFUSE: refusal } })
    resultOf(first)
    const last = await call('stopServer', options, { env: { REFUSE: refusal } })
    t.equal(last.result?.info as unknown, true, `${refusal}: ${last.error?.message ?? ''}`)
    t.match(first.stderr + last.stderr, /^refused /m, refusal)
    await ended(here)
  }
})

t.test('a file that stays open fails by its name, and the state is not lost', async (t) => {
  const { here, call } = machine(t)
  const options = here.options('healthy')
  const failed = await call('ensureServerRunning', options, { env: { REFUSE: 'renameSync:s.pid:100000' } })
  t.match(failed.error, { code: 'STATE_UNUSABLE', message: /s\.pid.*operation not permitted/ })
  t.equal(failed.stderr.match(/refused/g)?.length, 9, 'the first attempt, and eight more')
  resultOf(await call('ensureServerRunning', options))
  await call('stopServer', options)
  await ended(here)
})

t.test('where this user cannot be known to others, a call fails at once and starts nothing', async (t) => {
  const { here, at, call } = machine(t)
  writeFileSync(join(at.root, '..', '.one-server'), '')
  const failed = await call('ensureServerRunning', here.options('healthy'))
  t.match(failed.error, { code: 'STATE_UNUSABLE', message: /this process cannot be made known there/ })
  t.notOk(failed.lines.some(({ event }) => event === 'spawned'))
  t.equal(here.starts().length, 0)
})

t.test('batch files run as a server and as a command, scripts are refused with what to write instead, and nothing is started for them', async (t) => {
  const { here, at, call, cli } = machine(t)
  const bin = join(at.root, 'bin')
  const PATH = `${bin}:${at.env['PATH']}`
  program(join(bin, 'npm'), 'exit 42\n')
  program(join(bin, 'npm.cmd'), `exec '${process.execPath}' "$@" # %*\n`)
  program(join(bin, 'script'), '')
  const options = here.options('', { command: ['npm', fixture('healthy')], env: { PATH } })
  t.equal(resultOf(await call('ensureServerRunning', options)).status, 200)
  t.equal((await call('stopServer', options)).result?.info as unknown, true)
  await ended(here)

  const starts = here.starts().length
  const wrong = await call('ensureServerRunning', here.options('', { command: ['script'], env: { PATH } }))
  t.match(wrong.error, { code: 'COMMAND_NOT_FOUND', message: /bin\/script: it is a script/, hint: /node \S+bin\/script/ })
  t.equal(here.starts().length, starts)

  const server = ['run', '--pid-file', here.pidFile, '--port', 'auto', '--idle-timeout', '0', '--server', `${at.node} ${fixture('healthy')}`, '--']
  const env = { PATH, LEDGER: join(here.folder, 'ledger') }
  const said = await cli([...server, 'npm', '-e', 'console.log(process.argv[1], !!process.env.ONE_SERVER_URL); process.exit(6)', 'a "b" & c'], env)
  t.match(said, { code: 6, stdout: 'a "b" & c true\n' })
  await ended(here)
  const before = here.starts().length
  for (const [words, code, text] of [[['npn'], 127, /was not found: npn/], [['script'], 126, /it is a script.*node/s], [['npm', 'a\nb'], 126, /line break/]] as const) {
    const refused = await cli([...server, ...words], env)
    t.equal(refused.code, code, refused.stderr)
    t.match(refused.stderr.replace(/\s+/g, ' '), text)
  }
  t.equal(here.starts().length, before, 'no server was started for them')
})

t.test('a connection that Windows refuses late is refused, unless it is to this machine', async (t) => {
  const { at } = machine(t)
  const { stdout, stderr } = await at.runs(`
    import { EventEmitter } from 'node:events'
    const net = process.getBuiltinModule('node:net')
    net.connect = () => { const socket = Object.assign(new EventEmitter(), { destroy() {} }); setTimeout(() => socket.emit('error', Object.assign(new Error('no'), { code: 'ECONNREFUSED' })), 1600); return socket }
    const { listenersAt } = await import('${new URL('../../lib/system/listeners.js', import.meta.url).href}')
    console.log(JSON.stringify(await Promise.all(['192.0.2.1', '127.0.0.1'].map(async (host) => (await listenersAt(host, 9)).length))))`)
  t.equal(stdout, '[0,1]\n', stderr)
})

t.test('a gate that cannot be known to others fails its call at once: another would fail the same way', async (t) => {
  const { here, at } = machine(t)
  const plan = { program: process.execPath, args: ['-e', ''], cwd: here.folder, env: {}, logFile: join(here.folder, 'log'), gateFile: join(here.folder, 'abc.gate') }
  const lib = (name: string): string => new URL(`../../lib/system/${name}`, import.meta.url).href
  const { stdout, stderr } = await at.runs(`
    import { renameSync, writeFileSync } from 'node:fs'
    const { self } = await import('${lib('processes.js')}'); const { spawnGated } = await import('${lib('spawn-gated.js')}')
    await self()
    renameSync(process.env.WINDOWS_HOME + '/.one-server', process.env.WINDOWS_HOME + '/moved'); writeFileSync(process.env.WINDOWS_HOME + '/.one-server', '')
    await spawnGated(${JSON.stringify(plan)}).then((child) => console.log(child), ({ code, message }) => console.log(code, message))`)
  t.match(stdout, /^STATE_UNUSABLE the gate of the server: it cannot be made known to other clients: E\w+: /, stderr)
})

t.test('a call on a file is made again as a whole, also where what it had begun could not be taken back', async (t) => {
  const { here, at } = machine(t)
  const system = new URL('../../lib/node-system.js', import.meta.url).href
  for (const [refusal, call, expected] of [
    ['renameSync:x:2,unlinkSync:temp:1', "replace(dir + '/x', 'new', dir + '/temp')", '["new",["x"]]'],
    ['linkSync:x:1,unlinkSync:temp:2', "create(dir + '/x', 'made', dir + '/temp')", '[true,"made",["x"]]'],
    ['unlinkSync:temp:1', "create(dir + '/y', 'second', dir + '/temp')", '[false,"old",["y"]]'],
    ['openSync:x:3', "read(dir + '/x').then(({ kind }) => kind)", '["absent","",[]]'],
  ] as const) {
    const dir = join(here.folder, refusal.replace(/\W/g, ''))
    const { stdout, stderr } = await at.runs(`
      import * as fs from 'node:fs'
      const { nodeSystem: system } = await import('${system}')
      const dir = ${JSON.stringify(dir)}; fs.mkdirSync(dir)
      if (${JSON.stringify(call)}.includes('/y')) fs.writeFileSync(dir + '/y', 'old')
      const answer = await system.${call}
      const names = fs.readdirSync(dir)
      console.log(JSON.stringify([answer, names[0] === undefined ? '' : fs.readFileSync(dir + '/' + names[0], 'utf8'), names].slice(answer === undefined ? 1 : 0)))`, { REFUSE: refusal })
    t.equal(stdout.trim(), expected, `${refusal} ${stderr}`)
    t.match(stderr, /^refused /m)
  }
})
