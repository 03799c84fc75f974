/**
 * The extension of the fixtures, built as extensions are, in processes that give it a `vscode` of their own. In a real
 * editor it is tested by `npm run test:editor`.
 */
import { existsSync, readdirSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { fixture, run, startSpeaking } from './support/child.js'
import { now, place, statusOf, type Place } from './support/clients.js'
import { gone } from './support/holders.js'
import { tempFolder } from './support/temp-folder.js'
import { within } from './support/within.js'

const IDLE = 300

const folder = tempFolder(t)
t.match(await run(t, process.execPath, [fixture('vscode-extension/build.mjs'), folder]), { code: 0, stdout: '', stderr: '' }, 'it builds without a warning')

interface Said {
  readonly bar?: { readonly text: string; readonly tooltip: string }
  readonly done?: string
  readonly opened?: string
}

/** A window, and what it says. */
const openWindow = (t: Test, here: Place, settings: Record<string, string> = {}) => {
  const all = { pidFile: here.pidFile, serverScript: fixture('healthy.mjs'), idleTimeout: `${IDLE}ms`, ...settings }
  // The ledger is what a place knows its servers by, and a window is none.
  const [environment, args] = [{ LEDGER: join(here.folder, 'ledger') }, [fixture('vscode-window.cjs'), folder]]
  const { child, line } = startSpeaking(t, process.execPath, [...args, JSON.stringify(all), JSON.stringify(environment)], { cwd: here.folder, env: here.env })
  /** Returns the first line from now on that is meant. */
  const said = async (meant: (line: Said) => boolean): Promise<Said> => {
    for (;;) {
      const next = JSON.parse(await line()) as Said
      if (meant(next)) return next
    }
  }
  return {
    child,
    tell: (...words: string[]) => child.stdin!.write(`${JSON.stringify(words)}\n`),
    said,
    shows: async (text: RegExp) => (await said(({ bar }) => bar !== undefined && text.test(bar.text))).bar!,
    close: async () => {
      child.stdin!.write('["deactivate"]\n')
      await said(({ done }) => done === 'deactivate')
    },
  }
}

const READY = /^\$\(pass\) one-server: \d+$/

t.test('it is one file that needs nothing but Node and the editor, and the server that it runs', async (t) => {
  t.same(readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted(), ['dist', 'dist/extension.js', 'dist/session-server.js', 'package.json'])
  const needed = new Set<string>()
  // Parsed, since there is also text in it that is code for somebody else.
  await build({
    entryPoints: [join(folder, 'dist/extension.js')], bundle: true, write: false, platform: 'node', format: 'cjs', logLevel: 'silent',
    plugins: [{ name: 'needed', setup: ({ onResolve }) => {
      onResolve({ filter: /./ }, ({ path, kind }) => {
        if (kind === 'entry-point') return undefined
        needed.add(path)
        return { path, external: true }
      })
    } }],
  })
  t.ok(needed.has('vscode'))
  t.same([...needed].filter((name) => name !== 'vscode' && !isBuiltin(name)), [])
})

t.test('three windows at once: one server, a lease of each, the last one out ends it', async (t) => {
  const here = place(t)
  const windows = Array.from({ length: 3 }, () => openWindow(t, here))
  for (const { tell } of windows) tell('activate')
  const bars = await Promise.all(windows.map(({ shows }) => shows(READY)))
  const [{ pid, port } = t.fail('no server') as never] = here.starts()
  t.equal(here.starts().length, 1)
  t.same(new Set(bars.map(({ text }) => text)), new Set([`$(pass) one-server: ${port}`]))
  t.equal(bars.filter(({ tooltip }) => tooltip === `http://127.0.0.1:${port}, PID ${pid}, started by this window`).length, 1)
  const manager = here.manager('healthy')
  const { leases } = await statusOf(manager)
  t.same(leases.map((lease) => lease.pid).toSorted(), windows.map(({ child }) => child.pid).toSorted(), 'each window holds it')
  const [first, killed, last] = windows as [typeof windows[0], typeof windows[0], typeof windows[0]]
  await first.close()
  killed.child.kill('SIGKILL')
  await new Promise((resolve) => setTimeout(resolve, 2 * IDLE))
  const { state, pid: held, leases: left } = await statusOf(manager)
  t.same([state, held, left.map((lease) => lease.pid)], ['ready', pid, [last.child.pid]], 'what is held stays')
  await last.close()
  t.same((await statusOf(manager)).leases, [], 'closing is letting go')
  t.equal(last.child.exitCode, null, 'before the process ends')
  await gone(here)
  t.equal(here.starts().length, 1)
})

t.test('a restart in one window: the others follow, and hold the new server', async (t) => {
  const here = place(t)
  const [one, other] = [openWindow(t, here), openWindow(t, here)]
  one.tell('activate')
  await one.shows(READY)
  other.tell('activate')
  await other.shows(READY)
  one.tell('run', 'oneServer.restart')
  await one.shows(/starting/)
  const { text } = await one.shows(READY)
  t.equal((await other.shows(new RegExp(text.replace(/[^\w ]/g, '\\$&')))).text, text)
  t.equal(here.starts().length, 2)
  here.oneAtATime(t)
  t.equal((await statusOf(here.manager('healthy'))).leases.length, 2)
  await one.close()
  await other.close()
  await gone(here)
})

t.test('a restart in both windows at once is one', async (t) => {
  const here = place(t)
  const windows = [openWindow(t, here), openWindow(t, here)]
  for (const window of windows) {
    window.tell('activate')
    await window.shows(READY)
  }
  for (const window of windows) window.tell('run', 'oneServer.restart')
  await Promise.all(windows.map((window) => window.said(({ done }) => done === 'run')))
  t.equal(here.starts().length, 2)
  t.equal((await statusOf(here.manager('healthy'))).leases.length, 2)
  for (const window of windows) await window.close()
  await gone(here)
})

t.test('a server that was stopped is not started again until it is asked for', async (t) => {
  const here = place(t)
  const window = openWindow(t, here)
  window.tell('activate')
  await window.shows(READY)
  await here.manager('healthy').stopServer()
  t.match(await window.shows(/stopped/), { text: '$(circle-slash) one-server: stopped', tooltip: /stopped, or it died/ })
  t.equal(here.starts().length, 1)
  window.tell('run', 'oneServer.restart')
  await window.shows(READY)
  t.equal(here.starts().length, 2)
  await window.close()
})

t.test('a server that fails says why, and its log can be opened', async (t) => {
  const here = place(t)
  const window = openWindow(t, here, { serverScript: fixture('dies-at-once.mjs') })
  window.tell('activate')
  t.match(await window.shows(/error/), { text: '$(error) one-server: failed', tooltip: /exited/ })
  window.tell('run', 'oneServer.openLog')
  t.equal((await window.said(({ opened }) => opened !== undefined)).opened, here.logFile)
  t.ok(existsSync(here.logFile))
  await window.close()
})

t.test('without settings it runs the server that was installed with it; closing a window whose server boots lets go, too', async (t) => {
  const here = place(t)
  const one = openWindow(t, here, { serverScript: '' })
  one.tell('activate')
  const { text } = await one.shows(READY)
  const answer = await fetch(`http://127.0.0.1:${text.split(' ').at(-1)}/api/health`)
  t.match(await answer.json(), { status: 'ok' })
  await one.close()
  await gone(here)

  const other = openWindow(t, here, { serverScript: fixture('never-answers.mjs') })
  other.tell('activate')
  await other.shows(/starting/)
  const asked = now()
  await other.close()
  within(t, now() - asked, 3000, 'it does not wait for a server that it no longer wants')
  await gone(here)
})
