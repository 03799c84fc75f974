/** `fromConfig()` with real servers: what the file says is what runs, and a checkout has its own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bareEnv, fixture, library, runModule } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'

const CONFIG = (more: object = {}): string =>
  JSON.stringify({ servers: { api: { command: [process.execPath, fixture('healthy.mjs')], port: 'auto', host: '127.0.0.1', ...more } } })

const checkout = (t: Test, text: string): string => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'one-server.config.json'), text)
  return folder
}

/** Runs a text in a folder; it prints one JSON document. */
const runIn = async (t: Test, folder: string, home: string, text: string) => {
  const { code, stdout, stderr } = await runModule(t, `
    import { fromConfig, OneServerError } from '${library('index.js')}'
    ${text}`, [], { cwd: folder, env: { ...bareEnv(), HOME: home, ONE_SERVER_STATE_DIR: join(home, 'state') } })
  t.match({ code, stderr }, { code: 0, stderr: '' })
  return JSON.parse(stdout)
}

t.test('all clients of one checkout share a server, and another checkout has its own', async (t) => {
  const home = tempFolder(t)
  const [one, other] = [checkout(t, CONFIG()), checkout(t, CONFIG())]
  const ensure = (folder: string) => runIn(t, folder, home, "console.log(JSON.stringify(await (await fromConfig('api')).ensureServerRunning()))")
  const [first, second, third] = [await ensure(one), await ensure(one), await ensure(other)]
  t.match(first, { started: true, pidFile: /\/state\/api-[0-9a-f]{8}\.pid$/ })
  t.match(second, { started: false, pid: first.pid, url: first.url })
  t.match(third, { started: true })
  t.not(third.pid, first.pid)
  t.not(third.pidFile, first.pidFile)
  const stop = (folder: string) => runIn(t, folder, home, "console.log(await (await fromConfig('api')).stopServer())")
  t.same([await stop(one), await stop(other)], [true, true])
})

t.test('options come before the file, `from` says where it is looked for, and a mistake rejects', async (t) => {
  const [home, elsewhere] = [tempFolder(t), tempFolder(t)]
  const folder = checkout(t, CONFIG({ startupTimeout: '10s', command: ['/nonexistent'] }))
  const told = await runIn(t, elsewhere, home, `
    const from = ${JSON.stringify(join(folder, 'sub'))}
    const manager = await fromConfig('api', { from, command: ${JSON.stringify([process.execPath, fixture('healthy.mjs')])}, pidFile: ${JSON.stringify(join(home, 'x.pid'))} })
    const { started, pidFile } = await manager.ensureServerRunning()
    const stopped = await manager.stopServer()
    const failures = []
    for (const call of [() => fromConfig('api'), () => fromConfig('apl', { from }), () => fromConfig('api', { from, port: 'x' })]) {
      await call().catch((error) => failures.push(error instanceof OneServerError && error.code + ' ' + error.message))
    }
    console.log(JSON.stringify({ started, pidFile, stopped, failures }))`)
  t.match(told, { started: true, pidFile: join(home, 'x.pid'), stopped: true })
  t.same(told.failures, [
    `INVALID_OPTION there is no one-server.config.json in ${elsewhere} or above it, nor a package.json with the key one-server`,
    `INVALID_OPTION ${folder}/one-server.config.json: there is no server "apl"; did you mean api?`,
    `INVALID_OPTION port must be an integer from 1 to 65535, a list of such, or 'auto', got "x"`,
  ])
})
