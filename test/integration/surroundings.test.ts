/**
 * What surrounds a client: process trees that are ended from above, terminals that close, job runners
 * that clean up, debuggers and locks that the client brings along. The shared server outlives what
 * happens to the client that happened to start it.
 */
import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ServerInfo } from '../../lib/index.js'
import { bareEnv, library } from '../support/child.js'
import { allEnded, fixture, isAlive, place, resultOf, send, together, type Place } from '../support/clients.js'
import { descendantsOf, onLinux, processesWith } from '../support/processes.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

/** A client that starts the server, says who it is, and stays, as an editor does. */
const STAYS = `
  import { ClientProcessManager } from ${JSON.stringify(library('index.js'))}
  console.log(JSON.stringify(await new ClientProcessManager(JSON.parse(process.argv[1])).ensureServerRunning()))
  setInterval(() => {}, 1 << 30)`

const staying = async (here: Place, server = 'healthy', env: Record<string, string> = {}, more = {}) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', STAYS, JSON.stringify(here.options(server, more))], {
    env: { ...bareEnv(), ...env }, stdio: ['ignore', 'pipe', 'inherit'], detached: true,
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return { child, pid: child.pid!, info: JSON.parse(line) as ServerInfo & { pid: number } }
}

const gone = (pid: number): Promise<unknown> => until(() => !isAlive(pid), `PID ${pid} to end`)

t.test('a server that is killed under 20 clients comes back once', async (t) => {
  const here = place(t)
  const first = (await allEnded(await together(t, here, 20, here.options('healthy')))).map(resultOf)
  await here.kill(first[0]!.info.pid!)
  const again = (await allEnded(await together(t, here, 20, here.options('healthy')))).map(resultOf)
  t.equal(new Set(again.map(({ info }) => info.pid)).size, 1)
  t.equal(here.starts().length, 2)
  here.oneAtATime(t)
  await here.manager('healthy').stopServer()
  here.nothingLeft(t)
})

t.test('the process tree of the launching client is ended by parent PIDs, and the server survives', async (t) => {
  const here = place(t)
  const { pid, info } = await staying(here)
  // The keeper has been killed when the call returns, and needs a moment to end.
  await until(() => !descendantsOf(pid).includes(info.pid), 'the server to be no descendant of the client')
  await until(() => descendantsOf(pid).length === 0, 'the client to have no descendant left of the launch')
  process.kill(pid, 'SIGKILL')
  await gone(pid)
  t.ok(isAlive(info.pid))
  t.match(await here.manager('healthy').ensureServerRunning(), { started: false, pid: info.pid })
  await here.manager('healthy').stopServer()
})

for (const [signal, what] of [['SIGHUP', 'its terminal closes'], ['SIGINT', 'Ctrl-C is pressed in its terminal'], ['SIGTERM', 'its job is ended']] as const) {
  t.test(`${what} (${signal} to the process group of the client), and the server survives`, async (t) => {
    const here = place(t)
    const { pid, info } = await staying(here)
    process.kill(-pid, signal)
    await gone(pid)
    t.ok(isAlive(info.pid))
    t.match(await here.manager('healthy').status(), { state: 'ready', pid: info.pid })
    await here.manager('healthy').stopServer()
  })
}

t.test('a job runner that ends what carries its mark ends the server too, unless the mark is not inherited', async (t) => {
  const mark = { RUNNER_TRACKING_ID: `test-${process.pid}` }
  const carriers = (): number[] => processesWith(`RUNNER_TRACKING_ID=${mark.RUNNER_TRACKING_ID}`) ?? []
  for (const survives of [false, true]) {
    const here = place(t)
    const more = { inheritEnv: survives ? ['PATH'] : true }
    const { pid, info } = await staying(here, 'healthy', mark, more)
    for (const one of carriers()) send(one, 'SIGKILL')
    await gone(pid)
    if (!survives) await gone(info.pid)
    t.equal(isAlive(info.pid), survives)
    t.match(await here.manager('healthy').ensureServerRunning(), { started: !survives }, 'the next call finds it, or heals')
    await here.manager('healthy').stopServer()
    here.nothingLeft(t)
  }
})

t.test('a client that runs inside the server is told so at once', async (t) => {
  const here = place(t)
  const [script, told] = [join(here.folder, 'inside.mjs'), join(here.folder, 'told.log')]
  const options = { ...here.options(script), serverScript: script }
  writeFileSync(script, `
    import { writeFileSync } from 'node:fs'
    import ${JSON.stringify(fixture('healthy'))}
    import { ClientProcessManager } from ${JSON.stringify(library('index.js'))}
    const began = performance.now()
    new ClientProcessManager({ pidFile: ${JSON.stringify(here.pidFile)} }).ensureServerRunning().catch(({ code, message }) =>
      writeFileSync(${JSON.stringify(told)}, JSON.stringify({ code, message, ms: performance.now() - began })))`)
  await here.manager(script, options).ensureServerRunning()
  await until(() => existsSync(told) && readFileSync(told, 'utf8') !== '', 'the client inside to be told')
  const { code, message, ms } = JSON.parse(readFileSync(told, 'utf8')) as { code: string; message: string; ms: number }
  t.match({ code, message }, { code: 'INVALID_OPTION', message: /runs inside the very server/ })
  within(t, ms, 5000, 'without waiting for itself')
  await here.manager(script, options).stopServer()
})

t.test('a lock that the client holds on an inherited descriptor is not held by the server', onLinux, async (t) => {
  const here = place(t)
  const lock = join(here.folder, 'job.lock.log')
  const text = 'exec 9>"$1"; flock 9; shift; exec "$@"'
  execFileSync('bash', ['-c', text, 'bash', lock, process.execPath, fixture('client'), JSON.stringify(here.options('healthy'))], { env: { ...here.env } })
  const { pid = 0 } = await here.manager('healthy').ensureServerRunning()
  await here.only(pid)
  t.ok(isAlive(pid), 'the server runs, its client has ended')
  execFileSync('flock', ['--nonblock', lock, 'true'])
  t.same(readdirSync(`/proc/${pid}/fd`).map(Number).filter((fd) => {
    try {
      return execFileSync('readlink', [`/proc/${pid}/fd/${fd}`], { encoding: 'utf8' }).includes('job.lock')
    } catch {
      return false
    }
  }), [])
  await here.manager('healthy').stopServer()
})

t.test('debugger options, the IPC channel and the variables of an editor stay with the client', async (t) => {
  const here = place(t)
  const env = {
    ...here.env, NODE_OPTIONS: '--trace-warnings --inspect=0', VSCODE_IPC_HOOK: '/x', ELECTRON_RUN_AS_NODE: '1', KEPT: 'yes',
  }
  // A forked client has an IPC channel, whose descriptor the server would look for.
  const client = fork(fixture('client'), [JSON.stringify(here.options('echo', { inheritEnv: true }))], { env, stdio: ['ignore', 'pipe', 'ignore', 'ipc'], execArgv: [] })
  let out = ''
  client.stdout!.setEncoding('utf8').on('data', (text: string) => { out += text })
  await once(client, 'close')
  const { info } = out.trim().split('\n').map((line) => JSON.parse(line) as { event: string; info?: ServerInfo }).find(({ event }) => event === 'result')!
  const reached = (await (await fetch(`${info!.url}/env`)).json()) as Record<string, string>
  t.match(reached, { NODE_OPTIONS: '--trace-warnings', KEPT: 'yes' })
  t.equal(readFileSync(here.logFile, 'utf8').split('\n')[0], "one-server: the server's NODE_OPTIONS are the client's without --inspect=0")
  t.same(Object.keys(reached).filter((name) => /^(NODE_CHANNEL|VSCODE_|ELECTRON_)/.test(name)), [])
  await here.manager('echo').stopServer()
})

t.test('arguments reach the server unchanged, whatever is in them', async (t) => {
  const here = place(t)
  const args = ['--flag', '-n', '', 'two words', '"quoted"', "it's", '$(touch /tmp/never)', '`id`', '$HOME', 'a\nb', '\\', '*', ';exit', '日本']
  const manager = here.manager('', { command: [process.execPath, fixture('echo'), ...args] })
  const { url } = await manager.ensureServerRunning()
  const argv = (await (await fetch(`${url}/argv`)).json()) as string[]
  t.same(argv.slice(-args.length), args)
  await manager.stopServer()
})
