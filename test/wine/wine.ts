/**
 * The package as it is installed, under Node's own build for Windows: the files that processes hold, cmd.exe, taskkill and the names of
 * files are Wine's there, which behaves as Windows does, and no stand-ins of ours. What Wine has not: PowerShell, Ctrl+Break into the
 * console of another process, and taskkill /T; so a stop is the gate's fallback here, TerminateProcess.
 *
 *     npm run test:wine                      fails where it cannot be run
 *     npm run test:wine -- --if-possible     is skipped there
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { fixture } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { install, type Wine } from './install.js'

const DIST = fileURLToPath(new URL('../../../dist/', import.meta.url))

/** A path of Linux as Wine shows it. */
const onZ = (path: string): string => `Z:${path.replaceAll('/', '\\')}`

interface Said {
  readonly event: 'loaded' | 'result' | 'error'
  readonly pid?: number
  readonly info?: { url: string; pid: number; started: boolean; state?: string }
  readonly ms?: number
  readonly asked?: string[]
  readonly message?: string
}

const machine = (t: Test, { wine, node, env }: Wine) => {
  const folder = tempFolder(t)
  const ledger = join(folder, 'ledger')
  mkdirSync(join(folder, 'state'))
  const pidFile = join(folder, 'state', 's.pid')
  const variables = { ...env, LEDGER: onZ(ledger), ONE_SERVER_LIB: `file:///${onZ(join(DIST, 'index.js')).replaceAll('\\', '/')}`, ONE_SERVER_STATE_DIR: onZ(join(folder, 'state')) }
  const options = { pidFile: onZ(pidFile), serverScript: onZ(fixture('wine-server.mjs')), port: 'auto', startupTimeout: 120_000, stopTimeout: 5000, idleTimeout: 500 }
  let count = 0
  /** Processes of this test under Wine, by its ledger in their environment. */
  const alive = (): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`LEDGER=${onZ(ledger)}\0`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
    } catch {
      return false
    }
  })
  const start = (args: readonly string[], more: Record<string, string> = {}) => {
    const at = join(folder, `${++count}`)
    const [out, error] = [openSync(`${at}.out`, 'w'), openSync(`${at}.err`, 'w')]
    const child = spawn(wine, [node, ...args], { cwd: folder, env: { ...variables, ...more }, stdio: ['ignore', out, error] })
    closeSync(out)
    closeSync(error)
    const gone = once(child, 'exit')
    t.teardown(async () => { child.kill('SIGKILL'); await gone })
    const text = (name: string): string => readFileSync(`${at}.${name}`, 'utf8').replaceAll('\r\n', '\n')
    return { child, at, gone, ended: gone.then(([code]) => ({ code: code as number | null, stdout: text('out'), stderr: text('err') })) }
  }
  const client = (method = 'ensureServerRunning', more: Record<string, string> = {}) => {
    const file = join(folder, `client-${++count}`)
    const { child, gone, at } = start([onZ(fixture('wine-client.mjs')), onZ(file), JSON.stringify(options)], { METHOD: method, ...more })
    const lines = (): Said[] => (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Said)
    const said = (event: string): Promise<Said> => until(() => {
      if (child.exitCode !== null && !lines().some((line) => line.event === event)) throw new Error(`${readFileSync(`${at}.err`, 'utf8')} ${JSON.stringify(lines())}`)
      return lines().find((line) => line.event === event)
    }, event)
    return { child, gone, said }
  }
  t.teardown(() => { for (const pid of alive()) process.kill(pid, 'SIGKILL') })
  return {
    folder, client, alive, pidFile, options,
    /** Waits until a call has ended, and gives its result. */
    call: async (method?: string, more?: Record<string, string>): Promise<Said> => {
      const one = client(method, more)
      const result = await one.said('result')
      await one.gone
      return result
    },
    node: (...args: string[]) => start(args).ended,
    /**
     * The command line. Wine now and then ends a program with 1 before its first instruction, and nothing is said: then nothing has run, which
     * the first line of the program shows, and it is started again. Of one that has run, the code at its exit stands in the same file.
     */
    cli: async (...args: string[]) => {
      for (let starts = 1; ; starts++) {
        const life = join(folder, `life-${++count}`)
        const ended = await start(['--require', onZ(fixture('wine-life.cjs')), onZ(join(DIST, 'cli.js')), ...args], { LIFE: onZ(life) }).ended
        const lived = existsSync(life) ? readFileSync(life, 'utf8').trim() : undefined
        if (ended.code === 1) t.comment(`${args[0]} ended with 1: ${lived ?? 'it ran nothing'}: ${ended.stderr}`)
        if (lived !== undefined || starts === 3) return ended
        t.comment(`Wine did not run node.exe: it ended with ${ended.code}`)
      }
    },
    starts: (): number => (existsSync(ledger) ? readFileSync(ledger, 'utf8') : '').split('\n').filter((line) => line.startsWith('start')).length,
    nothingLeft: async (): Promise<void> => {
      const left = (): string[] => readdirSync(join(folder, 'state')).filter((name) => !/\.log(\.prev)?$/.test(name))
      await until(() => left().length === 0 && alive().length === 0, `the end of ${alive().join()} and of ${left().join()}`)
    },
  }
}

const table: [string, string][] = []
const row = (call: string, { asked = [], ms = 0 }: Said): void => { table.push([call, `${asked.length} (${asked.join(', ')}${asked.length > 0 ? '; ' : ''}${ms} ms)`]) }

const stories = async (wine: Wine): Promise<void> => {
  await t.test('eight clients at once start one server; a warm call, a status and a stop ask no program', async (t) => {
    const here = machine(t, wine)
    const go = join(here.folder, 'go')
    const clients = Array.from({ length: 8 }, () => here.client('ensureServerRunning', { GO: onZ(go) }))
    await Promise.all(clients.map((one) => one.said('loaded')))
    writeFileSync(go, '')
    const results = await Promise.all(clients.map((one) => one.said('result')))
    t.equal(new Set(results.map(({ info }) => info?.url)).size, 1, 'one URL')
    t.equal(results.filter(({ info }) => info?.started).length, 1)
    t.equal(here.starts(), 1, 'one server, by its own word')
    t.same(results.flatMap(({ asked }) => asked), [])
    row('cold, 8 clients: the launcher', results.find(({ info }) => info?.started)!)
    row('cold, 8 clients: the slowest', results.toSorted((one, other) => other.ms! - one.ms!)[0]!)
    for (const [name, method] of [['warm', 'ensureServerRunning'], ['status', 'status']] as const) {
      const said = await here.call(method)
      t.same(said.asked, [], name)
      row(name, said)
    }
    for (const CLOCK of ['3600000', '-3600000', '31000']) t.equal((await here.call('ensureServerRunning', { CLOCK })).info?.url, results[0]!.info?.url, `a clock ${CLOCK} ms ahead`)
    const stopped = await here.call('stopServer')
    t.equal(stopped.info as unknown, true)
    t.same(stopped.asked, [], 'the gate ends its server itself')
    t.ok(stopped.ms! < here.options.stopTimeout, `${stopped.ms} ms: before stopTimeout`)
    row('stop', stopped)
    await here.nothingLeft()
  })

  await t.test('a server that was started for leases ends after its last holder was killed, and not before', async (t) => {
    const here = machine(t, wine)
    const holders = [here.client('acquire', { HOLD: '1' }), here.client('acquire', { HOLD: '1' })]
    await Promise.all(holders.map((one) => one.said('result')))
    t.equal(here.starts(), 1)
    row('acquire, the second of two', await holders[1]!.said('result'))
    holders[0]!.child.kill('SIGKILL')
    await holders[0]!.gone
    await until(async () => readdirSync(`${here.pidFile}.d`).some((host) => readdirSync(join(`${here.pidFile}.d`, host)).filter((name) => name.endsWith('.watch')).length === 1), 'its watchdog to end')
    t.equal((await here.call('status')).info?.state, 'ready')
    holders[1]!.child.kill('SIGKILL')
    await here.nothingLeft()
  })

  await t.test('a gate that was killed takes its server with it, and the next call starts one', async (t) => {
    const here = machine(t, wine)
    const { info } = await here.call()
    t.equal((await here.node('-e', `process.kill(${info!.pid})`)).code, 0)
    await until(() => here.alive().length === 0, 'all of it to end')
    t.equal((await here.call()).info?.started, true)
    t.equal(here.starts(), 2)
    await here.call('stopServer')
    await here.nothingLeft()
  })

  await t.test('the command line: start, status, list, doctor, run, stop; batch files and scripts', async (t) => {
    const here = machine(t, wine)
    const script = ['--script', onZ(fixture('wine-server.mjs')), '--port', 'auto', '--timeout', '120s']
    const started = await here.cli('start', 'web', ...script)
    t.match(started, { code: 0, stdout: /^http:\/\/localhost:\d+\n$/ })
    t.match(await here.cli('status', 'web'), { code: 0, stdout: /ready/ })
    t.match(await here.cli('list'), { code: 0, stdout: /web/ })
    t.match(await here.cli('doctor', 'web'), { stdout: /ready|alive|healthy/ })
    t.match(await here.cli('stop', 'web'), { code: 0 })
    t.match(await here.cli('status', 'web'), { code: 3 })
    const batch = join(here.folder, 'show.cmd')
    writeFileSync(batch, `@"${onZ(wine.node)}" "${onZ(join(here.folder, 'show.mjs'))}" %*\r\n`)
    writeFileSync(join(here.folder, 'show.mjs'), "console.log(JSON.stringify([process.argv.slice(2), process.env.ONE_SERVER_URL !== undefined])); process.exit(6)")
    const run = ['run', 'leased', ...script.slice(2), '--idle-timeout', '300ms', '--server', `"${onZ(wine.node).replaceAll('\\', '/')}" "${onZ(fixture('wine-server.mjs')).replaceAll('\\', '/')}"`, '--']
    t.match(await here.cli(...run, onZ(batch), 'a b', 'c'), { code: 6, stdout: '[["a b","c"],true]\n' })
    const before = here.starts()
    t.match(await here.cli(...run, 'npn'), { code: 127, stderr: /was not found: npn/ })
    t.match(await here.cli(...run, onZ(join(here.folder, 'show.mjs'))), { code: 126, stderr: /node/ })
    t.equal(here.starts(), before)
    await here.nothingLeft()
  })
  console.error(['', 'questions of a client to programs of Windows (what it asked; how long the call took under Wine)', ...table.map(([call, asks]) => `  ${call.padEnd(32)} ${asks}`)].join('\n'))
}

const found = install()
t.setTimeout(20 * 60 * 1000)
if (typeof found !== 'string') await stories(found)
else if (process.argv.includes('--if-possible')) t.plan(0, `skipped: ${found}`)
else t.fail(found)
