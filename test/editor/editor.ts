/**
 * The extension of the fixtures in a real editor: VS Code as a server, three windows of it in a real browser, each with
 * a folder and an extension host of its own. What the windows show is read from their status bars, and what happened
 * from the ledger that the servers keep.
 *
 *     npm run test:editor                      fails where it cannot be run
 *     npm run test:editor -- --if-possible     is skipped there
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fixture, run, start } from '../support/child.js'
import { isAlive, now, place, statusOf, type Place } from '../support/clients.js'
import { commandOf } from '../support/processes.js'
import { until } from '../support/until.js'
import { install, missing, type Editor, type Page } from './install.js'

const IDLE = 3000
/** How long the editor keeps the extension host of a window whose connection was lost. */
const GRACE = 1000
/** For what the editor takes its time for. */
const PATIENCE = 60_000

/** A pause that ends early is as good as a condition that does not hold. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

const same = (one: readonly number[], other: readonly number[]): boolean => one.toSorted().join() === other.toSorted().join()

/** Starts the editor, with the extension installed and its settings made, and returns its address. */
const startEditor = async (t: Test, here: Place, { node, codeServer }: Editor, env: Record<string, string>): Promise<string> => {
  const [user, extensions] = [join(here.folder, 'user'), join(here.folder, 'extensions')]
  const built = await run(t, process.execPath, [fixture('vscode-extension/build.mjs'), join(extensions, 'one-server.one-server-window-0.1.0')])
  t.match(built, { code: 0, stderr: '' }, 'the extension builds')
  for (const folder of [user, join(user, 'Machine'), join(user, 'User')]) mkdirSync(folder)
  writeFileSync(join(user, 'Machine/settings.json'), JSON.stringify({
    'oneServer.pidFile': here.pidFile, 'oneServer.serverScript': fixture('healthy.mjs'), 'oneServer.idleTimeout': `${IDLE}ms`,
  }))
  writeFileSync(join(user, 'User/settings.json'), JSON.stringify({
    'workbench.startupEditor': 'none', 'chat.disableAIFeatures': true, 'extensions.autoCheckUpdates': false, 'extensions.ignoreRecommendations': true,
  }))
  // It has much to say about what it lacks here: shown only if the test fails.
  const logFile = join(here.folder, 'editor.log')
  const log = openSync(logFile, 'a')
  t.teardown(() => { if (!t.passing()) console.error(readFileSync(logFile, 'utf8').slice(-5000)) })
  start(t, node, [
    codeServer, '--bind-addr', '127.0.0.1:0', '--auth', 'none', '--config', join(user, 'config.yaml'), '--session-socket', join(here.folder, 'session.sock'),
    '--user-data-dir', user, '--extensions-dir', extensions, '--reconnection-grace-time', String(GRACE / 1000),
    '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-getting-started-override',
  ], { cwd: here.folder, env, stdio: ['ignore', log, log] })
  closeSync(log)
  return until(() => /listening on (http:\/\/[\d.:]+)/.exec(readFileSync(logFile, 'utf8'))?.[1], 'the editor to listen')
}

/** What the status bar of a window says about the server. */
interface Bar {
  readonly state: string
  readonly port: number
  readonly pid: number
}

const barOf = async (page: Page): Promise<Bar | undefined> => {
  const text = await page.locator('[id="one-server.one-server-window.oneServer"]').first().getAttribute('aria-label', { timeout: 1000 }).catch(() => null)
  const [, state, port, pid] = /^one-server: (\w+)\.(?:.*:(\d+), PID (\d+))?/.exec(text ?? '') ?? []
  return state === undefined ? undefined : { state, port: Number(port), pid: Number(pid) }
}

/** Returns what all windows show, once they show the same, ready and not the one before. */
const agreed = (pages: readonly Page[], what: string, before?: Bar): Promise<Bar> =>
  until(async () => {
    const [first, ...others] = await Promise.all(pages.map(barOf))
    const same = others.every((bar) => JSON.stringify(bar) === JSON.stringify(first))
    return same && first?.state === 'ready' && first.pid !== before?.pid ? first : undefined
  }, what).catch(async (error: Error) => { throw new Error(`${error.message}; they show ${JSON.stringify(await Promise.all(pages.map(barOf)))}`) })

/** Runs a command of the extension as people do. */
const command = async (page: Page, title: string): Promise<void> => {
  await page.keyboard.press('F1')
  await page.keyboard.type(`One Server: ${title}`)
  await page.locator(`.quick-input-list .monaco-list-row[aria-label*="${title}"]`).first().waitFor({ timeout: PATIENCE })
  await page.keyboard.press('Enter')
}

/** PIDs of the extension hosts: one for each window. The editor has the mark of the place, so all that it starts has it. */
const hostsOf = (here: Place): number[] => here.alive().filter((pid) => commandOf(pid).includes('--type=extensionHost'))

const stories = (editor: Editor): void => {
  t.test('three windows of a real editor share one server', { timeout: 10 * PATIENCE }, async (t) => {
    const here = place(t)
    const env = { PATH: process.env['PATH'] ?? '', HOME: join(here.folder, 'home'), TMPDIR: join(here.folder, 'tmp'), XDG_RUNTIME_DIR: join(here.folder, 'tmp') }
    for (const folder of [env.HOME, env.TMPDIR]) mkdirSync(folder)
    const address = await startEditor(t, here, editor, { ...env, LEDGER: join(here.folder, 'ledger') })
    const browser = await editor.launchBrowser(env)
    t.teardown(() => browser.close())
    t.comment(`code-server ${editor.version} on ${address}, Chromium ${browser.version()}`)
    const manager = here.manager('healthy')
    const holders = async (): Promise<number[]> => (await statusOf(manager)).leases.map(({ pid }) => pid)
    const heldBy = (count: number, what: string): Promise<number[]> => until(async () => {
      const [hosts, pids] = [hostsOf(here), await holders()]
      return hosts.length === count && same(hosts, pids) ? hosts : undefined
    }, what)

    const context = await browser.newContext()
    const open = async (name: string): Promise<Page> => {
      mkdirSync(join(here.folder, name))
      const page = await context.newPage()
      await page.goto(`${address}/?folder=${join(here.folder, name)}`)
      return page
    }
    const opened = now()
    const [one, two, three] = await Promise.all([open('one'), open('two'), open('three')])
    const first = await agreed([one, two, three], 'three windows to show the same server as ready')
    t.comment(`three windows, all ready after ${Math.round(now() - opened)} ms: port ${first.port}, PID ${first.pid}`)
    t.same(here.starts().map(({ pid, port }) => ({ pid, port })), [{ pid: first.pid, port: first.port }], 'three windows opened at once: one server was started, and all three show it')
    const hosts = await heldBy(3, 'three extension hosts to hold it')
    t.pass(`each has an extension host of its own, which holds a lease: PIDs ${hosts.join(', ')}`)

    await command(two, 'Restart the Server')
    const second = await agreed([one, two, three], 'all windows to show the restarted server', first)
    await heldBy(3, 'all three to hold the restarted server')
    t.same(here.starts().map(({ pid }) => pid), [first.pid, second.pid], 'restarted in one window: the others follow, and hold the new server')
    here.oneAtATime(t)

    await command(three, "Open the Server's Log")
    await three.locator('.tab[data-resource-name="s.log"]').first().waitFor({ timeout: PATIENCE })
    t.pass('the log of the server opens in an editor')

    await one.reload()
    const reloaded = await until(async () => {
      const now = hostsOf(here)
      return now.length === 3 && !same(now, hosts) && same(now, await holders()) ? now : undefined
    }, 'the reloaded window to have a new extension host')
    t.same(await agreed([one, two, three], 'the reloaded window to be ready'), second, 'a window that was reloaded has the same server')

    const crashed = reloaded.find((pid) => hosts.includes(pid))!
    process.kill(crashed, 'SIGKILL')
    await until(async () => {
      const now = hostsOf(here)
      return now.length === 3 && !now.includes(crashed) && same(now, await holders())
    }, 'the editor to start the killed extension host again')
    t.same(await agreed([one, two, three], 'all to be ready again'), second, 'an extension host that was killed, and started again by the editor, has the same server')

    const closed = now()
    await Promise.all([one.close(), two.close()])
    const [last] = await heldBy(1, 'one extension host to be left')
    t.comment(`two windows closed: their extension hosts and leases were gone after ${Math.round(now() - closed)} ms`)
    await pause(2 * IDLE)
    t.ok(isAlive(second.pid), `the server lives on for the third window, ${2 * IDLE} ms later`)
    t.same(await barOf(three), second, 'which shows it')

    const end = now()
    await three.close()
    await until(() => !isAlive(last!), 'the last extension host to end')
    const left = now()
    t.ok(isAlive(second.pid), 'the last window is closed: the server outlives its extension host')
    await until(() => !isAlive(second.pid), 'the server to end')
    const gone = now()
    t.ok(gone - end > IDLE, 'for its idle time')
    t.comment(`the last window closed: its extension host ended after ${Math.round(left - end)} ms, the server ${Math.round(gone - left)} ms later`)
    t.equal((await manager.status()).state, 'stopped', 'status says so, too')
    t.equal(here.starts().length, 2, 'and nobody started another')
  })
}

t.setTimeout(10 * PATIENCE)
const reason = missing()
if (reason === undefined) stories(install((text) => t.comment(text)))
else if (process.argv.includes('--if-possible')) t.plan(0, `skipped: ${reason}`)
else {
  console.error(`The test in an editor cannot be run here: ${reason}`)
  process.exitCode = 1
}
