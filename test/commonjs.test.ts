/**
 * The package under a loader that knows CommonJS only and gives modules a world of their own, as Jest's does: no file of
 * the package may be an ES module, and none may call import(). Real Jests are in `npm run test:jest`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bareEnv, fixture, run } from './support/child.js'
import { installPackage } from './support/installed.js'
import { tempFolder } from './support/temp-folder.js'

/** The loader: it compiles a module in another world, as a function of `exports`, `require` and the rest, which cannot call import(). */
const LOADER = `
  const { readFileSync } = require('node:fs')
  const { createRequire } = require('node:module')
  const { dirname } = require('node:path')
  const { isModuleNamespaceObject } = require('node:util').types
  const vm = require('node:vm')
  const world = vm.createContext({})
  // What Jest's world for Node has, too.
  const globals = { process, console, Buffer, URL, AbortController, AbortSignal, performance, queueMicrotask, TextDecoder, TextEncoder }
  Object.assign(world, globals, { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate })
  const loaded = new Map()
  const load = (file) => {
    if (loaded.has(file)) return loaded.get(file).exports
    const module = { exports: {} }
    loaded.set(file, module)
    const names = ['exports', 'require', 'module', '__filename', '__dirname']
    const body = vm.compileFunction(readFileSync(file, 'utf8'), names, { filename: file, parsingContext: world })
    body.call(module.exports, module.exports, requireFrom(file), module, file, dirname(file))
    return module.exports
  }
  const isOurs = (name) => name.startsWith('.') || name === 'one-server'
  const requireFrom = (file) => (name) => {
    if (isOurs(name)) return load(createRequire(file).resolve(name))
    const other = createRequire(file)(name)
    if (isModuleNamespaceObject(other)) throw new Error(name + ' is an ES module')
    return other
  }
  load(process.argv[2])`

const PROGRAM = `
  const { ClientProcessManager, OneServerError, fromConfig } = require('one-server')
  const main = async () => {
    const manager = new ClientProcessManager({ name: 'own', port: 'auto', healthMatch: /ok/, idleTimeout: 1 })
    const lease = await manager.acquire()
    const { state, leases } = await manager.status()
    await lease.release()
    while ((await manager.status()).state !== 'stopped') await new Promise((resolve) => setTimeout(resolve, 20))
    const command = [process.execPath, process.env.SLOW_SERVER]
    const slow = new ClientProcessManager({ name: 'slow', port: 'auto', command, env: { BOOT_MS: '700' } })
    const { started } = await slow.ensureServerRunning()
    const stopped = await slow.stopServer()
    const configured = await (await fromConfig('web')).status()
    const broken = new ClientProcessManager({ name: 'none', port: 'auto', command: ['/nonexistent'] })
    const error = await broken.ensureServerRunning().catch((reason) => reason)
    const classes = [error instanceof OneServerError, error instanceof Error]
    const { code } = error
    console.log(JSON.stringify({ state, leases: leases.length, started, stopped, configured: configured.state, code, classes }))
  }
  main().catch((error) => { console.error(error); process.exitCode = 1 })`

t.test('it starts, leases, configures and stops servers', async (t) => {
  const folder = tempFolder(t)
  installPackage(folder)
  writeFileSync(join(folder, 'loader.cjs'), LOADER)
  writeFileSync(join(folder, 'program.cjs'), PROGRAM)
  writeFileSync(join(folder, 'one-server.config.json'), '{ "servers": { "web": { "port": "auto" } } }')
  const env = { ...bareEnv(), HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), SLOW_SERVER: fixture('warms-up.mjs') }
  const { stdout, stderr } = await run(t, process.execPath, ['loader.cjs', join(folder, 'program.cjs')], { cwd: folder, env })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), {
    state: 'ready', leases: 1, started: true, stopped: true, configured: 'stopped', code: 'COMMAND_NOT_FOUND', classes: [true, true],
  })
})
