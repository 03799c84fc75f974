/** A machine without a /bin/sh that this user may run: distroless images have none. A start, and a lease, say that and nothing else. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { bareEnv, library, run } from '../support/child.js'
import { place, type Place } from '../support/clients.js'
import { tempFolder } from '../support/temp-folder.js'

const canHide = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true'], { env: bareEnv() }).status === 0
const hidden = { skip: canHide ? false : 'needs root and mount namespaces' }

/** Runs a client where the folder of /bin/sh has nothing but Node, and what `put` puts there. */
const withoutShell = async (t: Test, here: Place, call: string, put: (folder: string) => void = () => {}) => {
  const bin = realpathSync('/bin')
  const folder = join(tempFolder(t), 'bin')
  mkdirSync(folder)
  put(folder)
  const node = join(folder, basename(process.execPath))
  if (dirname(process.execPath) === bin) writeFileSync(node, '')
  const text = `
    const { ClientProcessManager } = await import(${JSON.stringify(library('index.js'))})
    const manager = new ClientProcessManager(${JSON.stringify(here.options('healthy'))})
    try { await manager.${call} } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint })) }`
  const mounts = `${existsSync(node) ? `mount --bind '${process.execPath}' '${node}' && ` : ''}mount --rbind '${folder}' '${bin}' && exec "$0" "$@"`
  const { stdout, stderr } = await run(t, 'unshare', ['-m', '/bin/sh', '-c', mounts, process.execPath, '--input-type=module', '--eval', text], { env: here.env })
  t.equal(stderr, '')
  return JSON.parse(stdout) as { code: string; message: string; hint: string }
}

t.test('without /bin/sh a start names it', hidden, async (t) => {
  const here = place(t)
  t.match(await withoutShell(t, here, 'ensureServerRunning()'), {
    code: 'COMMAND_NOT_FOUND', message: 'one-server needs /bin/sh, which is not here', hint: /distroless/,
  })
  here.nothingLeft(t)
})

t.test('where /bin/sh may not be run, a start names it', hidden, async (t) => {
  const here = place(t)
  const error = await withoutShell(t, here, 'ensureServerRunning()', (folder) => writeFileSync(join(folder, 'sh'), '', { mode: 0o644 }))
  t.match(error, { code: 'COMMAND_NOT_FOUND', message: 'one-server needs /bin/sh, which may not be run by this user' })
  here.nothingLeft(t)
})

t.test('without /bin/sh a lease on a server that runs names it, and the server runs on', hidden, async (t) => {
  const here = place(t)
  const lease = await here.manager('healthy').acquire()
  t.match(await withoutShell(t, here, 'acquire()'), { code: 'COMMAND_NOT_FOUND', message: 'one-server needs /bin/sh, which is not here' })
  t.ok(here.alive().includes(lease.server.pid!))
  await lease.release()
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('with /bin/sh, a working directory that is not there is named', async (t) => {
  const here = place(t)
  const cwd = join(here.folder, 'gone')
  await t.rejects(here.manager('healthy', { cwd }).ensureServerRunning(), { code: /COMMAND_NOT_FOUND|INVALID_OPTION/, message: /gone|working directory/ })
})
